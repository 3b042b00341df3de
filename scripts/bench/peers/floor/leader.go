package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/raftnode/raft/scripts/bench/peer"
	"github.com/raftnode/raft/scripts/bench/raw"
)

// leader sends batches to the followers and to its disk. One goroutine, run, does that; one for each follower reads what it acknowledges.
type leader struct {
	store     *raw.Store
	file      *disk
	followers []net.Conn // of run

	mu      sync.Mutex
	pending []raw.Request
	wake    chan struct{}
	batches []batch  // sent, not committed yet
	onDisk  []uint64 // by process: the last batch that it has; the leader first
	ready   bool
}

type batch struct {
	number   uint64
	requests []raw.Request
}

func lead(addrs []string, file *disk) *leader {
	l := &leader{store: raw.NewStore(), file: file, wake: make(chan struct{}, 1), onDisk: make([]uint64, 1+len(addrs))}
	go func() {
		for i, addr := range addrs {
			conn := dial(addr)
			l.followers = append(l.followers, conn)
			go l.hear(conn, 1+i)
		}
		l.mu.Lock()
		l.ready = true
		l.mu.Unlock()
		l.run()
	}()
	return l
}

// dial waits for the follower to be there: they are started at the same time.
func dial(addr string) net.Conn {
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return conn
		}
		if time.Now().After(until) {
			peer.Fail(fmt.Errorf("follower: %w", err))
		}
	}
}

func (l *leader) close() error { return nil }

// Leads tells whether the followers are there.
func (l *leader) Leads() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ready
}

// Get answers at once.
func (l *leader) Get(r raw.Request) { l.store.Answer(r) }

// Put adds to the next batch.
func (l *leader) Put(r raw.Request) {
	l.mu.Lock()
	l.pending = append(l.pending, r)
	first := len(l.pending) == 1
	l.mu.Unlock()
	if first {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

func (l *leader) run() {
	var out []byte
	for number := uint64(1); ; {
		<-l.wake
		l.mu.Lock()
		requests := l.pending
		l.pending = nil
		if len(requests) > 0 {
			l.batches = append(l.batches, batch{number, requests})
		}
		l.mu.Unlock()
		if len(requests) == 0 {
			continue
		}
		out = encode(out[:0], number, requests)
		for _, conn := range l.followers {
			if _, err := conn.Write(out); err != nil {
				peer.Fail(err)
			}
		}
		if err := l.file.append(out); err != nil {
			peer.Fail(err)
		}
		l.acknowledged(0, number)
		number++
	}
}

func encode(out []byte, number uint64, requests []raw.Request) []byte {
	out = append(out, make([]byte, batchHeader)...)
	for _, r := range requests {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(r.Command)))
		out = append(out, r.Command...)
	}
	binary.LittleEndian.PutUint32(out, uint32(len(out)-batchHeader))
	binary.LittleEndian.PutUint64(out[4:], number)
	return out
}

// hear takes the acknowledgements of one follower.
func (l *leader) hear(conn net.Conn, process int) {
	var number [8]byte
	for {
		if _, err := io.ReadFull(conn, number[:]); err != nil {
			return // the followers are stopped too
		}
		l.acknowledged(process, binary.LittleEndian.Uint64(number[:]))
	}
}

// acknowledged answers the requests that a majority has on disk by now.
func (l *leader) acknowledged(process int, number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.onDisk[process] = number
	sorted := slices.Sorted(slices.Values(l.onDisk))
	committed := sorted[(len(sorted)-1)/2]
	for len(l.batches) > 0 && l.batches[0].number <= committed {
		l.commit(l.batches[0].requests)
		l.batches = l.batches[1:]
	}
}

func (l *leader) commit(requests []raw.Request) {
	for _, r := range requests {
		if err := l.store.Apply(r.Command); err != nil {
			r.Failed(err)
			continue
		}
		r.Done(nil)
	}
}
