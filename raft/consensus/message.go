package consensus

// ServerID names one server of the cluster. It is chosen by the operator and
// never reused for another server.
type ServerID string

// Term numbers the reigns of leaders, from 1 (§5.1). Zero means "no term yet".
type Term uint64

// Index is the place of an entry in the log, from 1 (§5.3). Zero means "before
// the first entry".
type Index uint64

// EntryKind tells what an entry's Data is. The algorithm looks only at
// EntryNoop and EntryConfiguration; the other kinds are for the host to tell apart.
type EntryKind uint8

// The kinds of entries. Their numbers are on disk and on the wire: they are
// never changed, only added to.
const (
	// EntryNoop is the empty entry of a new leader (§8). It is not for the state machine.
	EntryNoop EntryKind = 0
	// EntryCommand carries a command as bytes.
	EntryCommand EntryKind = 1
	// EntryValue carries a command that the host encoded from a Go value.
	EntryValue EntryKind = 2
	// EntryConfiguration carries a Configuration (§6), as Encode gives it. It is not for the state machine.
	EntryConfiguration EntryKind = 3
)

// Entry is one entry of the log. An Entry is immutable once it is in a log:
// its Data is shared between the log, messages and Effects, and must not be
// written to.
type Entry struct {
	Index Index
	Term  Term
	Kind  EntryKind
	Data  []byte
}

// Message is one of *RequestVote, *RequestVoteReply, *AppendEntries, *AppendEntriesReply, *RequestPreVote,
// *RequestPreVoteReply, *TimeoutNow, *InstallSnapshot, *InstallSnapshotReply, *ReadIndex and *ReadIndexReply. A message is immutable once it is sent.
type Message interface {
	// Head gives what all messages have.
	Head() *Header
}

// Header is what all messages of Figure 2 have. From is the paper's
// candidateId or leaderId, and in a reply the server that answers.
type Header struct {
	From, To ServerID
	Term     Term // the sender's currentTerm when it sent this
}

// Head gives the header itself, so that a struct that embeds Header is a Message.
func (h *Header) Head() *Header { return h }

// RequestVote is sent by candidates to gather votes (§5.2, Figure 2).
type RequestVote struct {
	Header
	LastLogIndex Index // index of the candidate's last log entry (§5.4)
	LastLogTerm  Term  // term of the candidate's last log entry (§5.4)
	// Transfer: the leader itself asked the candidate to stand, so that hearing the leader is no reason to ignore
	// the candidate (thesis 4.2.3).
	Transfer bool
}

// RequestVoteReply answers RequestVote. A granted vote is a promise: it leaves
// only after (currentTerm, votedFor) is on stable storage.
type RequestVoteReply struct {
	Header
	VoteGranted bool
}

// AppendEntries is sent by the leader to replicate entries, and without entries as
// heartbeat (§5.2, §5.3, Figure 2).
type AppendEntries struct {
	Header
	PrevLogIndex Index   // index of the entry just before Entries
	PrevLogTerm  Term    // term of the entry at PrevLogIndex
	Entries      []Entry // Entries[i].Index == PrevLogIndex+1+i; empty for a heartbeat
	LeaderCommit Index   // the leader's commitIndex
	Round        uint64  // echoed in the reply: proof of leadership for reads (thesis 6.4); grows within a term
}

// AppendEntriesReply answers AppendEntries. A success is a promise: it leaves
// only after all entries up to MatchIndex are on stable storage.
type AppendEntriesReply struct {
	Header
	Success      bool   // the follower's log contained (PrevLogIndex, PrevLogTerm)
	MatchIndex   Index  // on success: PrevLogIndex + len(Entries) of the request, never more
	PrevLogIndex Index  // of the request, so that a late refusal can be told from a current one
	Round        uint64 // of the request
	NoSpace      bool   // the follower's disk is nearly full

	// On refusal, where to go on (§5.3, the last paragraphs): the follower's last entry at or
	// before PrevLogIndex whose term is not above the request's PrevLogTerm. The
	// logs cannot agree on any entry behind it. Zero, zero: nowhere but at the start.
	ConflictIndex Index
	ConflictTerm  Term
}

// RequestPreVote asks whether the receiver would vote for the sender if it stood for election in NextTerm (thesis
// 9.6). It changes nothing at the receiver: no term, no vote, no timer.
type RequestPreVote struct {
	Header
	NextTerm     Term  // the term in which the sender would stand: its currentTerm + 1
	LastLogIndex Index // as in RequestVote
	LastLogTerm  Term
}

// RequestPreVoteReply answers RequestPreVote. It promises nothing.
type RequestPreVoteReply struct {
	Header
	NextTerm    Term // of the request
	VoteGranted bool
}

// TimeoutNow tells the receiver to stand for election at once: the leader hands over to it (thesis 3.10).
type TimeoutNow struct {
	Header
}

// InstallSnapshot brings one chunk of a snapshot to a follower for which the log does not reach back far enough (§7,
// Figure 13).
type InstallSnapshot struct {
	Header
	LastIncluded Position      // lastIncludedIndex, lastIncludedTerm
	Config       Configuration // as of LastIncluded (thesis, Figure 5.3); with every chunk
	Offset       uint64        // where Data belongs in the snapshot, in bytes
	Data         []byte
	// Checksum is the CRC-32C of the snapshot's first Offset+len(Data) bytes: it vouches for this chunk, for all before it, and
	// for their being parts of the same snapshot.
	Checksum uint32
	Done     bool   // this is the last chunk
	Round    uint64 // as in AppendEntries
}

// InstallSnapshotReply answers InstallSnapshot. Installed is a promise: it leaves only after the snapshot, or the log up to
// there, is on stable storage.
type InstallSnapshotReply struct {
	Header
	LastIncluded Position // of the request
	Installed    bool     // the follower has everything up to LastIncluded.Index on stable storage
	Offset       uint64   // if not Installed: how much of the snapshot it has; the next chunk begins there
	Round        uint64   // of the request
	NoSpace      bool     // the follower's disk is nearly full
}

// ReadIndex asks the leader, for reads that the sender will serve, up to where its state machine must have applied the log (thesis 6.4).
type ReadIndex struct {
	Header
	ID uint64 // names the request among all of the sender's, those before a restart too
}

// ReadIndexReply answers ReadIndex. It promises nothing that a disk must keep.
type ReadIndexReply struct {
	Header
	ID      uint64 // of the request
	Index   Index  // all that was committed anywhere when the request came is at or before it. Not 0, but if Refused
	Refused bool   // the sender does not lead, or the asker is no member
}
