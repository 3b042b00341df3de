package integration

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/raftnode/raft/rpc/certs"
)

// stolen are certificates: those that let somebody in at a port of n1, and others, which must not.
type stolen struct {
	member, customer *tls.Config
	useless          []useless
	letIn            atomic.Int64 // how often a useless one did
}

// useless is what must not let anybody in.
type useless struct {
	what   string
	port   int // as in assault.port
	config *tls.Config
}

// steal takes what a cluster has, if it has any: the certificates of n2, of n3, and of a client.
func steal(t *testing.T, c *Cluster) *stolen {
	t.Helper()
	if c.secrets == nil {
		return nil
	}
	foreign, err := newSecrets(filepath.Join(t.TempDir(), "foreign"), 2)
	if err != nil {
		t.Fatal(err)
	}
	of := func(s *secrets, name string) *tls.Config { return bearing(t, certs.CertFiles(s.dir, name)) }
	old := of(c.secrets, "n2")
	old.MaxVersion = tls.VersionTLS12
	nobody := &tls.Config{InsecureSkipVerify: true}
	return &stolen{
		member: of(c.secrets, "n2"), customer: of(c.secrets, "client"),
		useless: []useless{
			{"no certificate", 0, nobody},
			{"no certificate", 1, nobody},
			{"a certificate of another authority", 0, of(foreign, "n2")},
			{"a certificate of another authority", 1, of(foreign, "client")},
			{"the certificate of a client", 0, of(c.secrets, "client")},
			{"the certificate of another member", 0, of(c.secrets, "n3")},
			{"an old version", 0, old},
		},
	}
}

// bearing shows a certificate, and believes everything.
func bearing(t *testing.T, files certs.Files) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true}
}

// enter comes through TLS with what was stolen. Also in vain, it gives a connection that can be closed.
func (a *assault) enter(ctx context.Context, conn net.Conn, address string) (net.Conn, error) {
	config := a.stolen.member
	if address == a.client {
		config = a.stolen.customer
	}
	stream := tls.Client(conn, config)
	return bluntly{stream}, stream.HandshakeContext(ctx)
}

// bluntly ends a connection without a word.
type bluntly struct{ *tls.Conn }

func (b bluntly) Close() error { return b.NetConn().Close() }

// clientHello is what a client of TLS says first.
func clientHello() []byte {
	here, there := net.Pipe()
	defer there.Close()
	go func() {
		_ = tls.Client(here, &tls.Config{InsecureSkipVerify: true}).Handshake() //nolint:noctx // it ends with the pipe
	}()
	record := make([]byte, 1<<16)
	n, _ := there.Read(record)
	return record[:n]
}

// gains tells whether somebody with that certificate gets through TLS at a port, and is taken for whom the words say that he is.
func (a *assault) gains(ctx context.Context, i, port int, config *tls.Config) bool {
	conn, err := a.dial(ctx, i, a.port(port))
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	stream := tls.Client(conn, config)
	words, welcome := a.hello.bytes(), []byte("\x89raft\r\n\x1a\x01") // the answer that accepts
	if a.port(port) == a.client {
		words, welcome = []byte("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"), []byte("HTTP/1.1 ")
	}
	_, _ = stream.Write(words)
	said := make([]byte, len(welcome))
	_, _ = io.ReadFull(stream, said)
	return bytes.Equal(said, welcome)
}

// masks comes with TLS, and without what would let him in.
func (a *assault) masks(ctx context.Context) {
	for port, config := range []*tls.Config{a.stolen.member, a.stolen.customer} {
		if !a.gains(ctx, port, port, config) {
			return // what is shown below would prove nothing: there are no blows, and that is told
		}
	}
	a.crew(ctx, 8, func(i int) {
		u := a.stolen.useless[i%len(a.stolen.useless)]
		if a.gains(ctx, i, u.port, u.config) {
			a.stolen.letIn.Add(1)
		}
	})
}

// records comes through TLS, and then says what no record is: a handshake once more, in the open; lengths that are lies; records that say nothing.
func (a *assault) records(ctx context.Context) {
	things := [][]byte{
		clientHello(),
		[]byte("\x17\x03\x03\xff\xff" + strings.Repeat("x", 1<<16)),
		[]byte("\x17\x03\x03\x40\x00" + strings.Repeat("x", 100)),
		[]byte(strings.Repeat("\x14\x03\x03\x00\x01\x01", 1000)),
		[]byte(strings.Repeat("\x17\x03\x03\x00\x00", 1000)),
		[]byte("\x15\x03\x03\x00\x02\x02\x28"),
		a.hello.bytes(),
		[]byte("GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"),
	}
	a.crew(ctx, 8, func(i int) {
		conn, err := a.dial(ctx, i, a.port(i/len(things)))
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(500 * time.Millisecond))
		if _, err := a.enter(ctx, conn, a.port(i/len(things))); err != nil {
			return
		}
		_, _ = conn.Write(things[i%len(things)])
		_, _ = io.Copy(io.Discard, conn)
	})
}
