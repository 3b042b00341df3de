package sim

import (
	"math/bits"

	"github.com/raftnode/raft/raft/consensus"
)

// image is what a log looks like from outside, made of nothing but Saves. Each server has two: one of what its module wants to
// be saved, and one of what its disk has.
type image struct {
	hard      consensus.HardState
	snapshot  *consensus.Snapshot
	base      consensus.Position
	baseChain uint64
	links     []link            // of base.Index+1 and on
	entries   []consensus.Entry // the same; only of a disk
	keeps     bool              // this is a disk
	commit    consensus.Index   // the highest Save.Commit; likewise
	configs   []placedVoters    // in order; the first is the snapshot's, or that of the founders
}

// link is an entry in brief. The chain sums up its content and that of all entries before it: equal chains, equal logs.
type link struct {
	term  uint64
	chain uint64
}

// placedVoters is a configuration in the log.
type placedVoters struct {
	index uint64
	voters
}

// voters says who counts in a configuration: in both halves, which are equal if it is not joint. members are all, learners too; joining
// are those that the leader may make voters at any time.
type voters struct{ former, next, members, joining Set }

func (v voters) joint() bool { return v.former != v.next }

// agree tells whether servers are a majority of both halves.
func (v voters) agree(servers Set) bool {
	return 2*(servers&v.former).size() > v.former.size() && 2*(servers&v.next).size() > v.next.size()
}

// votersOf reads a configuration independently of how the module counts.
func votersOf(config consensus.Configuration) (v voters) {
	for _, m := range config {
		slot := slotOf(m.ID)
		if slot < 0 {
			continue
		}
		bit := Set(1) << slot
		v.members |= bit
		switch m.Suffrage {
		case consensus.Voter:
			v.former |= bit
			v.next |= bit
		case consensus.Incoming:
			v.next |= bit
		case consensus.Joining:
			v.joining |= bit
		case consensus.Outgoing, consensus.Demoted:
			v.former |= bit
		}
	}
	return v
}

// stay tells whether servers will be a majority still when those that are joining have joined, be it some or all of them.
func (v voters) stay(servers Set) bool {
	return v.agree(servers) && 2*(servers&v.next).size() > v.next.size()+v.joining.size()
}

func newImage(founders consensus.Configuration, keeps bool) image {
	return image{keeps: keeps, configs: []placedVoters{{voters: votersOf(founders)}}}
}

func (d *image) last() uint64 { return uint64(d.base.Index) + uint64(len(d.links)) }

func (d *image) lastTerm() uint64 {
	if n := len(d.links); n > 0 {
		return d.links[n-1].term
	}
	return uint64(d.base.Term)
}

// at gives the link at index; of the base too, and false for what is not there.
func (d *image) at(index uint64) (link, bool) {
	base := uint64(d.base.Index)
	switch {
	case index == base:
		return link{uint64(d.base.Term), d.baseChain}, true
	case index < base || index > d.last():
		return link{}, false
	}
	return d.links[index-base-1], true
}

// linksOf gives the links of entries that are in the log. They are not written to any more: see truncate.
func (d *image) linksOf(entries []consensus.Entry) []link {
	if len(entries) == 0 {
		return nil
	}
	first := entries[0].Index - d.base.Index - 1
	end := int(first) + len(entries)
	return d.links[first:end:end]
}

// config is the configuration in force.
func (d *image) config() placedVoters { return d.configs[len(d.configs)-1] }

// upToDate tells whether the log of d is at least as up-to-date as that of e (§5.4.1).
func (d *image) upToDate(e *image) bool {
	if d.lastTerm() != e.lastTerm() {
		return d.lastTerm() > e.lastTerm()
	}
	return d.last() >= e.last()
}

// append adds one entry behind the last one.
func (d *image) append(e *consensus.Entry, l link) {
	d.links = append(d.links, l)
	if d.keeps {
		d.entries = append(d.entries, *e)
	}
	if e.Kind == consensus.EntryConfiguration {
		if config, err := consensus.DecodeConfiguration(e.Data); err == nil {
			d.configs = append(d.configs, placedVoters{uint64(e.Index), votersOf(config)})
		}
	}
}

// truncate deletes the entries from index on. What was handed out of entries stays as it was.
func (d *image) truncate(index uint64) {
	keep := index - uint64(d.base.Index) - 1
	d.links = d.links[:keep:keep]
	if d.keeps {
		d.entries = d.entries[:keep:keep]
	}
	for len(d.configs) > 1 && d.config().index >= index {
		d.configs = d.configs[:len(d.configs)-1]
	}
}

// setSnapshot puts a snapshot in place of the log up to base; chain is that of the base.
func (d *image) setSnapshot(save *consensus.Save, chain uint64) {
	d.snapshot = save.Snapshot
	if save.Installed {
		d.links, d.entries = nil, nil
	} else {
		gone := save.Base.Index - d.base.Index
		d.links = d.links[gone:]
		if d.keeps {
			d.entries = d.entries[gone:]
		}
	}
	d.base, d.baseChain = save.Base, chain
	at := uint64(save.Snapshot.Index)
	kept := []placedVoters{{at, votersOf(save.Snapshot.Config)}}
	for _, c := range d.configs {
		if c.index > at && c.index <= d.last() {
			kept = append(kept, c)
		}
	}
	d.configs = kept
}

// saved is what a restart gets. The array of entries is not written to any more: see truncate.
func (d *image) saved() consensus.Saved {
	n := len(d.entries)
	return consensus.Saved{HardState: d.hard, Snapshot: d.snapshot, Base: d.base, Entries: d.entries[:n:n], Commit: d.commit}
}

// copyTo makes another image of the same content.
func (d *image) copyTo(e *image) {
	keeps := e.keeps
	*e = image{
		hard: d.hard, snapshot: d.snapshot, base: d.base, baseChain: d.baseChain, keeps: keeps, commit: d.commit,
		links: append(e.links[:0:0], d.links...), configs: append([]placedVoters(nil), d.configs...),
	}
	if keeps {
		e.entries = append(e.entries, d.entries...)
	}
}

// chainOf sums up an entry behind a chain.
func chainOf(before uint64, e *consensus.Entry) uint64 {
	return hashBytes(mix(before, uint64(e.Term)<<8|uint64(e.Kind)), e.Data)
}

// slotOf gives the place of a server by its name, n1 being 0; or -1.
func slotOf(id consensus.ServerID) int {
	switch {
	case len(id) == 2 && id[0] == 'n' && id[1] >= '1' && id[1] <= '9':
		return int(id[1] - '1')
	case len(id) == 3 && id[0] == 'n' && id[1] == '1' && id[2] >= '0' && id[2] <= '6':
		return int(id[2]-'0') + 9
	}
	return -1
}

// each calls f for the servers of a set.
func (s Set) each(f func(slot int)) {
	for ; s != 0; s &= s - 1 {
		f(bits.TrailingZeros32(uint32(s)))
	}
}
