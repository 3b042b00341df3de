package command

import "encoding/binary"

// Version is the first byte of every command.
const Version = 1

// What a command does, and what must hold for it. The numbers are in the log: they are never changed, only added to.
const (
	Put    = 1
	Append = 2
	Delete = 3

	Always    = 0
	IfVersion = 1
	IfExists  = 2
	IfAbsent  = 3
)

// Command is one write.
type Command struct {
	Op      uint8
	If      uint8
	Version uint64 // for IfVersion
	Client  string
	Seq     uint64
	Key     string
	Value   []byte
}

// MaxSize is at least how long the encoding gets.
func (c *Command) MaxSize() int {
	return 3 + 5*binary.MaxVarintLen64 + len(c.Client) + len(c.Key) + len(c.Value)
}

// AppendTo adds the encoding.
func (c *Command) AppendTo(b []byte) []byte {
	b = append(b, Version, c.Op, c.If)
	b = binary.AppendUvarint(b, c.Version)
	b = appendString(b, c.Client)
	b = binary.AppendUvarint(b, c.Seq)
	b = appendString(b, c.Key)
	return appendString(b, c.Value)
}

func appendString[S string | []byte](b []byte, s S) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
