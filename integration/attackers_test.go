package integration

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// assault is who attacks a node: what he knows of it, and what he did.
type assault struct {
	peer, client string   // the ports of the node
	hello        greeting // with which a member connects to it, overheard
	idle         int      // how many connections he can hold
	stolen       *stolen  // certificates, with which he comes through TLS; nil where there is none
	blows        atomic.Int64
}

// frameOf gives one frame, whose length may be a lie.
func frameOf(kind byte, sequence uint64, length uint32, payload []byte) []byte {
	frame := binary.BigEndian.AppendUint32(nil, length)
	frame = binary.BigEndian.AppendUint64(append(frame, kind), sequence)
	sum := crc32.Update(crc32.Checksum(frame, castagnoli), castagnoli, payload)
	return append(binary.BigEndian.AppendUint32(frame, sum), payload...)
}

// from gives the addresses of loopback in turn, the first one, which the nodes have themselves, among them.
func from(i int) string { return fmt.Sprintf("127.0.0.%d", 1+i%9) }

// dial connects from one of several addresses. It leaves no socket behind that waits out its time.
func (a *assault) dial(ctx context.Context, i int, address string) (net.Conn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from(i))}, Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err == nil {
		_ = conn.(*net.TCPConn).SetLinger(0)
	}
	return conn, err
}

// crew lets that many do something again and again until ctx ends.
func (a *assault) crew(ctx context.Context, many int, do func(i int)) {
	var crew sync.WaitGroup
	for n := range many {
		crew.Go(func() {
			for i := n; ctx.Err() == nil; i += many {
				do(i)
				a.blows.Add(1)
			}
		})
	}
	crew.Wait()
}

// port gives the peer port and the client port in turn.
func (a *assault) port(i int) string {
	if i%2 == 0 {
		return a.peer
	}
	return a.client
}

// hit sends bytes, inside of TLS or bare, and waits until the node closes the connection, for up to half a second.
func (a *assault) hit(ctx context.Context, i int, address string, inside bool, bytes []byte) {
	conn, err := a.dial(ctx, i, address)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(500 * time.Millisecond))
	if inside {
		conn, _ = a.enter(ctx, conn, address) // if he does not get in, the next write says so
	}
	_, _ = conn.Write(bytes)
	_, _ = io.Copy(io.Discard, conn)
}

// throw sends one thing after the other to the peer port and the client port. Where there is TLS, it is inside of that first, and then bare.
func (a *assault) throw(ctx context.Context, things ...[]byte) {
	a.crew(ctx, 8, func(i int) {
		round := i / len(things)
		a.hit(ctx, i, a.port(round), a.stolen != nil && round/2%2 == 0, things[i%len(things)])
	})
}

// replay says the handshake of a member again and again.
func (a *assault) replay(ctx context.Context) {
	a.crew(ctx, 4, func(i int) { a.hit(ctx, i, a.peer, a.stolen != nil && i%2 == 0, a.hello.bytes()) })
}

// silence holds connections that say nothing, or nothing more after a part of the handshake of TLS, or after all of it.
func (a *assault) silence(ctx context.Context) {
	var held []net.Conn
	defer func() {
		for _, conn := range held {
			conn.Close()
		}
	}()
	begun := clientHello()
	for i := 0; i < a.idle && ctx.Err() == nil; i++ {
		conn, err := a.dial(ctx, i, a.port(i))
		if err != nil {
			continue
		}
		held = append(held, conn)
		a.blows.Add(1)
		_ = conn.SetDeadline(time.Now().Add(500 * time.Millisecond))
		switch {
		case a.stolen == nil:
		case i%8 < 2:
			_, _ = conn.Write(begun[:1+i%len(begun)])
		case i%8 < 4:
			_, _ = a.enter(ctx, conn, a.port(i))
		}
	}
	<-ctx.Done()
}

// drip sends a byte now and then, of things that never end, and counts who is thrown out in a handshake or a header.
func (a *assault) drip(ctx context.Context) {
	hello := a.hello.bytes()
	things := [][]byte{
		hello,
		append(a.hello.bytes(), frameOf(kindAppendEntries, 1, 8<<20, make([]byte, 1<<20))...), // let in, and then a frame that never ends
		[]byte("GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Much: " + strings.Repeat("x", 10_000)),
		[]byte("PUT /v1/kv/drip HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 10_000)),
	}
	at := []int{0, len(hello) + 20, 0, 0}
	begun := clientHello()
	var crew sync.WaitGroup
	for n := range 400 {
		kind := n % len(things)
		thing, inside := things[kind][at[kind]:], a.stolen != nil && n%8 < 4
		if a.stolen != nil && !inside && kind%2 == 0 {
			thing = begun // a byte now and then of the handshake of TLS
		}
		crew.Go(func() {
			conn, err := a.dial(ctx, n, a.port(kind/2))
			if err != nil {
				return
			}
			defer conn.Close()
			if inside {
				conn, err = a.enter(ctx, conn, a.port(kind/2))
			}
			if err == nil {
				_, err = conn.Write(things[kind][:at[kind]])
			}
			trickle(ctx, conn, thing, err)
			if kind%2 == 0 {
				a.blows.Add(1)
			}
		})
	}
	crew.Wait()
	<-ctx.Done()
}

// trickle sends a byte now and then, until there is an error or no more.
func trickle(ctx context.Context, conn net.Conn, thing []byte, err error) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for at := 0; err == nil && at < len(thing); at++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_, err = conn.Write(thing[at : at+1])
		}
	}
}

