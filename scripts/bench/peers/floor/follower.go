package main

import (
	"encoding/binary"
	"errors"
	"net"

	"github.com/raftnode/raft/scripts/bench/peer"
	"github.com/raftnode/raft/scripts/bench/raw"
)

// A batch on the way to a follower is: length uint32 of what follows the header | number uint64 | commands, each with a length uint32 before it. The
// answer is the number of the last batch on disk.
const batchHeader = 4 + 8

// deaf is what a follower says to clients.
type deaf struct{}

var errNotLeader = errors.New("not the leader")

func (deaf) Put(r raw.Request) { r.Failed(errNotLeader) }
func (deaf) Get(r raw.Request) { r.Failed(errNotLeader) }
func (deaf) Leads() bool       { return false }

// follow appends what the leader sends, as much at once as has come.
func follow(addr string, file *disk) (net.Listener, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return // closed
		}
		defer conn.Close()
		keep(conn, file)
	}()
	return listener, nil
}

// keep reads into a buffer, writes what is there to disk as it is, and acknowledges the batches that are complete.
func keep(conn net.Conn, file *disk) {
	buf := make([]byte, 4<<20)
	var at parser
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if err := file.append(buf[:n]); err != nil {
			peer.Fail(err)
		}
		if number, ended := at.feed(buf[:n]); ended {
			if _, err := conn.Write(binary.LittleEndian.AppendUint64(nil, number)); err != nil {
				return
			}
		}
	}
}

// parser finds the ends of batches in a stream that comes in pieces.
type parser struct {
	header []byte // of the current batch, as far as it is there
	left   int    // of its commands
}

// feed takes the next piece and gives the number of the last batch that ends in it, if any does.
func (p *parser) feed(piece []byte) (number uint64, ended bool) {
	for len(piece) > 0 {
		if len(p.header) < batchHeader {
			n := min(batchHeader-len(p.header), len(piece))
			p.header, piece = append(p.header, piece[:n]...), piece[n:]
			if len(p.header) < batchHeader {
				break
			}
			p.left = int(binary.LittleEndian.Uint32(p.header))
		}
		n := min(p.left, len(piece))
		p.left, piece = p.left-n, piece[n:]
		if p.left == 0 {
			number, ended = binary.LittleEndian.Uint64(p.header[4:]), true
			p.header = p.header[:0]
		}
	}
	return number, ended
}
