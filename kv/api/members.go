package api

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Status is what a server knows of itself and its cluster.
type Status struct {
	ID            string `json:"id"`
	Cluster       string `json:"cluster"`
	Role          string `json:"role"` // "leader", "follower", "candidate" or "pre-candidate"
	Term          uint64 `json:"term"`
	Leader        string `json:"leader"` // of Term; "" if not known
	Commit        uint64 `json:"commit"`
	Applied       uint64 `json:"applied"`
	FirstIndex    uint64 `json:"first_index"` // the first that is still in the log; last_index + 1 if it is empty
	LastIndex     uint64 `json:"last_index"`
	LogBytes      int    `json:"log_bytes"`      // of the entries in the log, in memory
	SnapshotIndex uint64 `json:"snapshot_index"` // 0: there is no snapshot
	SnapshotBytes int    `json:"snapshot_bytes"`
	Disk          *Disk  `json:"disk,omitempty"` // null: nobody watches it
	// Certificates are those that this server shows; null: it speaks no TLS.
	Certificates []Certificate `json:"certificates,omitempty"`
	Configuration
	Versions Versions `json:"versions"`
}

// Certificate is one that a server shows, and how long it is valid yet.
type Certificate struct {
	Use      string    `json:"use"` // ForMembers or ForClients
	NotAfter time.Time `json:"not_after"`
	DaysLeft int       `json:"days_left"`         // whole ones; -1: it has expired
	Warning  string    `json:"warning,omitempty"` // that it expires soon, or has; in words
}

// The uses of a Certificate.
const (
	ForMembers = "members"
	ForClients = "clients"
)

// Disk is what a server knows of the file system that its data is on.
type Disk struct {
	FreeBytes    int64 `json:"free_bytes"`
	LowBytes     int64 `json:"low_bytes"`     // with less, it is nearly full
	HighBytes    int64 `json:"high_bytes"`    // and with as much, it is not any more
	ReserveBytes int64 `json:"reserve_bytes"` // kept back for when it is full, so not among the free ones; 0 while they are given up
	// Low: it is nearly full. The server serves reads, votes, and passes writes on to a leader that has room. It does not lead
	// as long as another can, and takes no writes if it does.
	Low   bool   `json:"low"`
	Error string `json:"error,omitempty"` // why the figures are not of now
}

// Size gives a number of bytes in words, for people.
func Size(bytes int64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	if bytes < 1<<10 {
		return fmt.Sprintf("%d B", bytes)
	}
	size, unit := float64(bytes)/1024, 0
	for size >= 1024 && unit < len(units)-1 {
		size, unit = size/1024, unit+1
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}

// Configuration is who takes part, as a server knows it. It counts from the moment it is in the log.
type Configuration struct {
	ConfigurationIndex uint64   `json:"configuration_index"` // where it stands in the log; 0: it is that of the founding members
	Joint              bool     `json:"joint"`               // a change of it is under way, and two majorities decide
	Members            []Member `json:"members"`
}

// Members answers GET of PathMembers.
type Members struct {
	Leader string `json:"leader"`
	Term   uint64 `json:"term"`
	Configuration
}

// Member is what a server knows of a member of its cluster.
type Member struct {
	ID string `json:"id"`
	// Suffrage is "voter", "learner", "joining" (a learner that will be a voter), and while Joint is true "incoming", "outgoing" or "demoted" for
	// who counts in one of two majorities only.
	Suffrage      string `json:"suffrage"`
	Address       string `json:"address,omitempty"`        // where the other members reach it
	ClientAddress string `json:"client_address,omitempty"` // "" if not known
	// Match is the index known to be on the member's disk. Only a leader knows it, and the rest: elsewhere 0.
	Match    uint64 `json:"match"`
	CaughtUp bool   `json:"caught_up,omitempty"` // a learner that can be promoted
	// LowOnSpace: its disk is nearly full, so that it gets no more of the log while a majority does without it.
	LowOnSpace bool `json:"low_on_space,omitempty"`
	// SnapshotSent is set while a snapshot is being sent to the member: how many of its bytes it has.
	SnapshotSent *uint64 `json:"snapshot_sent,omitempty"`
	// LastContactMillis is how long ago the member answered, in milliseconds. Only a leader knows
	// it: elsewhere, for the leader itself and before the first answer null.
	LastContactMillis *int64 `json:"last_contact_ms"`
}

// The operations of a MemberChange.
const (
	OpAdd        = "add"         // as a learner first, and as a voter when it has caught up
	OpAddLearner = "add-learner" // it gets the log and does not count
	OpPromote    = "promote"     // a learner that has caught up becomes a voter
	OpDemote     = "demote"      // a voter becomes a learner
	OpRemove     = "remove"
)

// MemberChange asks for a change of the configuration. A Changed answers it, once the change is in force.
type MemberChange struct {
	Op      string `json:"op"`
	ID      string `json:"id"`
	Address string `json:"address,omitempty"` // host:port where the other members reach it; with add and add-learner
}

// Changed tells since when a change is in force.
type Changed struct {
	Index uint64 `json:"index"` // of the configuration in the log
	Term  uint64 `json:"term"`
}

// Transfer asks the leader to hand leadership over. A Transferred answers it, once another server leads.
type Transfer struct {
	To string `json:"to"` // "": to the one whose log is furthest
}

// Transferred tells who leads now: whom To named, or who else was faster.
type Transferred struct {
	Leader string `json:"leader"`
	Term   uint64 `json:"term"`
}

// Snapshotted tells of the newest snapshot of a server.
type Snapshotted struct {
	Index uint64 `json:"index"`
	Bytes int    `json:"bytes"`
	New   bool   `json:"new"` // it was taken for this request; else nothing had been applied since it
}

// MaxAdminBytes bounds the body of a request for a change of the cluster.
const MaxAdminBytes = 4 << 10

const maxID = 64

// CheckID tells what is wrong with a server's name.
func CheckID(id string) error {
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
	}
	if id == "" || len(id) > maxID || strings.ContainsFunc(id, odd) {
		return fmt.Errorf("the name %.200q must have 1 to %d letters, digits, '-', '_' or '.'", id, maxID)
	}
	return nil
}

// CheckAddress wants host:port with a port that is a number of at least lowest.
func CheckAddress(text string, lowest int) error {
	_, port, err := net.SplitHostPort(text)
	if err != nil || len(text) > maxAddress {
		return fmt.Errorf("%.200q is not HOST:PORT, like 127.0.0.1:7001", text)
	}
	if n, err := strconv.Atoi(port); err != nil || n < lowest || n > 65535 {
		return fmt.Errorf("the port of %.200q must be a number from %d to 65535", text, lowest)
	}
	return nil
}

const maxAddress = 512
