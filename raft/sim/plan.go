package sim

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
)

// Plan is all that was drawn for one run: what the cluster is like, how likely its troubles are, and when what is done to it. It is
// a value: it can be printed, changed, saved as JSON and run again, and each run of it is the same, bit for bit. Probabilities
// are per mille. Times are nanoseconds in JSON.
type Plan struct {
	Seed     uint64        `json:"seed"` // of all chance within the run: the delays of messages and the like
	Servers  int           `json:"servers"`
	Duration time.Duration `json:"duration"` // of the phase with faults
	Raft     Raft          `json:"raft"`
	Network  Network       `json:"network"`
	Disk     Disk          `json:"disk"`
	Host     Host          `json:"host"`
	Clocks   []Clock       `json:"clocks"` // by server; those behind the last one are right
	Clients  Clients       `json:"clients"`
	Actions  []Action      `json:"actions"`
	Quorum   Set           `json:"quorum,omitempty"` // who is healed at the end; empty: a quorum by chance
}

// Raft holds the fields of consensus.Config that differ from run to run.
type Raft struct {
	HeartbeatInterval   time.Duration `json:"heartbeat"`
	ElectionTimeout     time.Duration `json:"election_timeout"`
	LeaseDuration       time.Duration `json:"lease,omitempty"`
	Noop                bool          `json:"noop"`
	PreVote             bool          `json:"pre_vote"`
	CheckQuorum         bool          `json:"check_quorum"`
	MaxBatchBytes       int           `json:"max_batch_bytes,omitempty"`
	MaxInflightMessages int           `json:"max_inflight_messages,omitempty"`
	MaxInflightBytes    int           `json:"max_inflight_bytes,omitempty"`
	MaxUncommittedBytes int           `json:"max_uncommitted_bytes,omitempty"`
	MaxLogBytes         int           `json:"max_log_bytes,omitempty"`
	TrailingBytes       int           `json:"trailing_bytes,omitempty"`
	MaxChunkBytes       int           `json:"max_chunk_bytes,omitempty"`
}

// Network is what happens to each message, each on its own.
type Network struct {
	Delay       time.Duration `json:"delay"`     // mean, exponentially distributed
	MinDelay    time.Duration `json:"min_delay"` // in addition
	Loss        int           `json:"loss"`
	Duplicate   int           `json:"duplicate"`
	Spike       int           `json:"spike"` // a delay SpikeFactor times as long
	SpikeFactor int           `json:"spike_factor"`
	Ordered     bool          `json:"ordered"` // a link delivers in the order of sending, as a connection does
}

// Disk is how long writes take.
type Disk struct {
	Delay       time.Duration `json:"delay"` // mean, exponentially distributed
	Spike       int           `json:"spike"`
	SpikeFactor int           `json:"spike_factor"`
	Group       bool          `json:"group"` // one fsync for all that waits, or for a few Saves at most
}

// Host is what the process around the module does.
type Host struct {
	Batch         time.Duration `json:"batch"`          // so long inputs wait for others before a Flush: up to twice this
	Apply         time.Duration `json:"apply"`          // so long the state machine takes for a batch of entries
	CompactEvery  int           `json:"compact_every"`  // entries; 0: only when an action says so
	SnapshotDelay time.Duration `json:"snapshot_delay"` // between taking a snapshot and Compact
}

// Clock is how a server's clock goes.
type Clock struct {
	Rate   int           `json:"rate"`   // per mille of the true rate
	Offset time.Duration `json:"offset"` // what it shows at the start
}

// Clients are those who use the cluster.
type Clients struct {
	Number     int           `json:"number"`
	Think      time.Duration `json:"think"` // mean pause between operations
	Timeout    time.Duration `json:"timeout"`
	Attempts   int           `json:"attempts"` // then the outcome is unknown
	Reads      int           `json:"reads"`    // how many operations are reads
	Readers    int           `json:"readers"`  // so many clients only read: no write holds them up
	Keys       int           `json:"keys"`     // at any time
	ValueBytes int           `json:"value_bytes"`
	Loss       int           `json:"loss"` // of requests, and of answers
}

// Action is one thing that is done to the cluster.
type Action struct {
	At     time.Duration `json:"at"`
	For    time.Duration `json:"for,omitempty"` // then it ends
	Kind   Kind          `json:"kind"`
	Server int           `json:"server,omitempty"` // 1 is n1; 0 is whoever leads then
	From   Set           `json:"from,omitempty"`   // links: from each of these
	To     Set           `json:"to,omitempty"`     // to each of these
	Value  int           `json:"value,omitempty"`
	Chance uint64        `json:"chance,omitempty"` // what else it needs of chance is made of this, so that no other action shifts it
}

// Kind says what an action does.
type Kind string

