package consensus

import (
	"slices"
	"time"
)

// progress is what a leader knows of one member (Figure 2, volatile state on leaders; thesis 10.2.1 for
// the pipeline). The leader's own disk has one too: it is a follower that needs no messages.
//
// It is in one of three states. Probing: the leader does not know where the logs agree, and sends one small
// request at a time. Replicating: they agree up to nextIndex-1 unless a message was lost; the leader
// sends ahead without waiting for answers, within a window. A refusal leads back to probing. Sending a snapshot: the
// log does not reach back to what the member needs; probing waits until it is there.
type progress struct {
	id         ServerID
	nextIndex  Index // next to send; nextIndex > matchIndex
	matchIndex Index // known to be on stable storage there; never decreases within a term

	sending      *outgoing // nil: no snapshot is being sent
	probing      bool
	probeOut     bool // probing, and a probe is under way: wait for its answer or for the next heartbeat
	heartbeatDue bool // an AppendEntries must go out with the next Flush, with or without entries

	// Replicating: what was sent and not yet acknowledged, oldest first.
	inflight      []inflight
	inflightBytes int

	ackedRound  uint64        // the highest Round that came back in this term
	lastContact time.Duration // when the last reply of this term came

	noSpace bool // its disk is nearly full, as it said last in this term; not used for the leader's own

	advancedAt time.Duration // when matchIndex last grew, or there was nothing to send
	noProgress bool          // NoProgress was told
	catchUp    catchUp
}

// catchUp tells whether a learner is close enough behind to be promoted (thesis 4.2.1): it gets the log in rounds, each up to where the log
// ended when the round began. A round that takes no longer than an election timeout means that as a voter it would not hold up anything
// for longer.
type catchUp struct {
	end   Index // where this round ends
	began time.Duration
	done  bool // the last round was short enough
}

// advance begins the next round if this one is done.
func (c *catchUp) advance(match, last Index, now, limit time.Duration) {
	if match >= c.end {
		c.done = now-c.began <= limit
		c.end, c.began = last, now
	}
}

// advanced notes that the member came further.
func (p *progress) advanced(now time.Duration) { p.advancedAt, p.noProgress = now, false }

// inflight is one AppendEntries under way.
type inflight struct {
	last  Index // its last entry
	bytes int
}

func (p *progress) windowOpen(cfg *Config) bool {
	return len(p.inflight) < cfg.MaxInflightMessages && p.inflightBytes < cfg.MaxInflightBytes
}

// sent notes a request with entries up to last, and counts on its arrival.
func (p *progress) sent(last Index, bytes int) {
	p.inflight = append(p.inflight, inflight{last: last, bytes: bytes})
	p.inflightBytes += bytes
	p.nextIndex = last + 1
}

// matched notes that the member has everything up to index on stable storage, and goes on from there.
func (p *progress) matched(index Index) {
	p.matchIndex = max(p.matchIndex, index)
	p.nextIndex = max(p.nextIndex, p.matchIndex+1)
	done := 0
	for done < len(p.inflight) && p.inflight[done].last <= p.matchIndex {
		p.inflightBytes -= p.inflight[done].bytes
		done++
	}
	p.inflight = slices.Delete(p.inflight, 0, done) // in place: the window is small, and made once
	if p.probing && p.sending == nil {
		p.replicate()
	}
}

// replicate goes on from what is known to match.
func (p *progress) replicate() {
	p.probing, p.probeOut = false, false
	p.nextIndex = p.matchIndex + 1
}

// probe goes back to next, one request at a time. What was under way no longer counts.
func (p *progress) probe(next Index) {
	p.probing, p.probeOut = true, false
	p.inflight, p.inflightBytes = p.inflight[:0], 0
	p.nextIndex = next
}
