package sim

// State is something that happens seldom and that bugs like. Runs count how often they saw it: what no seed reaches, no seed
// tests.
type State int

// The states that are counted.
const (
	CrashBeforeSync          State = iota // a crash took what a Save had not yet put on the disk
	CrashInSnapshot                       // a crash while a snapshot was being written
	LeaderCrashWithTail                   // a leader crashed with entries that were not committed
	LeaderWithOldTail                     // a new leader's log has entries of earlier terms that are not committed (Figure 8)
	TwoLeaders                            // somebody became leader while another one, of an earlier term, thought it was
	Truncated                             // entries were deleted for a leader's
	SnapshotTaken                         // the log was compacted
	SnapshotSending                       // a leader began to send a snapshot
	SnapshotInstalled                     // a follower took a leader's snapshot
	InstallOverConflict                   // and its log had another entry at the snapshot's last index
	CompactionDuringTransfer              // a leader compacted while it was sending a snapshot
	JointConfiguration                    // a joint configuration was appended
	JointUnderPartition                   // one came into force while links were cut
	ConfigurationTruncated                // a configuration was deleted with other entries
	DiskWiped                             // a server lost its disk
	ReadByLease                           // a read was answered at once
	ReadAtStepDown                        // a leader lost leadership with reads under way
	ReadAtFollower                        // a read was served by a server that does not lead
	ReadAheadOfFollower                   // a leader's answer to a follower's request was for an index that this one has not applied yet
	ReadRefusedAtFollower                 // a follower gave up reads
	ReadAskedAgain                        // a follower repeated its request
	StepDownOfHungDisk                    // a leader stepped down while its disk hung
	TransferStarted                       // a leader began to hand over
	RepeatApplied                         // a command was in the log twice, and took effect once
	RepeatTooOld                          // so much later that its result was forgotten
	MemberWithoutSpace                    // a leader heard that a member's disk is nearly full
	RefusedForSpace                       // a leader took no command since no majority had room
	NoQuorumLeft                          // at the end too much was lost for a quorum
	states
)

// String names the state.
func (s State) String() string {
	return [...]string{
		"crash before sync", "crash in snapshot", "leader crash with tail", "leader with old tail", "two leaders", "truncated",
		"snapshot taken", "snapshot sending", "snapshot installed", "install over conflict", "compaction during transfer",
		"joint configuration", "joint under partition", "configuration truncated", "disk wiped", "read by lease", "read at step-down",
		"read at follower", "read ahead of follower", "read refused at follower", "read asked again",
		"step-down of hung disk", "transfer started", "repeat applied", "repeat too old",
		"member without space", "refused for space", "no quorum left",
	}[s]
}

// Coverage counts states, by State.
type Coverage [states]uint64

func (c *Coverage) saw(s State) { c[s]++ }

// Add adds the counts of another run.
func (c *Coverage) Add(other Coverage) {
	for i, n := range other {
		c[i] += n
	}
}
