package rpc

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/raftnode/raft/raft/consensus"
)

// Kind tells what the payload of a frame is. The numbers are on the wire: they
// are never changed, only added to.
type Kind uint8

// The kinds of frames. KindKeepalive has no payload and never meets a Codec.
const (
	KindRequestVote          Kind = 1
	KindRequestVoteReply     Kind = 2
	KindAppendEntries        Kind = 3
	KindAppendEntriesReply   Kind = 4
	KindRequestPreVote       Kind = 5
	KindRequestPreVoteReply  Kind = 6
	KindTimeoutNow           Kind = 7
	KindInstallSnapshot      Kind = 8
	KindInstallSnapshotReply Kind = 9  // of an InstallSnapshotReply
	KindReadIndex            Kind = 10 // this and the next only to who has featureReadIndex
	KindReadIndexReply       Kind = 11
	KindKeepalive            Kind = 15
)

// String names the kind as the papers do.
func (k Kind) String() string {
	switch k {
	case KindRequestVote:
		return "RequestVote"
	case KindRequestVoteReply:
		return "RequestVoteReply"
	case KindAppendEntries:
		return "AppendEntries"
	case KindAppendEntriesReply:
		return "AppendEntriesReply"
	case KindRequestPreVote:
		return "RequestPreVote"
	case KindRequestPreVoteReply:
		return "RequestPreVoteReply"
	case KindTimeoutNow:
		return "TimeoutNow"
	case KindInstallSnapshot:
		return "InstallSnapshot"
	case KindInstallSnapshotReply:
		return "InstallSnapshotReply"
	case KindReadIndex:
		return "ReadIndex"
	case KindReadIndexReply:
		return "ReadIndexReply"
	case KindKeepalive:
		return "Keepalive"
	}
	return fmt.Sprintf("unknown kind %d", uint8(k))
}

// KindOf gives the kind of a message, or 0 if it is none that this package carries.
func KindOf(m consensus.Message) Kind {
	switch m.(type) {
	case *consensus.RequestVote:
		return KindRequestVote
	case *consensus.RequestVoteReply:
		return KindRequestVoteReply
	case *consensus.AppendEntries:
		return KindAppendEntries
	case *consensus.AppendEntriesReply:
		return KindAppendEntriesReply
	case *consensus.RequestPreVote:
		return KindRequestPreVote
	case *consensus.RequestPreVoteReply:
		return KindRequestPreVoteReply
	case *consensus.TimeoutNow:
		return KindTimeoutNow
	case *consensus.InstallSnapshot:
		return KindInstallSnapshot
	case *consensus.InstallSnapshotReply:
		return KindInstallSnapshotReply
	case *consensus.ReadIndex:
		return KindReadIndex
	case *consensus.ReadIndexReply:
		return KindReadIndexReply
	}
	return 0
}

// Codec turns messages into the payloads of frames and back. From and To are
// not its affair: a connection has one sender and one receiver, and Decode
// leaves both empty. It is used by many goroutines at once. NewCodec makes one of a library.
type Codec interface {
	// Name is what the two ends of a connection agree on; 1 to 64 bytes.
	Name() string
	// Append appends the payload for m to dst, and returns the longer slice.
	Append(dst []byte, m consensus.Message) ([]byte, error)
	// Decode is the inverse of Append. It must refuse what Append never writes, must not
	// allocate more than a small multiple of len(payload), and must not keep payload: that lies in the buffer of the connection.
	// What it gives owns its memory, which is best one block for all data of a message, and nothing around them: entries stay
	// in logs for long.
	Decode(kind Kind, payload []byte) (consensus.Message, error)
}

var registry = struct {
	mu     sync.Mutex
	codecs map[string]Codec
}{codecs: map[string]Codec{
	"msgpack": msgpackCodec{},
	"json":    jsonCodec,
}}

// RegisterCodec makes a codec known under its name, to all Transports of the
// process. It refuses a name that is empty, too long or taken.
func RegisterCodec(c Codec) error {
	name := c.Name()
	if name == "" || len(name) > maxCodecName {
		return fmt.Errorf("rpc: register codec: the name %q must have 1 to %d bytes", name, maxCodecName)
	}
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if _, taken := registry.codecs[name]; taken {
		return fmt.Errorf("rpc: register codec: there is a codec %q already", name)
	}
	registry.codecs[name] = c
	return nil
}

// Codecs lists the names of the codecs that are known, in order.
func Codecs() []string {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	return slices.Sorted(maps.Keys(registry.codecs))
}

// LookupCodec gives the codec that is registered under a name.
func LookupCodec(name string) (Codec, bool) {
	c := lookup(name)
	return c, c != nil
}

// lookup gives the codec of that name, or nil.
func lookup(name string) Codec {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	return registry.codecs[name]
}
