package consensus

import (
	"hash/crc32"
	"time"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// outgoing is a snapshot on its way to a follower, one chunk at a time.
type outgoing struct {
	snapshot *Snapshot
	offset   uint64 // what the follower has
	checksum uint32 // CRC-32C of that part
	furthest uint64 // the highest offset so far
	out      bool   // a chunk or a question is under way: wait for an answer
	question bool   // no chunk is under way, or it is taken for lost: the answer tells where to go on

	next         uint64 // offset behind the chunk under way
	nextChecksum uint32
	sentAt       time.Duration // when it was sent
	repeated     bool          // it was sent more than once, so an answer does not tell how long it took
	wait         time.Duration // so long after that it is not taken for lost
}

// incoming is a part of a snapshot that did not arrive whole yet. It outlives leaders and lost connections.
type incoming struct {
	last     Position
	term     Term // of the leader that last sent a part of it
	data     []byte
	checksum uint32 // CRC-32C of data
}

// sendSnapshot begins to send the newest snapshot: the log does not reach back to what f needs (§7). The first message is a
// question: an earlier attempt may have left something there.
func (m *Module) sendSnapshot(f *progress) {
	f.probe(f.nextIndex)
	f.sending = &outgoing{snapshot: m.snapshot, out: true, question: true, sentAt: m.now, wait: m.cfg.ElectionTimeout}
	m.fact(SnapshotSending{To: f.id, Snapshot: m.snapshot.Position, Bytes: len(m.snapshot.Data)})
	m.installSnapshot(f, 0)
}

// sendChunk sends what follows, if the last chunk was answered; or asks how far the follower is, with each heartbeat: so
// a dead follower costs nothing, and one that comes back goes on where it was. What is asked may overtake the chunk on a slow link: so
// until the chunk is taken for lost, an answer that does not have it means nothing.
func (m *Module) sendChunk(f *progress) {
	s := f.sending
	switch {
	case !s.out && !m.spares(f):
		s.repeated = s.next > s.offset
		m.installSnapshot(f, m.cfg.MaxChunkBytes)
		s.out, s.question, s.sentAt = true, false, m.now
	case f.heartbeatDue:
		m.installSnapshot(f, 0)
		s.question = s.question || m.now-s.sentAt >= s.wait
	}
}

// installSnapshot sends a chunk of up to size bytes; without bytes it is a question.
func (m *Module) installSnapshot(f *progress, size int) {
	s := f.sending
	rest := s.snapshot.Data[s.offset:]
	chunk := rest[:min(size, len(rest))]
	checksum := crc32.Update(s.checksum, castagnoli, chunk)
	if size > 0 {
		s.next, s.nextChecksum = s.offset+uint64(len(chunk)), checksum
	}
	f.heartbeatDue = false
	m.request(&InstallSnapshot{
		Header:       m.header(f.id),
		LastIncluded: s.snapshot.Position,
		Config:       s.snapshot.Config,
		Offset:       s.offset,
		Data:         chunk,
		Checksum:     checksum,
		Done:         size > 0 && len(chunk) == len(rest),
		Round:        m.reads.round,
	})
}

// handleInstallSnapshot: Figure 13, InstallSnapshot RPC, receiver implementation. Here msg.Term <= currentTerm.
func (m *Module) handleInstallSnapshot(msg *InstallSnapshot) {
	reply := &InstallSnapshotReply{Header: m.header(msg.From), LastIncluded: msg.LastIncluded, Round: msg.Round, NoSpace: m.noSpace}
	if msg.Term == m.currentTerm { // 1. Reply immediately if term < currentTerm
		m.follow(msg.From)
		reply.Installed = m.hasAll(msg.LastIncluded) || m.takeChunk(msg)
		if !reply.Installed && m.incoming != nil && m.incoming.last == msg.LastIncluded {
			reply.Offset = uint64(len(m.incoming.data))
		}
	}
	m.promise(reply)
}

// hasAll tells whether this server needs no snapshot that ends at last: then its state machine must not go back to it. "If existing log
// entry has same index and term as snapshot's last included entry, retain log entries following it and reply" (Figure 13,
// step 6); what a snapshot has is committed.
func (m *Module) hasAll(last Position) bool {
	if last.Index > m.commitIndex {
		if term, ok := m.log.term(last.Index); !ok || term != last.Term {
			return false
		}
		m.commitTo(last.Index)
	}
	if m.incoming != nil && m.incoming.last.Index <= m.commitIndex {
		m.incoming = nil
	}
	return true
}

// takeChunk: 2. Create new snapshot file if first chunk. 3. Write data into snapshot file at given offset. 4. Reply and wait for more
// data chunks if done is false (Figure 13). It tells whether the snapshot was completed and installed. A chunk that is
// not the next one changes nothing; one whose checksum shows that what is here is not its beginning makes this server start over.
func (m *Module) takeChunk(msg *InstallSnapshot) bool {
	if m.incoming == nil || m.incoming.last != msg.LastIncluded {
		if m.incoming != nil && m.incoming.term == msg.Term && msg.LastIncluded.Index < m.incoming.last.Index {
			return false // a late one: within a term a leader only goes on to newer snapshots
		}
		m.incoming = &incoming{last: msg.LastIncluded}
	}
	in := m.incoming
	in.term = msg.Term
	if msg.Offset != uint64(len(in.data)) {
		return false
	}
	checksum := crc32.Update(in.checksum, castagnoli, msg.Data)
	if checksum != msg.Checksum || len(in.data)+len(msg.Data) > m.cfg.MaxSnapshotBytes {
		m.incoming = nil
		return false
	}
	in.data, in.checksum = append(in.data, msg.Data...), checksum
	if msg.Done {
		m.install(msg, &Snapshot{Position: in.last, Config: msg.Config, Data: in.data})
	}
	return msg.Done
}

// install: 7. Discard the entire log. 8. Reset state machine using snapshot contents, and load snapshot's cluster
// configuration (Figure 13). The snapshot is newer than what was committed here, and the log does not have its last entry.
func (m *Module) install(msg *InstallSnapshot, snapshot *Snapshot) {
	m.incoming = nil
	m.snapshot, m.snapshotUnsaved, m.snapshotInstalled = snapshot, true, true
	m.log = log{base: snapshot.Position}
	m.firstUnsaved = 0
	m.commitIndex, m.lastApplied = snapshot.Index, snapshot.Index
	m.effects.Restore = snapshot
	m.fact(SnapshotInstalled{Snapshot: snapshot.Position, Bytes: len(snapshot.Data), Leader: msg.From})
	m.configs = []placedConfig{{index: snapshot.Index, config: snapshot.Config}}
	m.useConfig()
}

// handleInstallSnapshotReply goes on where the follower is.
func (m *Module) handleInstallSnapshotReply(msg *InstallSnapshotReply) {
	f := m.answered(msg.Head(), msg.Round, msg.NoSpace)
	if f == nil {
		return
	}
	switch s := f.sending; {
	case msg.Installed && msg.LastIncluded.Index <= m.log.lastIndex():
		m.installed(f, msg)
	case s == nil || s.snapshot.Position != msg.LastIncluded || msg.Offset > uint64(len(s.snapshot.Data)):
	case msg.Offset > s.offset || s.question:
		// Only a question may lead back: otherwise it may be an old answer that came late, or twice.
		s.expect(msg.Offset, m.now, &m.cfg)
		if s.moveTo(msg.Offset) {
			f.advanced(m.now)
		}
	}
	m.confirmReads()
}

// expect learns from an answer how long to wait for the next one: twice as long as this chunk took, and twice as long as
// before if the chunk has to be sent again. So a link that is slow, or gets slow, is not filled with repeats, and what is lost on a fast one
// is soon sent again.
func (s *outgoing) expect(offset uint64, now time.Duration, cfg *Config) {
	switch {
	case offset == s.next && offset > s.offset && !s.repeated:
		s.wait = 2 * max(now-s.sentAt, cfg.HeartbeatInterval)
	case offset == s.offset && s.next > s.offset:
		s.wait = min(2*s.wait, maxChunkTimeouts*cfg.ElectionTimeout)
	}
}

// maxChunkTimeouts is after how many election timeouts a chunk is taken for lost at the latest.
const maxChunkTimeouts = 16

// moveTo goes on at offset. It tells whether this is further than ever.
func (s *outgoing) moveTo(offset uint64) bool {
	switch offset {
	case s.offset:
	case s.next:
		s.checksum = s.nextChecksum
	default:
		s.checksum = crc32.Checksum(s.snapshot.Data[:offset], castagnoli)
	}
	s.offset, s.out = offset, false
	further := offset > s.furthest
	s.furthest = max(s.furthest, offset)
	return further
}

// installed notes that f has everything up to the end of a snapshot on stable storage. If it was being sent a newer one, that one
// goes on.
func (m *Module) installed(f *progress, msg *InstallSnapshotReply) {
	if s := f.sending; s != nil && s.snapshot.Index <= msg.LastIncluded.Index {
		m.fact(SnapshotSent{To: f.id, Snapshot: msg.LastIncluded})
		f.sending = nil
	}
	m.matched(f, msg.LastIncluded.Index)
}
