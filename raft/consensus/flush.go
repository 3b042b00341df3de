package consensus

// Flush gives what the world must do for all that was called since the last Flush. It is where
// batches are made: however many proposals came, there is one Save and, as far as the limits allow, one AppendEntries a follower.
func (m *Module) Flush() Effects {
	if m.role == Leader {
		m.startReadRound()
		m.tellSuccessor()
		for i := range m.followers {
			m.replicateTo(&m.followers[i])
		}
	}
	m.askLeader()
	m.flushSave()
	if m.ackOwnLog {
		m.flushOwnAcknowledgement()
	}
	m.effects.Apply = m.log.slice(m.lastApplied+1, m.commitIndex)
	m.lastApplied = m.commitIndex
	m.serveAnswered()
	effects := m.effects
	m.effects = Effects{Send: m.spare[:0]}
	m.spare = effects.Send
	return effects
}

// flushSave collects what changed of the persistent state. Truncation needs no words of its own: it is
// always followed by an append at the same place.
func (m *Module) flushSave() {
	save := &m.effects.Save
	save.Commit = m.commitIndex
	if m.hardStateChanged {
		save.HardState = &HardState{Term: m.currentTerm, VotedFor: m.votedFor}
		m.hardStateChanged = false
	}
	if m.snapshotUnsaved {
		save.Snapshot, save.Base, save.Installed = m.snapshot, m.log.base, m.snapshotInstalled
		m.snapshotUnsaved, m.snapshotInstalled = false, false
	}
	if m.firstUnsaved != 0 {
		save.Entries = m.log.slice(m.firstUnsaved, m.log.lastIndex())
		m.firstUnsaved = 0
	}
}

// noteUnsaved remembers that the log changed from index on.
func (m *Module) noteUnsaved(index Index) {
	if m.firstUnsaved == 0 || index < m.firstUnsaved {
		m.firstUnsaved = index
	}
}

// promise sends msg behind the Save of this Flush.
func (m *Module) promise(msg Message) {
	if msg.Head().To == m.cfg.ID {
		if m.ownPromises == 0 {
			m.ownSince = m.now
		}
		m.ownPromises++
	}
	m.effects.AfterSave = append(m.effects.AfterSave, msg)
}

// ownPromiseKept notes that a promise to ourselves came back: the disk answers.
func (m *Module) ownPromiseKept(head *Header) {
	if head.From == m.cfg.ID && m.ownPromises > 0 {
		m.ownPromises--
		m.ownSince = m.now
	}
}

// diskHangs tells whether our own disk has not answered for an election timeout.
func (m *Module) diskHangs() bool {
	return m.ownPromises > 0 && m.now-m.ownSince >= m.cfg.ElectionTimeout
}

// request sends msg at once.
func (m *Module) request(msg Message) { m.effects.Send = append(m.effects.Send, msg) }

func (m *Module) fact(f Fact) { m.effects.Facts = append(m.effects.Facts, f) }