// The kinds of actions.
const (
	Crash       Kind = "crash"        // Server stops, with any part of what its disk was writing; it restarts after For; Value 1: but not if it leads
	Pause       Kind = "pause"        // Server does nothing for For, then takes in all that came
	Cut         Kind = "cut"          // messages From, To are lost; with Server as leader: all of its links, Value 0 both ways, 1 out, 2 in
	Clog        Kind = "clog"         // messages From, To are held, and come when it ends
	Lossy       Kind = "lossy"        // so many more messages are lost
	SlowDisk    Kind = "slow-disk"    // Server's disk takes Value times as long
	HangDisk    Kind = "hang-disk"    // Server's disk does nothing
	FullDisk    Kind = "full-disk"    // Server's disk is nearly full
	ClockRate   Kind = "clock-rate"   // Server's clock goes at Value per mille
	ClockJump   Kind = "clock-jump"   // Server's clock jumps by Value milliseconds
	Transfer    Kind = "transfer"     // the leader hands over, to Value (1 is n1; 0 whom it likes)
	Compact     Kind = "compact"      // Server takes a snapshot
	Replace     Kind = "replace"      // Server's disk is found corrupt and wiped; a new server comes in its place, with a new ID
	AddLearner  Kind = "add-learner"  // a new server joins
	AddVoter    Kind = "add-voter"    // a new server joins
	Promote     Kind = "promote"      // Server, a learner
	Demote      Kind = "demote"       // Server
	Remove      Kind = "remove"       // Server
	ClientCrash Kind = "client-crash" // client Value forgets what it asked and goes on as a new one
	Quiet       Kind = "quiet"        // clients ask nothing
	Burst       Kind = "burst"        // clients do not pause
	Big         Kind = "big"          // values are Value times as long
)

// String says when the action is and what it does, for people.
func (a Action) String() string { return fmt.Sprintf("%v %s", a.At, a.What(maxServers)) }

// Set is a set of servers, written as their numbers: "1,3" is n1 and n3.
type Set uint32

func (s Set) has(slot int) bool { return s>>slot&1 == 1 }
func (s Set) size() int         { return bits.OnesCount32(uint32(s)) }

// String gives the names: "n1,n3".
func (s Set) String() string {
	if s == 0 {
		return "nobody"
	}
	return "n" + strings.ReplaceAll(s.numbers(), ",", ",n")
}

func (s Set) numbers() string {
	var text []byte
	for slot := range maxServers {
		if s.has(slot) {
			if len(text) > 0 {
				text = append(text, ',')
			}
			text = strconv.AppendInt(text, int64(slot)+1, 10)
		}
	}
	return string(text)
}

// MarshalText writes the set for JSON.
func (s Set) MarshalText() ([]byte, error) { return []byte(s.numbers()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *Set) UnmarshalText(text []byte) error {
	*s = 0
	for part := range strings.SplitSeq(string(text), ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 || n > maxServers {
			return fmt.Errorf("sim: a set of servers is numbers from 1 to %d, as in 1,3; %q is none", maxServers, part)
		}
		*s |= 1 << (n - 1)
	}
	return nil
}

// Encode writes the plan as JSON, for people and for Decode.
func (p *Plan) Encode() []byte {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		panic(err) // there is nothing in a Plan that JSON cannot hold
	}
	return append(text, '\n')
}

// Decode reads what Encode wrote, and refuses what cannot be run.
func Decode(text []byte) (*Plan, error) {
	p := &Plan{}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(p); err != nil {
		return nil, fmt.Errorf("sim: this is no plan: %w", err)
	}
	return p, p.validate()
}

func (p *Plan) validate() error {
	switch {
	case p.Servers < 1 || p.Servers > maxFounders:
		return fmt.Errorf("sim: the plan has %d servers; 1 to %d can be run", p.Servers, maxFounders)
	case p.Raft.HeartbeatInterval <= 0 || p.Raft.ElectionTimeout < 2*p.Raft.HeartbeatInterval:
		return fmt.Errorf("sim: the plan's election timeout, %v, must be at least twice its heartbeat, %v", p.Raft.ElectionTimeout, p.Raft.HeartbeatInterval)
	case p.Clients.Number < 1 || p.Clients.Number > maxClients || p.Clients.Keys < 1 || p.Clients.Attempts < 1 || p.Clients.Readers >= p.Clients.Number || p.Clients.Timeout <= 0:
		return fmt.Errorf("sim: the plan's clients need a number from 1 to %d, some that are no readers, keys, attempts and a timeout", maxClients)
	case p.Duration < 0 || p.Duration > time.Hour:
		return fmt.Errorf("sim: the plan's duration is %v; it may be up to an hour", p.Duration)
	}
	for _, c := range p.Clocks {
		if c.Rate < 1 || c.Rate > 100_000 {
			return fmt.Errorf("sim: a clock goes at %d per mille; it may be 1 to 100000", c.Rate)
		}
	}
	return nil
}

const (
	maxServers  = 16 // those that join later among them
	maxFounders = 9
	maxClients  = 64
)
