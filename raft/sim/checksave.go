package sim

import (
	"github.com/raftnode/raft/raft/consensus"
)

// save takes in what a module wants to be saved, and checks what may change there. Leads says that it leads, in the same term
// as at the last Flush.
func (k *checker) save(s *server, save *consensus.Save, leads bool) {
	log := &s.view.log
	if h := save.HardState; h != nil {
		k.hardState(s, &log.hard, h)
		log.hard = *h
	}
	if save.Snapshot != nil && k.failure == nil {
		k.snapshot(s, save)
	}
	if len(save.Entries) > 0 && k.failure == nil {
		k.entries(s, save, leads)
	}
	if uint64(save.Commit) > log.last() {
		k.fail("Order", "the log of %s ends at index %d", s.id, log.last())("its commitIndex is %d", save.Commit)
	}
}

// hardState: terms never decrease, and in a term the vote is given once.
func (k *checker) hardState(s *server, was, is *consensus.HardState) {
	switch {
	case is.Term < was.Term:
		k.fail("Monotone Terms", "%s was in term %d", s.id, was.Term)("it saves term %d", is.Term)
	case is.Term == was.Term && was.VotedFor != "" && is.VotedFor != was.VotedFor:
		k.fail("Election Safety", "%s voted for %s in term %d", s.id, was.VotedFor, was.Term)("it saves a vote for %q in that term", is.VotedFor)
	}
}

// snapshot: it covers what was applied; nothing of the log behind it is lost; one that a leader sent comes only where the log
// did not have its last entry (Figure 13).
func (k *checker) snapshot(s *server, save *consensus.Save) {
	log, snapshot := &s.view.log, save.Snapshot
	at := uint64(snapshot.Index)
	if log.snapshot != nil && snapshot.Index <= log.snapshot.Index {
		k.fail("Snapshot", "%s has a snapshot at index %d", s.id, log.snapshot.Index)("it saves one at index %d", at)
		return
	}
	if !k.isCommitted(s, snapshot.Position) {
		return
	}
	if save.Base.Index > snapshot.Index || save.Installed && save.Base != snapshot.Position || save.Base.Index < log.base.Index {
		k.fail("Order", "the snapshot of %s is at index %d and its log began at %d", s.id, at, log.base.Index+1)("the log is to begin at %d", save.Base.Index+1)
		return
	}
	base, chain := uint64(save.Base.Index), k.chainAt(uint64(save.Base.Index))
	if save.Installed {
		k.installed(s, at)
	} else if l, ok := log.at(base); !ok || l.chain != chain || l.term != uint64(save.Base.Term) {
		k.fail("Snapshot", "the committed entry at index %d has term %d", base, k.commitAt(max(base, 1)).term)(
			"the log of %s is cut behind another one, of term %d", s.id, save.Base.Term)
		return
	}
	if got, want := votersOf(snapshot.Config), k.configAt(at); got != want {
		k.fail("Configuration", "at index %d the voters were %s, before %s", at, want.next, want.former)(
			"a snapshot there says %s, before %s", got.next, got.former)
	}
	log.setSnapshot(save, chain)
}

func (k *checker) installed(s *server, at uint64) {
	log := &s.view.log
	k.cover.saw(SnapshotInstalled)
	if l, ok := log.at(at); ok && l.chain == k.chainAt(at) {
		k.fail("Snapshot", "the log of %s has the entry at index %d of term %d, and ends at %d", s.id, at, l.term, log.last())(
			"a snapshot that ends with the same entry takes the place of all of it")
	} else if ok {
		k.cover.saw(InstallOverConflict)
	}
}

// configAt is the committed configuration in force at an index. It is asked for rarely.
func (k *checker) configAt(index uint64) voters {
	config := k.configs[0].voters
	for _, c := range k.configs {
		if c.index <= index {
			config = c.voters
		}
	}
	return config
}

