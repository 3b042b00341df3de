package codectest

import (
	"bytes"
	"math"
	"reflect"

	"github.com/raftnode/raft/raft/consensus"
)

// kinds gives an empty message of each kind.
func kinds() []consensus.Message {
	return []consensus.Message{
		&consensus.RequestVote{}, &consensus.RequestVoteReply{},
		&consensus.AppendEntries{}, &consensus.AppendEntriesReply{},
		&consensus.RequestPreVote{}, &consensus.RequestPreVoteReply{}, &consensus.TimeoutNow{},
		&consensus.InstallSnapshot{}, &consensus.InstallSnapshotReply{},
		&consensus.ReadIndex{}, &consensus.ReadIndexReply{},
	}
}

// full gives a message of each kind, of which every field that travels has another value than zero.
func full() []consensus.Message {
	messages := kinds()
	for _, m := range messages {
		next := uint64(1)
		fill(reflect.ValueOf(m).Elem(), &next)
		if a, ok := m.(*consensus.AppendEntries); ok {
			a.Entries[0].Index, a.Entries[1].Index = a.PrevLogIndex+1, a.PrevLogIndex+2 // derived
		}
	}
	return messages
}

// fill sets every field of a struct to another value than zero, Entries to two entries.
func fill(v reflect.Value, next *uint64) {
	for i := range v.NumField() {
		*next++
		switch f := v.Field(i); f.Kind() {
		case reflect.Struct:
			fill(f, next)
		case reflect.Uint64, reflect.Uint32:
			f.SetUint(*next)
		case reflect.Uint8:
			f.SetUint(*next % 3)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Slice:
			fillSlice(f, next)
		default: // From and To are the connection's
		}
	}
}

func fillSlice(f reflect.Value, next *uint64) {
	switch f.Type().Elem() {
	case reflect.TypeFor[byte]():
		f.SetBytes([]byte{byte(*next)})
	case reflect.TypeFor[consensus.Member]():
		f.Set(reflect.ValueOf(someConfig()))
	default:
		f.Set(reflect.MakeSlice(f.Type(), 2, 2))
		fill(f.Index(0), next)
		fill(f.Index(1), next)
	}
}

func someConfig() consensus.Configuration {
	return consensus.Configuration{
		{ID: "a", Address: "a:1", Suffrage: consensus.Voter}, {ID: "b", Suffrage: consensus.Learner},
	}
}

// extremes are messages at the limits of their fields, by what is special about them.
func extremes() map[string]consensus.Message {
	const most = math.MaxUint64
	megabyte := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	return map[string]consensus.Message{
		"all zero vote":                   &consensus.RequestVote{},
		"all zero reply":                  &consensus.AppendEntriesReply{},
		"heartbeat":                       &consensus.AppendEntries{Header: consensus.Header{Term: 1}},
		"greatest of all":                 &consensus.RequestVote{Header: consensus.Header{Term: most}, LastLogIndex: most, LastLogTerm: most},
		"a chunk of a megabyte":           &consensus.InstallSnapshot{Config: someConfig(), Offset: most, Data: megabyte, Checksum: math.MaxUint32},
		"a chunk without data, of nobody": &consensus.InstallSnapshot{},
		"an empty chunk":                  &consensus.InstallSnapshot{Data: []byte{}},
		"the greatest request":            &consensus.ReadIndex{Header: consensus.Header{Term: most}, ID: most},
		"a refusal of all zero":           &consensus.ReadIndexReply{Refused: true},
		"greatest terms":                  entries(most, []byte{1}),
		"nil data":                        entries(1, nil),
		"empty data":                      entries(1, []byte{}),
		"one zero byte":                   entries(1, []byte{0}),
		"bytes that escape":               entries(1, []byte("\x00\xff<&>\u2028\"")),
		"a megabyte":                      entries(1, megabyte),
		"nil, empty and one":              entries(9, nil, []byte{}, []byte{1}, nil, []byte{2, 3}),
		"16 entries":                      entries(200, make([][]byte, 16)...),
		"65536 entries":                   entries(70000, make([][]byte, 1<<16)...),
		"lengths around each bound":       entries(1<<33, make([]byte, 255), make([]byte, 256), make([]byte, 1<<16-1), make([]byte, 1<<16)),
	}
}

// entries gives an AppendEntries with one entry for each data.
func entries(term consensus.Term, datas ...[]byte) *consensus.AppendEntries {
	m := &consensus.AppendEntries{
		Header:       consensus.Header{Term: term},
		PrevLogIndex: 1000, PrevLogTerm: term - 1, LeaderCommit: 999, Round: 12345,
	}
	for i, data := range datas {
		m.Entries = append(m.Entries, consensus.Entry{
			Index: 1001 + consensus.Index(i), Term: term, Kind: consensus.EntryCommand, Data: data,
		})
	}
	return m
}
