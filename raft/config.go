package raft

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft/consensus"
)

// Config is what New needs. ID, Persister and StateMachine must be set; for everything else the zero
// value is sensible.
type Config struct {
	ID ServerID // this server

	// Peers are ways to other servers. One with this server's own ID is ignored. They stay until the end, members or not.
	Peers []Peer
	// PeerFor, if set, gives the way to a member of the configuration that has none in Peers, or nil if there is none. It
	// is called when the server starts and whenever the configuration changes, by the goroutine that drives the algorithm: it
	// must not block. When that server's address is another, an ElectionTimeout after its removal is committed, and in the end the Peer is
	// closed, if it has a method Close; that must not block either, and a Send may come after it.
	PeerFor func(member consensus.Member) Peer
	// Strangers, if set, is given what is for a server without a Peer: answers to one that this server does not know as a member, yet
	// or any more, such as the leader of a cluster to which it is being added. It must not block. Default: such messages are lost.
	Strangers func(msg Message)
	// Founders is the configuration before the first entry of the log: the same on all servers that found the cluster. Once the log or
	// a snapshot has a configuration, that one counts. Default: this server and Peers, all of them voters.
	Founders consensus.Configuration
	// Join starts with an empty configuration in place of Founders: the server waits for a leader that was asked to add it (see
	// ChangeMembership) to send it the log. Peers must have those that may be the leader then, or Strangers reach them, for the first answers.
	Join bool

	Persister    Persister
	StateMachine StateMachine

	// HeartbeatInterval is how often a leader lets itself be heard. Default 50ms.
	HeartbeatInterval time.Duration
	// ElectionTimeout is T: without a leader a server waits a random time in [T, 2T) and stands
	// for election (§5.2). At least twice HeartbeatInterval. Default 300ms.
	ElectionTimeout time.Duration

	// Noop makes a new leader append an empty entry, which commits what earlier terms left behind
	// (§5.4.2, §8) and lets reads begin at once. Products want it. Make has it off, since its users expect
	// their own commands at 1, 2, 3, ...
	Noop bool

	// PreVote makes a server ask, before it stands for election, whether it would win, so that one that was cut off does not
	// unseat a leader when it comes back (thesis 9.6). CheckQuorum makes a leader step down that no majority
	// answers, or whose own disk hangs, for an election timeout, and lets servers that hear a leader ignore others
	// who stand (thesis 4.2.3, 6.2). Products want both, on all servers alike. Make has them off: the paper's Figure 2
	// does without.
	PreVote     bool
	CheckQuorum bool
	// LeaseDuration, if not zero, lets a leader answer reads without a round of messages for so long after a majority answered a
	// heartbeat (thesis 6.4.1). It rests on clocks that run equally fast, and needs CheckQuorum. See consensus.Config. Default: off.
	LeaseDuration time.Duration

	// SnapshotEntries and SnapshotBytes are after how many applied entries, and after how many bytes of them, a
	// StateMachine that is a Snapshotter is asked for a snapshot; negative: that does not count. Where the last
	// snapshot was larger than SnapshotBytes, its size counts in place of it. Default 1<<20 entries and 64 MiB, or a quarter of
	// MaxLogBytes if that is less.
	SnapshotEntries int
	SnapshotBytes   int
	// TrailingBytes of entries stay in the log behind a snapshot, for followers that are a little behind; negative: none. Default
	// 8 MiB, or a quarter of MaxLogBytes if that is less. Make has none.
	TrailingBytes int
	// MaxSnapshotBytes bounds a snapshot, taken here or received. Default 1 GiB. MaxChunkBytes bounds what one message carries of
	// it. Default 256 KiB.
	MaxSnapshotBytes int
	MaxChunkBytes    int

	// MaxCommandBytes bounds one encoded command. Default 2 MiB.
	MaxCommandBytes int
	// MaxUncommittedBytes bounds what a leader has accepted but not committed: above it
	// proposals get ErrBusy. Default 64 MiB.
	MaxUncommittedBytes int
	// MaxLogBytes bounds the log behind the last snapshot, which is in memory: above it proposals get ErrLogFull. Default 4 GiB.
	MaxLogBytes int
	// MaxMailboxBytes bounds the messages that wait to be stepped: above it Deliver
	// blocks, so that TCP pushes back. Default 64 MiB.
	MaxMailboxBytes int

	// Logger gets changes of role at Info and votes at Debug. Default: none.
	Logger hclog.Logger
	// OnFact, if set, is called with everything the algorithm did that is worth telling. It must not block.
	OnFact func(fact consensus.Fact)
	// Seed starts the random choice of election timeouts. Default: a random one.
	Seed uint64
}

func (c *Config) setDefaults() error {
	switch {
	case c.Persister == nil:
		return errors.New("Persister is nil; package wal has one, NewMemoryPersister is one for tests")
	case c.StateMachine == nil:
		return errors.New("StateMachine is nil")
	case c.Join && c.Founders != nil:
		return errors.New("Join is set, and Founders too: a server either is a founder or is added later")
	case c.Join && !(c.PreVote && c.CheckQuorum):
		return errors.New("Join is set without PreVote and CheckQuorum, which changes of membership need, on all servers alike")
	}
	setDefault(&c.HeartbeatInterval, 50*time.Millisecond)
	setDefault(&c.ElectionTimeout, 300*time.Millisecond)
	setDefault(&c.MaxCommandBytes, 2<<20)
	setDefault(&c.MaxMailboxBytes, 64<<20)
	setDefault(&c.MaxLogBytes, 4<<30)
	setDefault(&c.SnapshotEntries, 1<<20)
	setDefault(&c.SnapshotBytes, min(64<<20, c.MaxLogBytes/4))
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// module gives the module's configuration.
func (c *Config) module() consensus.Config {
	return consensus.Config{
		ID: c.ID, Founders: c.founders(),
		HeartbeatInterval: c.HeartbeatInterval, ElectionTimeout: c.ElectionTimeout,
		Rand: rand.New(rand.NewPCG(c.Seed, hash(c.ID))).Uint64, RequestBase: rand.Uint64(), Noop: c.Noop,
		PreVote: c.PreVote, CheckQuorum: c.CheckQuorum, LeaseDuration: c.LeaseDuration,
		MaxUncommittedBytes: c.MaxUncommittedBytes, MaxLogBytes: c.MaxLogBytes,
		TrailingBytes: max(c.TrailingBytes, -1), MaxChunkBytes: c.MaxChunkBytes, MaxSnapshotBytes: c.MaxSnapshotBytes,
	}
}

func (c *Config) founders() consensus.Configuration {
	if c.Join || c.Founders != nil {
		return c.Founders
	}
	members := []ServerID{c.ID}
	for _, peer := range c.Peers {
		if peer.ID() != c.ID {
			members = append(members, peer.ID())
		}
	}
	return consensus.Voters(members...)
}

// hash makes servers that were given one Seed draw different timeouts (FNV-1a).
func hash(id ServerID) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(id) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}