// entries: Leader Append-Only, Log Matching; and what is committed is never deleted.
func (k *checker) entries(s *server, save *consensus.Save, leads bool) {
	log := &s.view.log
	first := uint64(save.Entries[0].Index)
	if first <= uint64(log.base.Index) || first > log.last()+1 {
		k.fail("Order", "the log of %s has indexes %d to %d", s.id, log.base.Index+1, log.last())("it saves entries from index %d on", first)
		return
	}
	if leads && first <= log.last() {
		k.fail("Leader Append-Only", "%s leads term %d and its log ends at index %d", s.id, s.view.term, log.last())("it overwrites index %d", first)
		return
	}
	entries := save.Entries
	before, _ := log.at(first - 1)
	chain := before.chain
	for len(entries) > 0 && uint64(entries[0].Index) <= log.last() { // what it has already
		l, _ := log.at(uint64(entries[0].Index))
		if chain = chainOf(chain, &entries[0]); l.chain != chain {
			chain, _ = k.chainBefore(log, uint64(entries[0].Index))
			break
		}
		entries = entries[1:]
	}
	if next := uint64(save.Entries[len(save.Entries)-1].Index) + 1 - uint64(len(entries)); next <= log.last() {
		k.truncates(s, next)
		log.truncate(next)
	}
	if k.trace != nil && len(entries) > 0 {
		last := &entries[len(entries)-1]
		k.note(s.slot, NoteMessage, "appends %d to %d:%d", entries[0].Index, last.Index, last.Term)
	}
	for i := range entries {
		e := &entries[i]
		term := uint64(e.Term)
		chain = chainOf(chain, e)
		if uint64(e.Index) != log.last()+1 || term < log.lastTerm() || e.Term > log.hard.Term {
			k.fail("Order", "the log of %s ends with index %d of term %d, in term %d", s.id, log.last(), log.lastTerm(), log.hard.Term)(
				"index %d of term %d follows", e.Index, term)
			return
		}
		k.logMatching(s, uint64(e.Index), link{term, chain})
		log.append(e, link{term, chain})
		if e.Kind == consensus.EntryConfiguration {
			k.configuration(s)
		}
	}
}

func (k *checker) chainBefore(log *image, index uint64) (uint64, bool) {
	l, ok := log.at(index - 1)
	return l.chain, ok
}

// truncates: a server deletes its entries from index on. None of them is committed, unless for a leader of a term before the one that
// committed it, whose message came late: to that term the server has promised nothing yet, and it was not counted.
func (k *checker) truncates(s *server, index uint64) {
	log := &s.view.log
	if index <= k.committed() {
		if l, _ := log.at(index); l.chain == k.chainAt(index) && s.view.truncated >= k.commitAt(index).commitTerm {
			k.fail("Leader Completeness", "index %d of term %d is committed and %s has it", index, l.term, s.id)("it deletes it")
		}
	}
	if log.config().index >= index {
		k.cover.saw(ConfigurationTruncated)
	}
	k.cover.saw(Truncated)
}

// logMatching: if two logs contain an entry with the same index and term, then the logs are identical in all entries up through
// the given index (Figure 3). The chain makes it one comparison.
func (k *checker) logMatching(s *server, index uint64, l link) {
	for uint64(len(k.byIndex)) <= index {
		k.byIndex = append(k.byIndex, seen{})
	}
	at := &k.byIndex[index]
	for {
		switch {
		case at.term == l.term && at.chain != l.chain:
			k.fail("Log Matching", "an entry of index %d and term %d was seen", index, l.term)("%s has another one there, or others before it", s.id)
			return
		case at.term == l.term:
			return
		case at.term == 0:
			at.link = l
			return
		case at.next == 0:
			k.others = append(k.others, seen{link: l})
			at.next = len(k.others)
			return
		}
		at = &k.others[at.next-1]
	}
}

// keep: a Save is on the disk. It may overwrite there what was committed since its module gave it up: an entry that another leader
// brought back later (Figure 8). That the module gives up nothing that is committed is checked where it does.
func (k *checker) keep(s *server, w *write) {
	d, save := &s.disk.image, &w.save
	d.commit = max(d.commit, save.Commit)
	if save.HardState != nil {
		d.hard = *save.HardState
	}
	if save.Snapshot != nil {
		d.setSnapshot(save, k.chainAt(uint64(save.Base.Index)))
	}
	if len(save.Entries) == 0 {
		return
	}
	first := uint64(save.Entries[0].Index)
	if first <= d.last() {
		d.truncate(first)
	}
	chain, _ := k.chainBefore(d, first)
	for i := range save.Entries {
		e := &save.Entries[i]
		if chain = chainOf(chain, e); chain != w.links[i].chain {
			k.fail("Immutable Entries", "%s was to save an entry at index %d", s.id, first+uint64(i))("it has become another one, of term %d, before it was written", e.Term)
			return
		}
		d.append(e, w.links[i])
	}
}
