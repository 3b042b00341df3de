package rpc

import (
	"fmt"
	"slices"

	"github.com/raftnode/raft/raft/consensus"
)

// The structs below are the messages as codecs write them: Figure 2's fields
// in a fixed order, without From and To, which the connection knows, and without
// the entries' indices, which count up from PrevLogIndex+1. Their order is on
// the wire: a change needs a new protocol version.

// asArray tells libraries that look for it that a struct is written without the names of its fields.
type asArray struct {
	_ struct{} `cbor:",toarray"`
}

type wireRequestVote struct {
	asArray
	Term         consensus.Term
	LastLogIndex consensus.Index
	LastLogTerm  consensus.Term
	Transfer     bool
}

type wireRequestPreVote struct {
	asArray
	Term         consensus.Term
	NextTerm     consensus.Term
	LastLogIndex consensus.Index
	LastLogTerm  consensus.Term
}

type wireRequestPreVoteReply struct {
	asArray
	Term        consensus.Term
	NextTerm    consensus.Term
	VoteGranted bool
}

type wireTimeoutNow struct {
	asArray
	Term consensus.Term
}

type wireRequestVoteReply struct {
	asArray
	Term        consensus.Term
	VoteGranted bool
}

type wireAppendEntries struct {
	asArray
	Term         consensus.Term
	PrevLogIndex consensus.Index
	PrevLogTerm  consensus.Term
	LeaderCommit consensus.Index
	Round        uint64
	Entries      []wireEntry
}

type wireEntry struct {
	asArray
	Term consensus.Term
	Kind consensus.EntryKind
	Data blob
}

type wireAppendEntriesReply struct {
	asArray
	Term          consensus.Term
	Success       bool
	MatchIndex    consensus.Index
	PrevLogIndex  consensus.Index
	Round         uint64
	ConflictIndex consensus.Index
	ConflictTerm  consensus.Term
	NoSpace       bool
}

type wireInstallSnapshot struct {
	asArray
	Term              consensus.Term
	LastIncludedIndex consensus.Index
	LastIncludedTerm  consensus.Term
	Config            blob // as Configuration.Encode gives it
	Offset            uint64
	Data              blob
	Checksum          uint32
	Done              bool
	Round             uint64
}

type wireInstallSnapshotReply struct {
	asArray
	Term              consensus.Term
	LastIncludedIndex consensus.Index
	LastIncludedTerm  consensus.Term
	Installed         bool
	Offset            uint64
	Round             uint64
	NoSpace           bool
}

type wireReadIndex struct {
	asArray
	Term consensus.Term
	ID   uint64
}

type wireReadIndexReply struct {
	asArray
	Term    consensus.Term
	ID      uint64
	Index   consensus.Index
	Refused bool
}

// blob is the bytes of an entry or of a chunk. Its methods let go-msgpack, and whoever else looks for them, hand it the bytes in
// place: decoding into a plain []byte grows by 256 KiB and copies each time.
// A decoded blob is therefore a view into the payload; message() copies it out.
type blob []byte

// MarshalBinary gives the bytes.
func (b *blob) MarshalBinary() ([]byte, error) { return *b, nil }

// UnmarshalBinary is not called for a msgpack nil, but gets nil for empty bytes.
func (b *blob) UnmarshalBinary(view []byte) error {
	if view == nil {
		view = []byte{}
	}
	*b = view
	return nil
}

// wire is a message as a codec writes it.
type wire interface {
	// message gives the message, or why it is none.
	message() (consensus.Message, error)
}

