package sim

import (
	"github.com/raftnode/raft/raft/consensus"
)

// checker watches all servers over all their lives. It believes what leaves a module and what is on the disks, and nothing that a
// module says of itself.
type checker struct {
	*cluster
	byIndex []seen   // of each index, the first term that was seen there
	others  []seen   // and the other ones, as lists
	commits []commit // by index-1: what the first server applied
	terms   []reign
	config  placedVoters   // the last one that is committed
	configs []placedVoters // all of them
	acked   uint64         // the highest index that any client was told of
	firsts  [][]first      // by client, by seq

	invariants uint64 // when modules were last asked to check themselves
}

// seen is an entry that some log had. Next is the place in others of one with another term, plus one.
type seen struct {
	link
	next int
}

// commit is a committed entry.
type commit struct {
	link
	commitTerm uint64 // of whoever committed it
	event      uint64 // when
	digest     uint64 // of the state machine behind it
	digested   bool
}

// reign is a term.
type reign struct {
	leader int              // slot+1
	votes  [maxServers]int8 // by voter: slot+1 of who got the vote
}

// first is what a command gave when it was first applied.
type first struct{ index, result uint64 }

// view is what the checks know of a server in its present life.
type view struct {
	log       image // what its module wanted to be saved
	role      consensus.Role
	term      uint64 // that it leads, if it does
	leader    int    // slot of whom it follows; -1
	heard     uint64 // the latest term that it said it is in
	truncated uint64 // the term of the leader for which it deleted entries in this Flush; noTerm
	applied   uint64 // handed out in Apply
	chain     uint64 // of the entries up to there
	compacted uint64 // the index of the newest snapshot of its state machine
}

// noTerm is behind all terms.
const noTerm = ^uint64(0)

func (k *checker) begin(founders voters) {
	k.config = placedVoters{voters: founders}
	k.configs = append(k.configs, k.config)
}

func (k *checker) committed() uint64 { return uint64(len(k.commits)) }

// commitAt gives the committed entry at index, which is 1 or more and not above committed.
func (k *checker) commitAt(index uint64) *commit { return &k.commits[index-1] }

func (k *checker) chainAt(index uint64) uint64 {
	if index == 0 {
		return 0
	}
	return k.commitAt(index).chain
}

// reign gives a term's, or nil if the terms have run away.
func (k *checker) reign(term uint64) *reign {
	const most = 1 << 20
	if term >= most {
		k.fail("Terms", "a term begins with an election timeout or a transfer")("term %d is reached", term)
		return &reign{}
	}
	for uint64(len(k.terms)) <= term {
		k.terms = append(k.terms, reign{})
	}
	return &k.terms[term]
}

// started: a server begins a life. What it has must be what its disk had.
func (k *checker) started(s *server) {
	d, v := &s.disk.image, &s.view
	d.copyTo(&v.log)
	v.role, v.term, v.leader, v.heard = consensus.Follower, 0, -1, uint64(d.hard.Term)
	v.applied, v.chain = 0, 0
	if d.snapshot != nil {
		v.applied = uint64(d.snapshot.Index)
		v.chain = k.chainAt(v.applied)
	}
	v.compacted = v.applied
	st := s.module.Status()
	snapshot := consensus.Position{}
	if d.snapshot != nil {
		snapshot = d.snapshot.Position
	}
	if uint64(st.LastLogIndex) != d.last() || uint64(st.LastLogTerm) != d.lastTerm() || st.Term != d.hard.Term ||
		st.VotedFor != d.hard.VotedFor || st.FirstLogIndex != d.base.Index+1 || st.Snapshot != snapshot {
		k.fail("Recovery", "the disk of %s has term %d, vote %q, snapshot %v, entries %d to %d:%d",
			s.id, d.hard.Term, d.hard.VotedFor, snapshot, d.base.Index+1, d.last(), d.lastTerm())(
			"its module begins with term %d, vote %q, snapshot %v, entries %d to %d:%d",
			st.Term, st.VotedFor, st.Snapshot, st.FirstLogIndex, st.LastLogIndex, st.LastLogTerm)
	}
	config := d.config()
	if got := votersOf(st.Config); got != config.voters {
		k.fail("Configuration", "the last configuration on the disk of %s, at index %d, has voters %s, before %s", s.id, config.index, config.next, config.former)(
			"its module begins with voters %s, before %s", got.next, got.former)
	}
}

