package consensus

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Suffrage tells how a member counts. The numbers are in the log: they are never changed, only added to.
type Suffrage uint8

// The first three are what a member can be for long. The others exist only in a joint configuration, between the old one
// and the new one (§6), where every decision needs a majority of both.
const (
	Voter    Suffrage = 1 // counts
	Learner  Suffrage = 2 // gets the log and does not count (thesis 4.2.1: a non-voting server)
	Joining  Suffrage = 3 // a Learner that the leader makes a Voter as soon as it has caught up
	Incoming Suffrage = 4 // joint: counts in the new configuration only
	Outgoing Suffrage = 5 // joint: counts in the old configuration only, and is no member afterwards
	Demoted  Suffrage = 6 // joint: counts in the old configuration only, and is a Learner afterwards
)

// String gives a word for people.
func (s Suffrage) String() string {
	names := [...]string{Voter: "voter", Learner: "learner", Joining: "joining", Incoming: "incoming", Outgoing: "outgoing", Demoted: "demoted"}
	if int(s) < len(names) && names[s] != "" {
		return names[s]
	}
	return "unknown"
}

// inNew and inOld tell whether a member counts in the new and in the old half of a configuration. One that is not joint
// has two equal halves.
func (s Suffrage) inNew() bool { return s == Voter || s == Incoming }
func (s Suffrage) inOld() bool { return s == Voter || s == Outgoing || s == Demoted }

// Member is one server of a configuration.
type Member struct {
	ID       ServerID
	Address  string // where others reach it. The algorithm only carries it
	Suffrage Suffrage
}

// Configuration is who takes part (§6): in order of ID, each once. It is immutable. The empty one is that of a
// server that waits to be added.
type Configuration []Member

// Voters gives the configuration in which all these servers are voters.
func Voters(ids ...ServerID) Configuration {
	c := make(Configuration, len(ids))
	for i, id := range ids {
		c[i] = Member{ID: id, Suffrage: Voter}
	}
	c.sort()
	return c
}

func (c Configuration) sort() {
	slices.SortFunc(c, func(a, b Member) int { return strings.Compare(string(a.ID), string(b.ID)) })
}

// place gives id's place, or -1. Clusters are small: a loop beats a map.
func (c Configuration) place(id ServerID) int {
	for i := range c {
		if c[i].ID == id {
			return i
		}
	}
	return -1
}

// Find gives a member by its ID.
func (c Configuration) Find(id ServerID) (Member, bool) {
	if i := c.place(id); i >= 0 {
		return c[i], true
	}
	return Member{}, false
}

// Votes tells whether id is a voter, in either half.
func (c Configuration) Votes(id ServerID) bool {
	m, ok := c.Find(id)
	return ok && (m.Suffrage.inNew() || m.Suffrage.inOld())
}

// Joint tells whether the configuration is one between two others (§6: C_old,new).
func (c Configuration) Joint() bool {
	return slices.ContainsFunc(c, func(m Member) bool { return m.Suffrage > Joining })
}

// leaveJoint gives the new half alone (§6: C_new).
func (c Configuration) leaveJoint() Configuration {
	next := make(Configuration, 0, len(c))
	for _, m := range c {
		switch m.Suffrage {
		case Incoming:
			m.Suffrage = Voter
		case Demoted:
			m.Suffrage = Learner
		case Outgoing:
			continue
		}
		next = append(next, m)
	}
	return next
}

// Validate tells what is wrong with a configuration that came from outside.
func (c Configuration) Validate() error {
	voters, old := 0, 0
	for i, m := range c {
		switch {
		case m.ID == "":
			return errors.New("a member has an empty ID")
		case len(m.ID) > maxNameBytes || len(m.Address) > maxNameBytes:
			return fmt.Errorf("the ID or address of member %.20q has more than %d bytes", m.ID, maxNameBytes)
		case m.Suffrage < Voter || m.Suffrage > Demoted:
			return fmt.Errorf("member %q has suffrage %d, which this version does not know", m.ID, m.Suffrage)
		case i > 0 && m.ID == c[i-1].ID:
			return fmt.Errorf("%q is a member twice", m.ID)
		case i > 0 && m.ID < c[i-1].ID:
			return fmt.Errorf("%q stands behind %q: members are in order of their IDs", m.ID, c[i-1].ID)
		}
		if m.Suffrage.inNew() {
			voters++
		}
		if m.Suffrage.inOld() {
			old++
		}
	}
	switch {
	case len(c) > maxMembers:
		return fmt.Errorf("%d members are more than %d", len(c), maxMembers)
	case len(c) > 0 && voters == 0:
		return errors.New("nobody would vote: keep at least one voter")
	case len(c) > 0 && old == 0:
		return errors.New("a joint configuration without an old half")
	}
	return nil
}

const (
	maxMembers   = 256
	maxNameBytes = 1024
)

// String lists the members and, where it is not voter, their suffrage: "n1 n2 n3(learner)".
func (c Configuration) String() string {
	var text strings.Builder
	for i, m := range c {
		if i > 0 {
			text.WriteByte(' ')
		}
		text.WriteString(string(m.ID))
		if m.Suffrage != Voter {
			fmt.Fprintf(&text, "(%s)", m.Suffrage)
		}
	}
	return text.String()
}

// Encode gives the configuration as it stands in an entry of kind EntryConfiguration and in snapshots: a version, 1, then
// for each member its suffrage and, each behind its length in two bytes, ID and address.
func (c Configuration) Encode() []byte {
	b := []byte{1}
	for _, m := range c {
		b = append(b, byte(m.Suffrage))
		for _, s := range []string{string(m.ID), m.Address} {
			b = append(b, byte(len(s)>>8), byte(len(s)))
			b = append(b, s...)
		}
	}
	return b
}

// DecodeConfiguration is the inverse of Encode. It refuses everything that Encode does not write.
func DecodeConfiguration(b []byte) (Configuration, error) {
	if len(b) == 0 || b[0] != 1 {
		return nil, errors.New("it is no configuration that this version knows")
	}
	var c Configuration
	for b = b[1:]; len(b) > 0; {
		m := Member{Suffrage: Suffrage(b[0])}
		b = b[1:]
		id, rest, ok := cutString(b)
		address, rest, ok2 := cutString(rest)
		if !ok || !ok2 {
			return nil, errors.New("a configuration that is cut short")
		}
		m.ID, m.Address, b = ServerID(id), address, rest
		if c = append(c, m); len(c) > maxMembers {
			break // Validate says so
		}
	}
	return c, c.Validate()
}

func cutString(b []byte) (s string, rest []byte, ok bool) {
	if len(b) < 2 {
		return "", nil, false
	}
	n := int(b[0])<<8 | int(b[1])
	if len(b) < 2+n {
		return "", nil, false
	}
	return string(b[2 : 2+n]), b[2+n:], true
}