// newWire gives an empty struct to decode into: always a fresh one, since decoders leave
// what is missing in the input as it was.
func newWire(kind Kind) (wire, error) {
	switch kind {
	case KindRequestVote:
		return new(wireRequestVote), nil
	case KindRequestVoteReply:
		return new(wireRequestVoteReply), nil
	case KindAppendEntries:
		return new(wireAppendEntries), nil
	case KindAppendEntriesReply:
		return new(wireAppendEntriesReply), nil
	case KindRequestPreVote:
		return new(wireRequestPreVote), nil
	case KindRequestPreVoteReply:
		return new(wireRequestPreVoteReply), nil
	case KindTimeoutNow:
		return new(wireTimeoutNow), nil
	case KindInstallSnapshot:
		return new(wireInstallSnapshot), nil
	case KindInstallSnapshotReply:
		return new(wireInstallSnapshotReply), nil
	case KindReadIndex:
		return new(wireReadIndex), nil
	case KindReadIndexReply:
		return new(wireReadIndexReply), nil
	}
	return nil, fmt.Errorf("no message has %v", kind)
}

// toWire gives what to encode for m.
func toWire(m consensus.Message) (wire, error) {
	switch m := m.(type) {
	case *consensus.RequestVote:
		return &wireRequestVote{asArray{}, m.Term, m.LastLogIndex, m.LastLogTerm, m.Transfer}, nil
	case *consensus.RequestVoteReply:
		return &wireRequestVoteReply{asArray{}, m.Term, m.VoteGranted}, nil
	case *consensus.AppendEntries:
		entries := make([]wireEntry, len(m.Entries)) // never nil: a heartbeat has one spelling
		for i, e := range m.Entries {
			entries[i] = wireEntry{asArray{}, e.Term, e.Kind, e.Data}
		}
		return &wireAppendEntries{asArray{}, m.Term, m.PrevLogIndex, m.PrevLogTerm, m.LeaderCommit, m.Round, entries}, nil
	case *consensus.AppendEntriesReply:
		return &wireAppendEntriesReply{
			asArray{}, m.Term, m.Success, m.MatchIndex, m.PrevLogIndex, m.Round, m.ConflictIndex, m.ConflictTerm, m.NoSpace,
		}, nil
	case *consensus.RequestPreVote:
		return &wireRequestPreVote{asArray{}, m.Term, m.NextTerm, m.LastLogIndex, m.LastLogTerm}, nil
	case *consensus.RequestPreVoteReply:
		return &wireRequestPreVoteReply{asArray{}, m.Term, m.NextTerm, m.VoteGranted}, nil
	case *consensus.TimeoutNow:
		return &wireTimeoutNow{asArray{}, m.Term}, nil
	case *consensus.InstallSnapshot:
		return &wireInstallSnapshot{
			asArray{}, m.Term, m.LastIncluded.Index, m.LastIncluded.Term, m.Config.Encode(), m.Offset, m.Data, m.Checksum, m.Done, m.Round,
		}, nil
	case *consensus.InstallSnapshotReply:
		return &wireInstallSnapshotReply{asArray{}, m.Term, m.LastIncluded.Index, m.LastIncluded.Term, m.Installed, m.Offset, m.Round, m.NoSpace}, nil
	case *consensus.ReadIndex:
		return &wireReadIndex{asArray{}, m.Term, m.ID}, nil
	case *consensus.ReadIndexReply:
		return &wireReadIndexReply{asArray{}, m.Term, m.ID, m.Index, m.Refused}, nil
	}
	return nil, fmt.Errorf("cannot send a %T", m)
}

func (w *wireRequestVote) message() (consensus.Message, error) {
	return &consensus.RequestVote{
		Header:       consensus.Header{Term: w.Term},
		LastLogIndex: w.LastLogIndex,
		LastLogTerm:  w.LastLogTerm,
		Transfer:     w.Transfer,
	}, nil
}

func (w *wireRequestPreVote) message() (consensus.Message, error) {
	return &consensus.RequestPreVote{
		Header:       consensus.Header{Term: w.Term},
		NextTerm:     w.NextTerm,
		LastLogIndex: w.LastLogIndex,
		LastLogTerm:  w.LastLogTerm,
	}, nil
}