// crashes counts rare moments of a crash.
func (k *checker) crashes(s *server) {
	if s.view.role == consensus.Leader && s.view.log.lastTerm() != 0 && s.view.log.last() > k.committed() {
		k.cover.saw(LeaderCrashWithTail)
	}
	if len(s.disk.queue) > 0 && s.disk.queue[0].save.Snapshot != nil {
		k.cover.saw(CrashInSnapshot)
	}
}

// effects checks all that a Flush gave.
func (k *checker) effects(s *server, e *consensus.Effects) {
	v := &s.view
	led := v.role == consensus.Leader
	term := v.term
	before := v.log.config()
	elected := false
	v.truncated = noTerm
	for _, f := range e.Facts {
		elected = k.fact(s, f) || elected
	}
	k.save(s, &e.Save, led && v.role == consensus.Leader && v.term == term)
	if elected && v.role == consensus.Leader && k.failure == nil {
		k.elected(s)
	}
	if e.Restore != nil && k.failure == nil {
		k.restores(s, e.Restore)
	}
	if len(e.Apply) > 0 && k.failure == nil {
		k.apply(s, e.Apply, before)
	}
	if len(v.log.configs) > 1 && v.role == consensus.Leader && k.failure == nil {
		k.onePending(s)
	}
	k.hash = mix(k.hash, v.log.last()<<20^v.applied)
	if k.done >= k.invariants && k.failure == nil {
		k.invariants = k.done + 997
		if err := s.module.CheckInvariants(); err != nil {
			k.fail("Module", "%s is asked to check itself", s.id)("%v", err)
		}
	}
}

// restores: a snapshot goes to the state machine. It only ever goes forward, and is of what is committed.
func (k *checker) restores(s *server, snapshot *consensus.Snapshot) {
	v, index := &s.view, uint64(snapshot.Index)
	fresh := s.applied == 0 && len(s.backlog) == 0 // a new life begins with it
	if index <= v.applied && !fresh {
		k.fail("State Machine Safety", "%s has applied index %d", s.id, v.applied)("it restores a snapshot at index %d", index)
		return
	}
	if !k.isCommitted(s, snapshot.Position) {
		return
	}
	v.applied, v.chain = index, k.chainAt(index)
}

// isCommitted checks that the last entry in a snapshot is committed, with that term.
func (k *checker) isCommitted(s *server, at consensus.Position) bool {
	index := uint64(at.Index)
	if index > k.committed() {
		k.fail("Snapshot", "the last committed index is %d", k.committed())("%s has a snapshot at index %d", s.id, index)
		return false
	}
	if c := k.commitAt(index); c.term != uint64(at.Term) {
		k.fail("Snapshot", "the committed entry at index %d has term %d", index, c.term)("%s has a snapshot there with term %d", s.id, at.Term)
		return false
	}
	return true
}

// restored: a snapshot is in the state machine, which is the same that others had there.
func (k *checker) restored(s *server) {
	if c := k.commitAt(s.applied); c.digested && s.machine.Digest() != c.digest {
		k.fail("State Machine Safety", "behind index %d a state machine had digest %x", s.applied, c.digest)(
			"%s restored a snapshot of that index and has digest %x", s.id, s.machine.Digest())
	}
}

