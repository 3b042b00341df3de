package consensus

import "slices"

// agreed gives the highest value that a majority of the voters has reached: of each half, if the configuration is joint (§6). value
// is asked for the members by their places. Votes and signs of life are values of 0 or 1.
func (c Configuration) agreed(value func(place int) uint64) uint64 {
	value1 := c.majority(Suffrage.inNew, value)
	if !c.Joint() {
		return value1
	}
	return min(value1, c.majority(Suffrage.inOld, value))
}

// majority does that for one half.
func (c Configuration) majority(counts func(Suffrage) bool, value func(place int) uint64) uint64 {
	var buf [16]uint64
	values := buf[:0]
	for i := range c {
		if counts(c[i].Suffrage) {
			values = append(values, value(i))
		}
	}
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return values[(len(values)-1)/2] // more than half of them are at or behind this one
}

// checkQuorum makes a leader step down that leads nobody: it has not heard from a majority for an election timeout
// (thesis 6.2), so that others may have another leader, or its own disk hangs, so that what it takes is not safe. Its clients
// learn at once, and elsewhere a leader can be found.
func (m *Module) checkQuorum() {
	m.quorumDeadline = m.now + m.cfg.HeartbeatInterval
	if m.diskHangs() {
		m.stepDown("its own disk has not answered for an election timeout")
		return
	}
	heard := m.config.agreed(func(i int) uint64 {
		return one(m.config[i].ID == m.cfg.ID || m.heardOf(&m.followers[i]))
	})
	if heard == 0 {
		m.stepDown("no majority was heard for an election timeout")
	}
}

func one(is bool) uint64 {
	if is {
		return 1
	}
	return 0
}

// stepDown gives up leadership within the term. The election timer starts: this server may stand again later.
func (m *Module) stepDown(reason string) {
	m.fact(SteppedDown{Term: m.currentTerm, Reason: reason})
	m.resetElectionTimer()
	m.becomeFollower("")
}
