package consensus

import (
	"bytes"
	"testing"
)

// checker watches a whole cluster, over all crashes, for the properties of Figure 3 and some that a
// correct implementation adds.
type checker struct {
	t         testing.TB
	c         *cluster
	leaders   map[Term]ServerID             // who led each term
	votes     map[voter]ServerID            // to whom each server's vote of each term went
	committed []Entry                       // by index-1: the first that any server applied
	appliedTo map[ServerID]Index            // in this incarnation
	asked     map[ServerID]map[ReadID]Index // for each read under way, what was committed anywhere when it was asked
	terms     map[ServerID]Term             // the highest term on each disk
	context   string
}

type voter struct {
	id   ServerID
	term Term
}

func newChecker(t testing.TB, c *cluster) *checker {
	return &checker{
		t: t, c: c,
		leaders: map[Term]ServerID{}, votes: map[voter]ServerID{}, appliedTo: map[ServerID]Index{},
		asked: map[ServerID]map[ReadID]Index{}, terms: map[ServerID]Term{},
	}
}

func (k *checker) fail(format string, args ...any) {
	k.t.Helper()
	k.t.Fatalf(k.context+format, args...)
}

// module checks what must hold of one server and between each two.
func (k *checker) module(id ServerID, m *Module) {
	k.t.Helper()
	if err := m.CheckInvariants(); err != nil {
		k.fail("%s: %v", id, err)
	}
	for _, other := range k.c.servers {
		if other.module != nil && other.id != id {
			k.logMatching(id, m, other)
		}
	}
}

// logMatching: if two logs contain an entry with the same index and term, then the logs are identical in all
// entries up through it (Figure 3).
func (k *checker) logMatching(id ServerID, m *Module, other *server) {
	a, b := &m.log, &other.module.log
	same := false
	for i := min(a.lastIndex(), b.lastIndex()); i > max(a.base.Index, b.base.Index); i-- {
		x, y := a.at(i), b.at(i)
		equal := x.Term == y.Term && x.Kind == y.Kind && bytes.Equal(x.Data, y.Data)
		if x.Term == y.Term && !equal || same && !equal {
			k.fail("Log Matching is violated at index %d: %s has %v, %s has %v", i, id, x, other.id, y)
		}
		same = same || equal
	}
}

func (k *checker) fact(id ServerID, f Fact) {
	leads, ok := f.(BecameLeader)
	if !ok {
		return
	}
	// Election Safety: at most one leader can be elected in a given term.
	if other, ok := k.leaders[leads.Term]; ok {
		k.fail("Election Safety is violated in term %d: %s and %s lead", leads.Term, other, id)
	}
	k.leaders[leads.Term] = id
	// Leader Completeness: what is committed is in the logs of the leaders of all higher terms.
	m := k.c.module(id)
	for _, e := range k.committed {
		if e.Index < m.log.base.Index {
			continue
		}
		if term, ok := m.log.term(e.Index); !ok || term != e.Term {
			k.fail("Leader Completeness is violated: entry %d of term %d is committed, but %s, leader of term %d, has term %d there", e.Index, e.Term, id, leads.Term, term)
		}
	}
}

// promise: a message from behind the disk is leaving.
func (k *checker) promise(msg Message) {
	vote, ok := msg.(*RequestVoteReply)
	if !ok || !vote.VoteGranted {
		return
	}
	key := voter{vote.From, vote.Term}
	if to, ok := k.votes[key]; ok && to != vote.To {
		k.fail("%s voted for %s and for %s in term %d", vote.From, to, vote.To, vote.Term)
	}
	k.votes[key] = vote.To
}

// applied: State Machine Safety: no two servers apply different entries at one index; and each applies in order, and only
// what a majority has on disk.
func (k *checker) applied(id ServerID, entries []Entry) {
	for _, e := range entries {
		if e.Index != k.appliedTo[id]+1 {
			k.fail("%s applied entry %d after entry %d", id, e.Index, k.appliedTo[id])
		}
		k.appliedTo[id] = e.Index
		if e.Index <= Index(len(k.committed)) {
			first := k.committed[e.Index-1]
			if first.Term != e.Term || !bytes.Equal(first.Data, e.Data) {
				k.fail("State Machine Safety is violated: %s applied %v, another server applied %v", id, e, first)
			}
			continue
		}
		k.onMajorityOfDisks(id, e)
		k.committed = append(k.committed, e)
	}
}