// apply: entries are committed. State Machine Safety: no two servers apply different entries at one index; each applies in
// order, without gaps.
func (k *checker) apply(s *server, entries []consensus.Entry, before placedVoters) {
	v := &s.view
	was := k.committed()
	for i := range entries {
		e := &entries[i]
		index := uint64(e.Index)
		if index != v.applied+1 {
			k.fail("State Machine Safety", "%s has applied index %d", s.id, v.applied)("it applies index %d next", index)
			return
		}
		chain := chainOf(v.chain, e)
		v.applied, v.chain = index, chain
		if index <= k.committed() {
			if c := k.commitAt(index); c.chain != chain {
				k.fail("State Machine Safety", "index %d was applied with an entry of term %d", index, c.term)(
					"%s applies another one there, of term %d, or others before it", s.id, e.Term)
				return
			}
			continue
		}
		k.commits = append(k.commits, commit{link: link{uint64(e.Term), chain}, commitTerm: uint64(v.log.hard.Term), event: k.done})
		if e.Kind == consensus.EntryConfiguration {
			if config, err := consensus.DecodeConfiguration(e.Data); err == nil {
				k.config = placedVoters{index, votersOf(config)}
				k.configs = append(k.configs, k.config)
			}
		}
	}
	if now := k.committed(); now > was {
		k.note(s.slot, NoteCommit, "commits up to %d", now)
		k.raised(s, now, before)
	}
}

// appliedOne: a state machine has applied an entry. After equal entries it has an equal state, and a command that is in the log
// twice took effect once.
func (k *checker) appliedOne(s *server, e *consensus.Entry, result []byte) {
	index, digest := uint64(e.Index), s.machine.Digest()
	c := k.commitAt(index)
	if c.digested {
		if c.digest != digest {
			k.fail("State Machine Safety", "behind index %d a state machine had digest %x", index, c.digest)(
				"%s has applied the same and has digest %x", s.id, digest)
		}
		return
	}
	c.digest, c.digested = digest, true
	if k.system.Once != nil && e.Kind == consensus.EntryCommand {
		k.once(s, e, result)
	}
}

func (k *checker) once(s *server, e *consensus.Entry, result []byte) {
	client, seq := k.system.Once(e.Data)
	if client >= 1<<24 || seq >= 1<<24 {
		return
	}
	f := k.first(client, seq)
	sum := hashBytes(0, result)
	switch {
	case f.index == 0:
		*f = first{uint64(e.Index), sum}
	case result == nil:
		k.cover.saw(RepeatTooOld)
	case f.result != sum:
		k.fail("Sessions", "operation %d of client %d was applied at index %d", seq, client, f.index)(
			"%s applies it again at index %d, with another result", s.id, e.Index)
	default:
		k.cover.saw(RepeatApplied)
	}
}

// first gives the place for what is known of an operation of a client.
func (k *checker) first(client, seq uint64) *first {
	for uint64(len(k.firsts)) <= client {
		k.firsts = append(k.firsts, nil)
	}
	for uint64(len(k.firsts[client])) <= seq {
		k.firsts[client] = append(k.firsts[client], first{})
	}
	return &k.firsts[client][seq]
}

// read: a server serves a read. It must see all that was committed anywhere when it was asked.
func (k *checker) read(s *server, q *asked, r consensus.Read) {
	if uint64(r.Index) < q.floor {
		k.fail("Linearizable Reads", "index %d was committed when %s was asked to read", q.floor, s.id)("it reads at index %d", r.Index)
	}
	if q.event == k.done && k.config.members.size() > 1 {
		k.cover.saw(ReadByLease)
	}
	if s.view.role != consensus.Leader {
		k.cover.saw(ReadAtFollower)
	}
	if s.applied < uint64(r.Index) {
		k.fail("Linearizable Reads", "%s may read once it has applied index %d", s.id, r.Index)("it has applied index %d", s.applied)
	}
}

// completed: a client has its answer. What it saw is not older than what any client knew before it asked.
func (k *checker) completed(c *client, a *answer) {
	if a.index < c.floor {
		k.fail(linearizability, "a client was told of index %d before client %d began its operation %d", c.floor, c.id, c.seq)(
			"that one is answered as of index %d", a.index)
	}
	k.acked = max(k.acked, a.index)
}