func (w *wireRequestPreVoteReply) message() (consensus.Message, error) {
	return &consensus.RequestPreVoteReply{
		Header:      consensus.Header{Term: w.Term},
		NextTerm:    w.NextTerm,
		VoteGranted: w.VoteGranted,
	}, nil
}

func (w *wireTimeoutNow) message() (consensus.Message, error) {
	return &consensus.TimeoutNow{Header: consensus.Header{Term: w.Term}}, nil
}

func (w *wireRequestVoteReply) message() (consensus.Message, error) {
	return &consensus.RequestVoteReply{
		Header:      consensus.Header{Term: w.Term},
		VoteGranted: w.VoteGranted,
	}, nil
}

func (w *wireAppendEntries) message() (consensus.Message, error) {
	m := &consensus.AppendEntries{
		Header:       consensus.Header{Term: w.Term},
		PrevLogIndex: w.PrevLogIndex,
		PrevLogTerm:  w.PrevLogTerm,
		LeaderCommit: w.LeaderCommit,
		Round:        w.Round,
	}
	if len(w.Entries) == 0 {
		return m, nil
	}
	m.Entries = make([]consensus.Entry, len(w.Entries))
	for i, e := range w.Entries {
		m.Entries[i] = consensus.Entry{
			Index: w.PrevLogIndex + 1 + consensus.Index(i),
			Term:  e.Term,
			Kind:  e.Kind,
			Data:  e.Data,
		}
	}
	own(m.Entries)
	return m, nil
}

// own makes the entries' data, views into a payload, the message's own: one block of just their size, since they come and are
// compacted together. So the buffer of the connection is free for the next frame, and no log keeps what was around the data.
func own(entries []consensus.Entry) {
	total := 0
	for i := range entries {
		total += len(entries[i].Data)
	}
	block := make([]byte, 0, total)
	for i := range entries {
		e := &entries[i]
		if e.Data == nil { // nil and empty are different commands
			continue
		}
		start := len(block)
		block = append(block, e.Data...)
		e.Data = block[start:len(block):len(block)]
	}
}

func (w *wireAppendEntriesReply) message() (consensus.Message, error) {
	return &consensus.AppendEntriesReply{
		Header:        consensus.Header{Term: w.Term},
		Success:       w.Success,
		MatchIndex:    w.MatchIndex,
		PrevLogIndex:  w.PrevLogIndex,
		Round:         w.Round,
		ConflictIndex: w.ConflictIndex,
		ConflictTerm:  w.ConflictTerm,
		NoSpace:       w.NoSpace,
	}, nil
}

func (w *wireInstallSnapshot) message() (consensus.Message, error) {
	config, err := consensus.DecodeConfiguration(w.Config)
	if err != nil {
		return nil, err
	}
	return &consensus.InstallSnapshot{
		Header:       consensus.Header{Term: w.Term},
		LastIncluded: consensus.Position{Index: w.LastIncludedIndex, Term: w.LastIncludedTerm},
		Config:       config,
		Offset:       w.Offset,
		Data:         slices.Clone(w.Data),
		Checksum:     w.Checksum,
		Done:         w.Done,
		Round:        w.Round,
	}, nil
}

func (w *wireInstallSnapshotReply) message() (consensus.Message, error) {
	return &consensus.InstallSnapshotReply{
		Header:       consensus.Header{Term: w.Term},
		LastIncluded: consensus.Position{Index: w.LastIncludedIndex, Term: w.LastIncludedTerm},
		Installed:    w.Installed,
		Offset:       w.Offset,
		Round:        w.Round,
		NoSpace:      w.NoSpace,
	}, nil
}

func (w *wireReadIndex) message() (consensus.Message, error) {
	return &consensus.ReadIndex{Header: consensus.Header{Term: w.Term}, ID: w.ID}, nil
}

func (w *wireReadIndexReply) message() (consensus.Message, error) {
	return &consensus.ReadIndexReply{Header: consensus.Header{Term: w.Term}, ID: w.ID, Index: w.Index, Refused: w.Refused}, nil
}
