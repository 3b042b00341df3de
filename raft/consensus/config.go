package consensus

import (
	"errors"
	"fmt"
	"time"
)

// Config is what a module needs to know at its start. All servers of a cluster have the same, but for ID and Rand, and
// for Founders where a server was added later.
type Config struct {
	ID ServerID // this server
	// Founders is the configuration before the first entry of the log: the same on all servers that found the cluster, and empty on
	// one that waits to be added. Once the log or a snapshot has a configuration, that one counts.
	Founders Configuration

	HeartbeatInterval time.Duration // a leader sends AppendEntries to each member at least this often (§5.2)
	ElectionTimeout   time.Duration // T: without a leader, stand for election after a random time in [T, 2T) (§5.2)
	Rand              func() uint64 // source of those random times; servers must draw different ones
	// RequestBase is where the numbers of this server's ReadIndex requests begin. Each start needs another one, far from all before, as 64 random bits
	// are: or an answer to what it asked before a restart might confirm a later read. Default: drawn from Rand, which must not repeat itself then
	RequestBase uint64

	// Noop makes a new leader append an empty entry (§8), so that what earlier terms left is committed
	// without waiting for a command, and reads may begin.
	Noop bool

	// PreVote makes a server ask, before it stands for election, whether it would win (thesis 9.6). So a server that
	// was cut off does not come back with a later term and unseat a leader that the others hear.
	PreVote bool
	// CheckQuorum makes a leader step down that has not heard from a majority for an election timeout, or whose own disk has not
	// answered for as long; and lets servers that hear a leader ignore requests for votes (§6; thesis 4.2.3, 6.2).
	CheckQuorum bool

	// LeaseDuration, if not zero, lets a leader answer a read at once, without a round of messages, for so long after it sent a
	// heartbeat that a majority answered (thesis 6.4.1). It rests on clocks: none may run faster than another by a factor of
	// ElectionTimeout/LeaseDuration or more, and none may jump. It needs CheckQuorum, the same on all servers. Default 0: off.
	LeaseDuration time.Duration

	MaxBatchBytes       int // of entries in one AppendEntries; it always carries at least one. Default 1 MiB
	MaxInflightMessages int // unanswered AppendEntries with entries, per follower. Default 128
	MaxInflightBytes    int // of entries in them, per follower. Default 8 MiB
	MaxUncommittedBytes int // of entries beyond commitIndex: above it Propose refuses. Default 64 MiB
	MaxLogBytes         int // of all entries: above it Propose refuses. Default 4 GiB
	// TrailingBytes of entries stay in the log behind a snapshot, for followers that are a little behind. Default 8 MiB, or a quarter of
	// MaxLogBytes if that is less; at most half of it; -1: none
	TrailingBytes    int
	MaxChunkBytes    int // of a snapshot in one InstallSnapshot. Default 256 KiB
	MaxSnapshotBytes int // of a snapshot: a larger one is neither taken nor received. Default 1 GiB
}

// entryOverhead is what an entry counts beyond its Data in all bounds in bytes, so that
// empty entries are bounded too. It is about what one costs in memory.
const entryOverhead = 48

// entryBytes is what an entry counts in all bounds in bytes.
func entryBytes(e *Entry) int { return len(e.Data) + entryOverhead }

func (c *Config) setDefaults() {
	setDefault(&c.MaxBatchBytes, 1<<20)
	setDefault(&c.MaxInflightMessages, 128)
	setDefault(&c.MaxInflightBytes, 8<<20)
	setDefault(&c.MaxUncommittedBytes, 64<<20)
	setDefault(&c.MaxLogBytes, 4<<30)
	setDefault(&c.TrailingBytes, min(8<<20, c.MaxLogBytes/4))
	setDefault(&c.MaxChunkBytes, 256<<10)
	setDefault(&c.MaxSnapshotBytes, 1<<30)
}

func setDefault(field *int, value int) {
	if *field == 0 {
		*field = value
	}
}

func (c *Config) validate() error {
	switch {
	case c.ID == "":
		return errors.New("ID is empty")
	case c.Rand == nil:
		return errors.New("Rand is nil")
	case c.HeartbeatInterval <= 0:
		return fmt.Errorf("HeartbeatInterval is %v; it must be positive", c.HeartbeatInterval)
	case c.ElectionTimeout < 2*c.HeartbeatInterval:
		return fmt.Errorf("ElectionTimeout is %v; it must be at least twice HeartbeatInterval (%v), or followers give up leaders that live", c.ElectionTimeout, c.HeartbeatInterval)
	}
	if err := c.Founders.Validate(); err != nil {
		return fmt.Errorf("Founders: %w", err)
	}
	if c.Founders.Joint() {
		return errors.New("Founders is a joint configuration; a cluster begins with a simple one")
	}
	if err := c.validateLimits(); err != nil {
		return err
	}
	return c.validateLease()
}

func (c *Config) validateLimits() error {
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"MaxBatchBytes", c.MaxBatchBytes},
		{"MaxInflightMessages", c.MaxInflightMessages},
		{"MaxInflightBytes", c.MaxInflightBytes},
		{"MaxUncommittedBytes", c.MaxUncommittedBytes},
		{"MaxLogBytes", c.MaxLogBytes},
		{"MaxChunkBytes", c.MaxChunkBytes},
		{"MaxSnapshotBytes", c.MaxSnapshotBytes},
	} {
		if limit.value < 1 {
			return fmt.Errorf("%s is %d; it must be positive, or 0 for its default", limit.name, limit.value)
		}
	}
	if c.TrailingBytes < -1 || c.TrailingBytes > c.MaxLogBytes/2 {
		return fmt.Errorf("TrailingBytes is %d; it must be at most half of MaxLogBytes (%d), or a snapshot would make no room; or -1 for nothing", c.TrailingBytes, c.MaxLogBytes)
	}
	return nil
}

func (c *Config) validateLease() error {
	switch {
	case c.LeaseDuration == 0:
		return nil
	case !c.CheckQuorum:
		return errors.New("LeaseDuration needs CheckQuorum: without it followers do not wait for a lease to end")
	case c.LeaseDuration < 0 || c.LeaseDuration >= c.ElectionTimeout:
		return fmt.Errorf("LeaseDuration is %v; it must be below ElectionTimeout (%v), by more than clocks may differ", c.LeaseDuration, c.ElectionTimeout)
	}
	return nil
}
