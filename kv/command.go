package kv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/raftnode/raft/kv/command"
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
const CommandVersion = command.Version

// Op is what a command does. The numbers are in the log: they are never changed, only added to.
type Op uint8

// The operations.
const (
	Put    Op = command.Put    // set the key to the value
	Append Op = command.Append // add the value to the end of what is there; a key that is not there begins empty
	Delete Op = command.Delete // remove the key, whether or not it is there
)

// ConditionKind is what must hold for a command to be done. The numbers are in the log.
type ConditionKind uint8

// The conditions.
const (
	Always    ConditionKind = command.Always
	IfVersion ConditionKind = command.IfVersion // the key is there and has this version
	IfExists  ConditionKind = command.IfExists
	IfAbsent  ConditionKind = command.IfAbsent
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
	return check(c.Op, c.If, len(c.Key), len(c.Value), c.Client, c.Seq)
}

func check[S string | []byte](op Op, condition Condition, keyBytes, valueBytes int, client S, seq uint64) error {
	switch {
	case op < Put || op > Delete || condition.Kind > IfAbsent:
		return errFormat
	case condition.Kind != IfVersion && condition.Version != 0, op == Delete && valueBytes != 0:
		return errFormat
	case keyBytes == 0 || keyBytes > MaxKeyBytes:
		return ErrKeySize
	case valueBytes > MaxValueBytes:
		return ErrValueSize
	}
	return checkClient(client, seq)
}

func checkClient[S string | []byte](client S, seq uint64) error {
	if (len(client) == 0) != (seq == 0) || len(client) > MaxClientIDBytes {
		return ErrClientID
	}
	for i := range len(client) {
		if client[i] <= ' ' || client[i] > '~' {
			return ErrClientID
		}
	}
	return nil
}

// Encode gives the command as it stands in the log, laid out by package command.
func (c Command) Encode() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	laid := command.Command{
		Op: uint8(c.Op), If: uint8(c.If.Kind), Version: uint64(c.If.Version), Client: c.Client, Seq: c.Seq, Key: c.Key, Value: c.Value,
	}
	return laid.AppendTo(make([]byte, 0, laid.MaxSize())), nil
}

func appendString[S string | []byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Decode is the inverse of Encode. The command's Value shares memory with b.
func Decode(b []byte) (Command, error) {
	v, err := Parse(b)
	if err != nil {
		return Command{}, err
	}
	return Command{Op: v.Op, Key: string(v.Key), Value: v.Value, If: v.If, Client: string(v.Client), Seq: v.Seq}, nil
}

// View is a Command whose parts are pieces of its encoding: to look at one allocates nothing.
type View struct {
	Op     Op
	Key    []byte
	Value  []byte
	If     Condition
	Client []byte
	Seq    uint64
}

// Parse takes an encoding apart, and refuses what Encode would not have given.
func Parse(b []byte) (View, error) {
	if len(b) < 3 {
		return View{}, errFormat
	}
	if b[0] != CommandVersion {
		return View{}, fmt.Errorf("kv: the command has version %d; this program knows version %d", b[0], CommandVersion)
	}
	r := reader{rest: b[3:]}
	v := View{Op: Op(b[1]), If: Condition{Kind: ConditionKind(b[2])}}
	v.If.Version = raft.Index(r.uvarint())
	v.Client = r.bytes(math.MaxInt)
	v.Seq = r.uvarint()
	v.Key = r.bytes(math.MaxInt)
	v.Value = r.bytes(math.MaxInt)
	if r.bad || len(r.rest) != 0 {
		return View{}, errFormat
	}
	return v, check(v.Op, v.If, len(v.Key), len(v.Value), v.Client, v.Seq)
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
