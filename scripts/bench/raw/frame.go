package raw

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// kind of a request.
type kind uint8

const (
	put kind = iota + 1
	get
	leads
)

// status of an answer.
type status uint8

const (
	done status = iota + 1
	failed
)

const (
	maxFrame    = 2 << 20
	headerBytes = 4 + 8 + 1
)

// appendFrame adds a frame with that much to come behind its header.
func appendHeader(to []byte, id uint64, what uint8, rest int) []byte {
	to = binary.LittleEndian.AppendUint32(to, uint32(rest+headerBytes-4))
	to = binary.LittleEndian.AppendUint64(to, id)
	return append(to, what)
}

// appendCommand is the command of a put, or with a nil value of a get.
func appendCommand(to []byte, key string, value []byte) []byte {
	to = binary.LittleEndian.AppendUint16(to, uint16(len(key)))
	to = append(to, key...)
	return append(to, value...)
}

// Split gives the two parts of a command.
func Split(command []byte) (key, value []byte, err error) {
	if len(command) < 2 {
		return nil, nil, errors.New("raw: a command of less than two bytes")
	}
	n := int(binary.LittleEndian.Uint16(command))
	if len(command) < 2+n {
		return nil, nil, fmt.Errorf("raw: a command of %d bytes with a key of %d", len(command), n)
	}
	return command[2 : 2+n], command[2+n:], nil
}

// readFrame reads a frame. The rest is the caller's to keep.
func readFrame(from *bufio.Reader) (id uint64, what uint8, rest []byte, err error) {
	var header [headerBytes]byte
	if _, err := io.ReadFull(from, header[:]); err != nil {
		return 0, 0, nil, err
	}
	n := binary.LittleEndian.Uint32(header[:])
	if n < headerBytes-4 || n > maxFrame {
		return 0, 0, nil, fmt.Errorf("raw: a frame of %d bytes; possible are %d to %d", n, headerBytes-4, maxFrame)
	}
	if rest := n - (headerBytes - 4); rest > 0 {
		body := make([]byte, rest)
		if _, err := io.ReadFull(from, body); err != nil {
			return 0, 0, nil, err
		}
		return binary.LittleEndian.Uint64(header[4:]), header[12], body, nil
	}
	return binary.LittleEndian.Uint64(header[4:]), header[12], nil, nil
}
