package integration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/raftnode/raft/rpc/certs"
)

// forge makes a certificate as n2 has one but for what change changes, signed by the authority in dir.
func forge(t *testing.T, dir string, change func(cert *x509.Certificate)) tls.Certificate {
	t.Helper()
	authority, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := x509.ParseCertificate(authority.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "node n2"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		URIs: []*url.URL{nodeURI("integration", "n2")},
	}
	change(cert)
	der, err := x509.CreateCertificate(rand.Reader, cert, signer, key.Public(), authority.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func nodeURI(cluster, node string) *url.URL {
	return &url.URL{Scheme: "raft", Host: cluster, Path: "/" + node}
}

// letIn begins the answer to whoever is let in.
const letIn = "\x89raft\r\n\x1a\x01"

// caller is who connects to a node's port for members, and what the node says of it.
type caller struct {
	tls  *tls.Config // nil: it does not speak TLS
	says []byte      // on the connection, as far as it gets
	want string
}

// call connects from an address of loopback, says all, and gives what comes back until the node closes the connection.
func (who caller) call(ctx context.Context, t *testing.T, n *Node, from string) string {
	t.Helper()
	if who.tls == nil {
		return sayTo(t, n, from, who.says)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	address, _ := n.PeerAddr()
	raw, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	_ = raw.SetDeadline(time.Now().Add(patience))
	conn := tls.Client(raw, who.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		return ""
	}
	_, _ = conn.Write(who.says) // to a dialer the handshake of TLS 1.3 is over before its certificate is looked at
	back, _ := io.ReadAll(conn)
	return string(back)
}

// wrongCallers have one thing wrong each.
func wrongCallers(t *testing.T, c *Cluster, g greeting) map[string]caller {
	t.Helper()
	foreign := filepath.Join(t.TempDir(), "foreign")
	if _, err := certs.NewAuthority(foreign, "integration", time.Now(), time.Hour); err != nil {
		t.Fatal(err)
	}
	client, err := tls.LoadX509KeyPair(filepath.Join(c.secrets.dir, "client.pem"), filepath.Join(c.secrets.dir, "client-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	says := append(g.bytes(), upheaval()...)
	shows := func(cert tls.Certificate) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}}
	}
	forged := func(change func(cert *x509.Certificate)) *tls.Config { return shows(forge(t, c.secrets.dir, change)) }
	good := func(*x509.Certificate) {}
	old, another := forged(good), g
	old.MaxVersion = tls.VersionTLS12
	another.store = strings.Repeat("0", 32)
	return map[string]caller{
		"no TLS":           {nil, says, "a server without TLS came to the peer port, which speaks TLS only"},
		"TLS 1.2":          {old, says, "the other end offers only old versions: TLS 1.3 is needed"},
		"no certificate":   {&tls.Config{InsecureSkipVerify: true}, says, "the other end showed no certificate: it needs that of a server of this cluster"},
		"wrong CA":         {shows(forge(t, foreign, good)), says, "was not signed by an authority that is trusted here"},
		"expired":          {forged(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), says, `of "CN=node n2", expired on `},
		"not yet valid":    {forged(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }), says, `of "CN=node n2", is not valid before `},
		"a client's":       {shows(client), says, `of "CN=client client,O=integration", is a client's: nodes need one of a node`},
		"a server's only":  {forged(func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }), says, `of "CN=node n2", is a server's only`},
		"for nothing":      {forged(func(c *x509.Certificate) { c.ExtKeyUsage = nil }), says, "is for neither servers nor clients"},
		"another cluster":  {forged(func(c *x509.Certificate) { c.URIs[0] = nodeURI("orders", "n2") }), says, `its certificate is of cluster "orders", not of "integration"`},
		"no URI":           {forged(func(c *x509.Certificate) { c.URIs = nil }), says, "is not a node's: it names no node, by a URI raft://CLUSTER/NODE"},
		"a strange URI":    {forged(func(c *x509.Certificate) { c.URIs[0] = nodeURI("integration", "n2/x") }), says, "is not raft://CLUSTER/NODE"},
		"two names":        {forged(func(c *x509.Certificate) { c.URIs = append(c.URIs, nodeURI("integration", "n3")) }), says, "and must name one node"},
		"another node's":   {forged(func(c *x509.Certificate) { c.URIs[0] = nodeURI("integration", "n3") }), says, `the caller calls itself "n2", and its certificate is that of "n3"`},
		"a duplicate id":   {forged(good), append(another.bytes(), upheaval()...), `two processes call themselves "n2"`},
		"an HTTP request":  {nil, []byte("GET / HTTP/1.1\r\nHost: n1\r\n\r\n"), "an HTTP request came to the peer port"},
		"HTTP over TLS":    {forged(good), []byte("GET / HTTP/1.1\r\nHost: n1\r\n\r\n"), "an HTTP request came to the peer port; the client port is https://"},
		"garbage over TLS": {forged(good), append([]byte{0}, upheaval()...), "garbage ("},
	}
}

// Whoever is wrong on a port for members that speaks TLS is told of by its own message, before anything that it says is looked at. No term moves, and the leader stays.
func TestWhoIsWrongOverTLSMovesNothing(t *testing.T) {
	c, ctx := startTLS(t)
	put(ctx, t, c, "k", "v")
	n1 := c.Nodes()[0]
	g := impostor(ctx, t, c)
	g.address = "127.0.0.1:1"
	before := terms(ctx, t, c)
	at := 1
	for name, who := range wrongCallers(t, c, g) {
		t.Run(name, func(t *testing.T) {
			at++ // one host is told of eight times a minute
			from := fmt.Sprintf("127.0.0.%d", at)
			back := who.call(ctx, t, n1, from)
			toldOf(ctx, t, n1, from, who.want)
			if strings.HasPrefix(back, letIn) {
				t.Errorf("it lets it in: %q", back)
			}
			put(ctx, t, c, "behind", name) // so that what it said would have been looked at
			for who, term := range terms(ctx, t, c) {
				if before[who] != term {
					t.Errorf("%s in term %d, before %v", who, term, before)
				}
			}
		})
	}
	// With nothing wrong it would be let in, and heard.
	good := caller{tls: &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{forge(t, c.secrets.dir, func(*x509.Certificate) {})}}}
	good.says = append(append(g.bytes(), laterTerm()...), 0, 0, 0, 0, 0xee) // and then no message
	if back := good.call(ctx, t, n1, "127.0.0.1"); !strings.HasPrefix(back, letIn) {
		t.Errorf("it is not let in: %q", back)
	}
	if err := poll(ctx, "the later term", func() (bool, error) {
		status, err := c.Status(ctx, n1)
		return status.Term >= 1000, err
	}); err != nil {
		t.Fatal(err)
	}
}

// toldOf waits until the node's log says so of a caller from that address.
func toldOf(ctx context.Context, t *testing.T, n *Node, from, want string) {
	t.Helper()
	last := ""
	if err := poll(ctx, n.ID+" to tell of "+from, func() (bool, error) {
		text, err := n.Printed()
		for line := range strings.Lines(text) {
			if strings.Contains(line, "("+from+":") {
				last = line
			}
		}
		return last != "", err
	}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(last, want) || !strings.Contains(last, "[WARN]") {
		t.Errorf("it says %q, want %q", last, want)
	}
}
