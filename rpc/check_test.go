package rpc

import (
	"math"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

// stranger is a Message that this package does not know.
type stranger struct{ consensus.Header }

func TestCheckRefusesWhatNoCorrectServerSends(t *testing.T) {
	good := func() *consensus.AppendEntries { return manyEntries([]byte("a"), []byte("b")) }
	change := func(f func(m *consensus.AppendEntries)) consensus.Message {
		m := good()
		f(m)
		return m
	}
	piece := func(f func(m *consensus.InstallSnapshot)) consensus.Message {
		m := chunk(3, 10)
		f(m)
		return m
	}
	cases := []struct {
		name string
		m    consensus.Message
		want string // part of the error; "" for none
	}{
		{"entries", good(), ""},
		{"entries from the start", change(func(m *consensus.AppendEntries) {
			m.PrevLogIndex, m.PrevLogTerm = 0, 0
			m.Entries[0].Index, m.Entries[1].Index = 1, 2
		}), ""},
		{"a vote for an empty log", vote("a", "b", 1), ""},
		{"a refusal", &consensus.AppendEntriesReply{Header: consensus.Header{Term: 3}}, ""},
		{"nil", nil, "cannot carry a <nil>"},
		{"unknown type", &stranger{}, "cannot carry a *rpc.stranger"},
		{"no term", &consensus.RequestVoteReply{}, "its term is 0"},
		{"index without term", &consensus.RequestVote{Header: consensus.Header{Term: 1}, LastLogIndex: 4}, "cannot have term 0"},
		{"term without index", change(func(m *consensus.AppendEntries) { m.PrevLogIndex = 0 }), "index 0 cannot have term 8"},
		{"log from the future", &consensus.RequestVote{Header: consensus.Header{Term: 1}, LastLogIndex: 4, LastLogTerm: 2}, "above the message's term"},
		{"no room", change(func(m *consensus.AppendEntries) { m.PrevLogIndex = math.MaxUint64 - 1 }), "leaves no room"},
		{"gap", change(func(m *consensus.AppendEntries) { m.Entries[1].Index++ }), "stands where entry 1002 should"},
		{"entry without term", change(func(m *consensus.AppendEntries) { m.Entries[0].Term = 0 }), "has term 0"},
		{"falling terms", change(func(m *consensus.AppendEntries) { m.Entries[1].Term = 8 }), "has term 8 behind term 9"},
		{"entry from the future", change(func(m *consensus.AppendEntries) { m.Entries[1].Term = 10 }), "in a message of term 9"},
		{"a configuration", change(func(m *consensus.AppendEntries) {
			m.Entries[1].Kind, m.Entries[1].Data = consensus.EntryConfiguration, someConfig().Encode()
		}), ""},
		{"a bad configuration", change(func(m *consensus.AppendEntries) { m.Entries[1].Kind = consensus.EntryConfiguration }), "entry 1002 is not a configuration: "},
		{"a chunk", chunk(3, 10), ""},
		{"a question", chunk(3, 0), ""},
		{"a chunk of nothing", piece(func(m *consensus.InstallSnapshot) { m.LastIncluded = consensus.Position{} }), "ends before the first entry"},
		{"a snapshot without term", piece(func(m *consensus.InstallSnapshot) { m.LastIncluded.Term = 0 }), "last included index 9 cannot have term 0"},
		{"a snapshot from the future", piece(func(m *consensus.InstallSnapshot) { m.LastIncluded.Term = 4 }), "above the message's term"},
		{"no room for the chunk", piece(func(m *consensus.InstallSnapshot) { m.Offset = math.MaxUint64 - 9 }), "leaves no room for a chunk of 10 bytes"},
		{"a member twice", piece(func(m *consensus.InstallSnapshot) { m.Config = consensus.Voters("a", "a") }), `the snapshot's configuration: "a" is a member twice`},
		{"an answer about nothing", &consensus.InstallSnapshotReply{Header: consensus.Header{Term: 3}}, "ends before the first entry"},
		{"an answer", &consensus.InstallSnapshotReply{Header: consensus.Header{Term: 3}, LastIncluded: consensus.Position{Index: 9, Term: 3}}, ""},
		{"a request for an index", &consensus.ReadIndex{Header: consensus.Header{Term: 3}, ID: 1}, ""},
		{"a request in no term", &consensus.ReadIndex{ID: 1}, "its term is 0"},
		{"an index to read from", &consensus.ReadIndexReply{Header: consensus.Header{Term: 3}, Index: 9}, ""},
		{"a refusal", &consensus.ReadIndexReply{Header: consensus.Header{Term: 3}, Refused: true}, ""},
		{"an index of nothing", &consensus.ReadIndexReply{Header: consensus.Header{Term: 3}}, "read from index 0, and refused is false"},
		{"a refusal with an index", &consensus.ReadIndexReply{Header: consensus.Header{Term: 3}, Index: 9, Refused: true}, "read from index 9, and refused is true"},
		{"unknown kind of entry", change(func(m *consensus.AppendEntries) { m.Entries[1].Kind = 200 }), "unknown kind 200"},
	}
	for _, c := range cases {
		err := check(c.m)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}