// garbage is noise, and what other programs say.
func garbage() (things [][]byte) {
	rng := rand.New(rand.NewPCG(1, 1))
	for size := 1; size < 1<<17; size *= 2 {
		noise := make([]byte, size)
		for i := range noise {
			noise[i] = byte(rng.Uint32())
		}
		things = append(things, noise, append([]byte("\x89raft\r\n\x1a"), noise...))
	}
	return append(things,
		[]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), []byte("POST /v1/members HTTP/1.1\r\nHost: x\r\n\r\n"),
		[]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+strings.Repeat("\x5a", 508)), []byte("SSH-2.0-OpenSSH_9.6\r\n"), []byte{0})
}

// lengths claim gigabytes, wherever a length stands.
func (a *assault) lengths() [][]byte {
	block := a.hello.bytes()
	binary.BigEndian.PutUint16(block[greetingHead-2:], 0xffff)
	field := a.hello.bytes()
	binary.BigEndian.PutUint16(field[greetingHead:], 0xffff)
	things := [][]byte{block, field}
	for _, length := range []uint32{8<<20 + 1, 1 << 31, 0xffffffff} {
		things = append(things, append(a.hello.bytes(), frameOf(kindAppendEntries, 1, length, nil)...))
	}
	for _, length := range []string{"1048577", "4294967296", "9223372036854775807", "99999999999999999999", "-1"} {
		things = append(things, []byte("PUT /v1/kv/k HTTP/1.1\r\nHost: x\r\nContent-Length: "+length+"\r\n\r\nx"))
	}
	return append(things, []byte("PUT /v1/kv/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n"+strings.Repeat("x", 1000)))
}

// bombs are small where they lie and large where they go off, in whatever codec.
func (a *assault) bombs() (things [][]byte) {
	const many = 1 << 18
	for codec, payloads := range map[string][]string{
		"msgpack": {
			strings.Repeat("\xdd\xff\xff\xff\xff", many/5), strings.Repeat("\x91", many), strings.Repeat("\x81", many),
			"\x96\x01\x00\x00\x00\x00\xdd\xff\xff\xff\xff", "\xc6\xff\xff\xff\xff", "\x96\x01\x00\x00\x00\x00" + strings.Repeat("\x91", many), "\xc9\xff\xff\xff\xff\x01",
		},
		"cbor": {
			strings.Repeat("\x9b\xff\xff\xff\xff\xff\xff\xff\xff", many/9), strings.Repeat("\x81", many), strings.Repeat("\xa1", many), strings.Repeat("\x9f", many),
			"\x86\x01\x00\x00\x00\x00\x9a\xff\xff\xff\xff", "\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", strings.Repeat("\xc1", many),
		},
		"json": {
			strings.Repeat("[", many), strings.Repeat(`{"Term":`, many/8), strings.Repeat(`{"Entries":[`, many/12), `{"Entries":[` + strings.Repeat("{},", many/3) + "{}]}",
			`{"Term":1` + strings.Repeat("0", many) + "}",
		},
	} {
		hello := a.hello
		hello.codec, hello.codecs = codec, string(rune(len(codec)))+codec
		for _, payload := range payloads {
			for _, kind := range []byte{kindAppendEntries, kindRequestVote, kindAppendEntriesReply} {
				things = append(things, append(hello.bytes(), frameOf(kind, 1, uint32(len(payload)), []byte(payload))...))
			}
		}
	}
	return things
}

// stumps are a handshake and a message that would move the term, cut at every byte; and with every byte flipped.
func (a *assault) stumps() (things [][]byte) {
	whole := append(a.hello.bytes(), laterTerm()...)
	for n := range whole {
		flipped := bytes.Clone(whole)
		flipped[n] ^= 1 << (n % 8)
		things = append(things, whole[:n], flipped)
	}
	return things
}

// storm connects as fast as it can, and leaves at once or with a handshake that is good.
func (a *assault) storm(ctx context.Context) {
	hello := a.hello.bytes()
	a.crew(ctx, 16, func(i int) {
		conn, err := a.dial(ctx, i, a.port(i))
		if err != nil {
			return
		}
		defer conn.Close()
		if i%16 > 0 {
			return
		}
		_ = conn.SetDeadline(time.Now().Add(500 * time.Millisecond))
		if a.stolen != nil {
			conn, _ = a.enter(ctx, conn, a.port(i))
		}
		_, _ = conn.Write(hello)
	})
}
