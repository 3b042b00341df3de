package rpc

import (
	"fmt"
	"testing"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

func TestEventsReadAsLines(t *testing.T) {
	for want, e := range map[string]Event{
		"link up: n2 (10.0.0.2:7000)":                           {Kind: LinkUp, Peer: "n2", Remote: "10.0.0.2:7000", Count: 1},
		"link up: n2 (10.0.0.2:7000) with codec json":           {Kind: LinkUp, Peer: "n2", Remote: "10.0.0.2:7000", Codec: "json", Count: 1},
		"link up: n2 (b:1) with codec json, protocol 3":         {Kind: LinkUp, Peer: "n2", Remote: "b:1", Codec: "json", Protocol: 3, Count: 1},
		"link up: n2 with codec json, protocol 3, features 0x6": {Kind: LinkUp, Peer: "n2", Codec: "json", Protocol: 3, Features: 6, Count: 1},
		"cannot connect: n?2: connection refused (3 times)":     {Kind: DialFailed, Peer: "n\n2", Reason: "connection refused", Count: 3},
		"closed a stranger's connection (10.0.0.9:4): garbage":  {Kind: Stranger, Remote: "10.0.0.9:4", Reason: "garbage"},
		"unknown event 200":                                     {Kind: 200},
		"unknown event 0":                                       {},
	} {
		if got := e.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for kind := LinkUp; kind <= AcceptFailed; kind++ {
		if kind.String() == (Event{Kind: kind + 100}).String() || kind.String() == "" {
			t.Errorf("kind %d has no name", kind)
		}
	}
}

func newReporter(told *[]Event) *reporter {
	return &reporter{tell: func(e Event) { *told = append(*told, e) }, muted: make(map[muteKey]*mute)}
}

func TestWhatRepeatsIsToldOnceAMinute(t *testing.T) {
	var r reporter
	r.muted = make(map[muteKey]*mute)
	began := time.Now()
	from := func(kind EventKind, remote string) Event { return Event{Kind: kind, Remote: remote, Count: 1} }
	steps := []struct {
		at   time.Duration
		e    Event
		want int // how many are told of
	}{
		{0, from(Stranger, "1.1.1.1:5000"), 1},
		{0, from(Stranger, "1.1.1.1:5001"), 0}, // another port, the same host
		{1, from(Stranger, "2.2.2.2:5000"), 1},
		{2, from(IncomingRefused, "1.1.1.1:5000"), 1},
		{59 * time.Second, from(Stranger, "1.1.1.1:5002"), 0},
		{60 * time.Second, from(Stranger, "1.1.1.1:5003"), 3},
		{119 * time.Second, from(Stranger, "1.1.1.1:5003"), 0},
		{3 * time.Hour, from(Stranger, "1.1.1.1:5004"), 2},
		{3 * time.Hour, Event{Kind: MessageDropped, Peer: "b", Count: 70}, 70},
		{4 * time.Hour, Event{Kind: MessageDropped, Peer: "b", Count: 7}, 7},
	}
	for i, s := range steps {
		if got := r.admit(s.e, began.Add(s.at)); got != s.want {
			t.Errorf("step %d: %d, want %d", i, got, s.want)
		}
	}
}

// What is wrong may change, and then people must hear of it; but nobody fills a log by being wrong in ever new ways.
func TestAChangedReasonIsTold(t *testing.T) {
	var r reporter
	r.muted = make(map[muteKey]*mute)
	began := time.Now()
	refused := func(peer consensus.ServerID, reason string) Event {
		return Event{Kind: DialRefused, Peer: peer, Remote: "1.1.1.1:5000", Reason: reason, Count: 1}
	}
	for i, s := range []struct {
		at   time.Duration
		e    Event
		want int
	}{
		{0, refused("b", "another cluster"), 1},
		{1, refused("b", "another cluster"), 0},
		{2, refused("b", "its directory was exchanged"), 2}, // one of them was not told
		{3, refused("b", "another cluster"), 0},             // two reasons in turn are not news
		{4, refused("b", "its directory was exchanged"), 0},
		{5, refused("c", "another cluster"), 1},
		{time.Minute, refused("b", "another cluster"), 3}, // a minute after the first
		{time.Minute + 1, refused("b", "its directory was exchanged"), 1},
	} {
		if got := r.admit(s.e, began.Add(s.at)); got != s.want {
			t.Errorf("step %d: %d, want %d", i, got, s.want)
		}
	}
	told := func(origins int, peer consensus.ServerID) (told int) {
		for i := range 100 * origins {
			e := refused(peer, fmt.Sprint("wrong in way ", i))
			e.Remote = fmt.Sprintf("2.2.2.%d:1", i%origins)
			told += min(1, r.admit(e, began.Add(time.Hour)))
		}
		return told
	}
	if n := told(1, "d"); n != maxReasons {
		t.Errorf("of the ways in which a peer is wrong %d are told", n)
	}
	if n := told(1, ""); n != maxReasons {
		t.Errorf("of the ways in which a stranger is wrong %d are told", n)
	}
	if n := told(100, ""); n != 99+maxChanges-(maxReasons-1) {
		t.Errorf("of the ways in which strangers are wrong %d are told", n)
	}
	for _, m := range r.muted {
		if len(m.told) > maxReasons {
			t.Errorf("%d reasons are remembered", len(m.told))
		}
	}
	if n := told(1, "e"); n != maxReasons {
		t.Errorf("strangers keep quiet what is wrong with a peer: %d are told", n)
	}
}

func TestChangesOfConnectionsAreAlwaysTold(t *testing.T) {
	var told []Event
	r := newReporter(&told)
	for range 3 {
		r.report(Event{Kind: LinkUp, Peer: "b"})
		r.report(Event{Kind: LinkDown, Peer: "b"})
		r.report(Event{Kind: DialFailed, Peer: "b"})
	}
	if len(told) != 7 {
		t.Errorf("%d events told: %v", len(told), told)
	}
}

// Strangers choose where they come from: what is remembered of them is bounded.
func TestTheMemoryOfEventsIsBounded(t *testing.T) {
	var r reporter
	r.muted = make(map[muteKey]*mute)
	now := time.Now()
	told := 0
	for i := range 2 * maxMuted {
		told += min(1, r.admit(Event{Kind: Stranger, Remote: fmt.Sprintf("[::%x]:1", i), Count: 1}, now))
	}
	if len(r.muted) > maxMuted+1 || told > maxMuted+1 {
		t.Errorf("%d remembered, %d told", len(r.muted), told)
	}
	if n := r.admit(Event{Kind: Stranger, Remote: "[::ffff]:1", Count: 1}, now.Add(time.Minute)); n != 1 {
		t.Errorf("a minute later %d are told of", n)
	}
	if len(r.muted) > 2 {
		t.Errorf("a minute later %d are remembered", len(r.muted))
	}
}
