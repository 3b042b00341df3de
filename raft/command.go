package raft

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"

	"github.com/raftnode/raft/raft/consensus"
)

// The first byte of an EntryValue's data tells how the rest is encoded. These are on disk: they are
// never changed, only added to.
const (
	valueNil    = 'n'
	valueString = 's'
	valueInt    = 'i' // zigzag varint
	valueGob    = 'g'
)

// Register makes a type known, so that commands of this type come out of the log as the type they went in. It is
// needed for all types but []byte, string, nil and the basic types, on all servers, before the first use. Register
// a type or the pointer to it, not both, and propose what was registered. Values keep what encoding/gob keeps: exported fields; an empty slice or map
// inside a struct comes out as nil.
func Register(example any) { gob.Register(example) }

// encodeCommand gives the entry for a command. A []byte is taken as it is and must not be written to any more.
func encodeCommand(command any) (consensus.EntryKind, []byte, error) {
	switch v := command.(type) {
	case []byte:
		return consensus.EntryCommand, v, nil
	case nil:
		return consensus.EntryValue, []byte{valueNil}, nil
	case string:
		return consensus.EntryValue, append([]byte{valueString}, v...), nil
	case int:
		return consensus.EntryValue, binary.AppendVarint([]byte{valueInt}, int64(v)), nil
	}
	buf := bytes.NewBuffer([]byte{valueGob})
	if err := gob.NewEncoder(buf).Encode(&command); err != nil {
		return 0, nil, &EncodingError{Command: fmt.Sprintf("%T", command), Err: err}
	}
	return consensus.EntryValue, buf.Bytes(), nil
}

// decodeCommand gives the command back as it went in.
func decodeCommand(kind consensus.EntryKind, data []byte) (any, error) {
	if kind == consensus.EntryCommand {
		return data, nil
	}
	if kind != consensus.EntryValue || len(data) == 0 {
		return nil, fmt.Errorf("it is of kind %d with %d bytes, which this version does not know; use the version that wrote it", kind, len(data))
	}
	tag, body := data[0], data[1:]
	switch tag {
	case valueNil:
		return nil, nil
	case valueString:
		return string(body), nil
	case valueInt:
		v, n := binary.Varint(body)
		if n <= 0 || n != len(body) {
			return nil, errors.New("its number is malformed")
		}
		return int(v), nil
	case valueGob:
		var command any
		if err := gob.NewDecoder(bytes.NewReader(body)).Decode(&command); err != nil {
			return nil, fmt.Errorf("call raft.Register with its type before Make or Run: %w", err)
		}
		return command, nil
	}
	return nil, fmt.Errorf("its value has encoding %q, which this version does not know; use the version that wrote it", tag)
}