// onMajorityOfDisks counts by hand, in both halves of the configuration that was in force: at the entry, or a later one that its leader
// knew when it counted. So it is enough that one of them has a majority.
func (k *checker) onMajorityOfDisks(id ServerID, e Entry) {
	m := k.c.module(id)
	for _, placed := range m.configs {
		if placed.index <= e.Index && placed.index < m.configIndexAt(e.Index) {
			continue
		}
		if k.majorityHas(placed.config, e) {
			return
		}
	}
	k.fail("%s committed entry %d of term %d, which is on no majority of disks", id, e.Index, e.Term)
}

func (k *checker) majorityHas(config Configuration, e Entry) bool {
	var has, all [2]int
	for _, member := range config {
		s := k.c.servers[member.ID]
		for half, counts := range []bool{member.Suffrage.inNew(), member.Suffrage.inOld()} {
			if counts {
				all[half]++
				has[half] += int(one(s != nil && s.disk.has(e)))
			}
		}
	}
	return 2*has[0] > all[0] && (!config.Joint() || 2*has[1] > all[1])
}

// has tells whether e, which is committed, is saved.
func (d *Saved) has(e Entry) bool {
	if e.Index <= d.Base.Index {
		return true
	}
	i := int(e.Index - d.Base.Index - 1)
	return i < len(d.Entries) && d.Entries[i].Term == e.Term
}

// configIndexAt gives the place of the configuration in force at an index.
func (m *Module) configIndexAt(i Index) Index {
	at := m.configs[0].index
	for _, placed := range m.configs {
		if placed.index <= i {
			at = placed.index
		}
	}
	return at
}

// restored: a state machine never goes back, and a snapshot is the state after the entries up to its index.
func (k *checker) restored(id ServerID, snapshot *Snapshot) {
	if at, ok := k.appliedTo[id]; ok && snapshot.Index <= at {
		k.fail("%s restored its state machine to index %d after it had applied %d", id, snapshot.Index, at)
	}
	want := ""
	for _, e := range k.committed[:min(int(snapshot.Index), len(k.committed))] {
		if e.Kind == EntryCommand {
			want += string(e.Data) + " "
		}
	}
	if snapshot.Index > Index(len(k.committed)) || string(snapshot.Data) != want {
		k.fail("%s restored %q from the snapshot at index %d, but what was applied up to there is %q", id, snapshot.Data, snapshot.Index, want)
	}
	k.appliedTo[id] = snapshot.Index
}

// ask: a read comes in now, so it must see all that any server has applied by now.
func (k *checker) ask(id ServerID, read ReadID) {
	if k.asked[id] == nil {
		k.asked[id] = map[ReadID]Index{}
	}
	k.asked[id][read] = Index(len(k.committed))
}

// reads: each answer belongs to a question, and is linearizable.
func (k *checker) reads(id ServerID, reads []Read) {
	for _, r := range reads {
		floor, ok := k.asked[id][r.ID]
		if !ok {
			k.fail("%s answered read %d, which was not asked or already answered", id, r.ID)
		}
		delete(k.asked[id], r.ID)
		if !r.Refused && r.Index < floor {
			k.fail("a stale read: when %s was asked, entry %d was committed, but it would serve from index %d", id, floor, r.Index)
		}
	}
}

func (k *checker) crashed(id ServerID) {
	delete(k.appliedTo, id)
	delete(k.asked, id)
	s := k.c.servers[id]
	if s.disk.HardState.Term < k.terms[id] {
		k.fail("the term on the disk of %s went from %d back to %d", id, k.terms[id], s.disk.HardState.Term)
	}
	k.terms[id] = s.disk.HardState.Term
}
