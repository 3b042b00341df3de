package kv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/raftnode/raft/raft"
)

// The limits of the format. They decide what a command does, so all servers of a cluster must have the same:
// changing one needs a new CommandVersion.
const (
	MaxKeyBytes      = 1024
	MaxValueBytes    = 1 << 20
	MaxClientIDBytes = 128
	MaxSessions      = 65536
)

// CommandVersion is the first byte of every command.
const CommandVersion = 1

// Op is what a command does. The numbers are in the log: they are never changed, only added to.
type Op uint8

// The operations.
const (
	Put    Op = 1 // set the key to the value
	Append Op = 2 // add the value to the end of what is there; a key that is not there begins empty
	Delete Op = 3 // remove the key, whether or not it is there
)

// ConditionKind is what must hold for a command to be done. The numbers are in the log.
type ConditionKind uint8

// The conditions.
const (
	Always    ConditionKind = 0
	IfVersion ConditionKind = 1 // the key is there and has this version
	IfExists  ConditionKind = 2
	IfAbsent  ConditionKind = 3
)

// Condition must hold, or the command is refused.
type Condition struct {
	Kind    ConditionKind
	Version raft.Index // for IfVersion
}

// Command is one write.
type Command struct {
	Op    Op
	Key   string
	Value []byte // for Put and Append. It is not changed by whoever receives it
	If    Condition
	// Client and Seq name the write, so that it is applied at most once. Without a Client, Seq is 0.
	Client string
	Seq    uint64 // from 1, growing with each write of a client
}

// Why a command is not valid.
var (
	ErrKeySize   = fmt.Errorf("kv: a key has 1 to %d bytes", MaxKeyBytes)
	ErrValueSize = fmt.Errorf("kv: a value has at most %d bytes", MaxValueBytes)
	ErrClientID  = fmt.Errorf("kv: a client id has 1 to %d visible ASCII characters, and its sequence numbers begin at 1", MaxClientIDBytes)
	errFormat    = errors.New("kv: the bytes are not a command")
)

// Validate tells whether the command can be encoded.
func (c Command) Validate() error {
	switch {
	case c.Op < Put || c.Op > Delete || c.If.Kind > IfAbsent:
		return errFormat
	case c.If.Kind != IfVersion && c.If.Version != 0, c.Op == Delete && len(c.Value) != 0:
		return errFormat
	case len(c.Key) == 0 || len(c.Key) > MaxKeyBytes:
		return ErrKeySize
	case len(c.Value) > MaxValueBytes:
		return ErrValueSize
	}
	return checkClient(c.Client, c.Seq)
}

func checkClient(client string, seq uint64) error {
	if (client == "") != (seq == 0) || len(client) > MaxClientIDBytes {
		return ErrClientID
	}
	for i := range len(client) {
		if client[i] <= ' ' || client[i] > '~' {
			return ErrClientID
		}
	}
	return nil
}

// Encode gives the command as it stands in the log:
//
//	byte     CommandVersion
//	byte     Op
//	byte     ConditionKind
//	uvarint  Condition.Version
//	string   Client
//	uvarint  Seq
//	string   Key
//	string   Value
//
// where a string is its length as uvarint and then its bytes. Nothing follows.
func (c Command) Encode() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	b := make([]byte, 0, 3+5*binary.MaxVarintLen64+len(c.Client)+len(c.Key)+len(c.Value))
	b = append(b, CommandVersion, byte(c.Op), byte(c.If.Kind))
	b = binary.AppendUvarint(b, uint64(c.If.Version))
	b = appendString(b, c.Client)
	b = binary.AppendUvarint(b, c.Seq)
	b = appendString(b, c.Key)
	return appendString(b, c.Value), nil
}

func appendString[S string | []byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Decode is the inverse of Encode. The command's Value shares memory with b.
func Decode(b []byte) (Command, error) {
	if len(b) < 3 {
		return Command{}, errFormat
	}
	if b[0] != CommandVersion {
		return Command{}, fmt.Errorf("kv: the command has version %d; this program knows version %d", b[0], CommandVersion)
	}
	r := reader{rest: b[3:]}
	c := Command{Op: Op(b[1]), If: Condition{Kind: ConditionKind(b[2])}}
	c.If.Version = raft.Index(r.uvarint())
	c.Client = string(r.bytes(MaxClientIDBytes))
	c.Seq = r.uvarint()
	c.Key = string(r.bytes(MaxKeyBytes))
	c.Value = r.bytes(math.MaxInt)
	if r.bad || len(r.rest) != 0 {
		return Command{}, errFormat
	}
	return c, c.Validate()
}

// reader takes apart what appendString and the like put together. After the first mistake it is bad for good.
type reader struct {
	rest    []byte
	minimal bool // refuse a uvarint that is longer than it need be. Commands may have such: they are in logs
	bad     bool
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || r.minimal && n > 1 && r.rest[n-1] == 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// bytes gives a view, not a copy, so a long length costs nothing before it is checked.
func (r *reader) bytes(limit int) []byte {
	n := r.uvarint()
	if r.bad || n > uint64(len(r.rest)) || n > uint64(limit) {
		r.bad, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte {
	if len(r.rest) == 0 {
		r.bad = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}
