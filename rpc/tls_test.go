package rpc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc/certs"
)

// today is the clock of all certificates in these tests.
var today = time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return today }

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// authority makes one for the cluster "test".
func authority(t *testing.T) (*certs.Authority, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "certs")
	if _, err := certs.NewAuthority(dir, "test", today.Add(-2*year), 10*year); err != nil {
		t.Fatal(err)
	}
	return at(t, dir, today), dir
}

// at is the authority in dir, at another time.
func at(t *testing.T, dir string, when time.Time) *certs.Authority {
	t.Helper()
	a, err := certs.OpenAuthority(dir, when)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func node(t *testing.T, a *certs.Authority, name string) certs.Files {
	t.Helper()
	files, err := a.Node(name, []string{"127.0.0.1"}, year)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// keeper opens a node's files.
func keeper(t *testing.T, files certs.Files, node consensus.ServerID) *certs.Keeper {
	t.Helper()
	k, err := certs.OpenPeer(files, string(node), clock)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// secure makes cfg speak TLS, with what k has.
func (cfg *Config) secureWith(k *certs.Keeper) {
	cfg.TLS = k.Config
	cfg.Identify = func(cert *x509.Certificate) (consensus.ServerID, error) {
		name, err := certs.NameOf(cert)
		return consensus.ServerID(name.Node), err
	}
}

// signed is a certificate like no command makes one, signed by the authority in dir.
func signed(t *testing.T, dir string, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	ca, err := tls.LoadX509KeyPair(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	parent, err := x509.ParseCertificate(ca.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "strange"}, NotBefore: today.Add(-day), NotAfter: today.Add(day),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, URIs: uris("raft://test/b"),
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), ca.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func uris(texts ...string) []*url.URL {
	var all []*url.URL
	for _, text := range texts {
		u, err := url.Parse(text)
		if err != nil {
			panic(err)
		}
		all = append(all, u)
	}
	return all
}

func load(t *testing.T, files certs.Files, err error) tls.Certificate {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// rogue is a TLS end that asks nothing of the other, and shows what it is told to.
func rogue(show ...tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: show, InsecureSkipVerify: true, ClientAuth: tls.RequestClientCert}
}

// strangers are ends of connections that must not be taken for server "b" of the cluster "test", with what is to be said of each.
func strangers(t *testing.T, ca *certs.Authority, dir string) map[string]struct {
	config *tls.Config
	want   string
} {
	other, _ := authority(t)
	own := func(change func(*x509.Certificate)) *tls.Config { return rogue(signed(t, dir, change)) }
	uses := func(uses ...x509.ExtKeyUsage) *tls.Config {
		return own(func(c *x509.Certificate) { c.ExtKeyUsage = uses })
	}
	foreign := node(t, other, "b")
	client, err := ca.Client("carol", year)
	return map[string]struct {
		config *tls.Config
		want   string
	}{
		"another authority":  {rogue(load(t, foreign, nil)), "was not signed by an authority that is trusted here"},
		"expired":            {own(func(c *x509.Certificate) { c.NotAfter = today.Add(-time.Second) }), "expired on 2031-05-04 11:59:59 UTC"},
		"not yet valid":      {own(func(c *x509.Certificate) { c.NotBefore = today.Add(time.Second) }), "is not valid before 2031-05-04 12:00:01 UTC"},
		"a client's":         {rogue(load(t, client, err)), `of "CN=client carol,O=test", is a client's: nodes need one of a node`},
		"a client's by use":  {uses(x509.ExtKeyUsageClientAuth), "is a client's"},
		"a server's only":    {uses(x509.ExtKeyUsageServerAuth), "is a server's only"},
		"for nothing":        {uses(), "is for neither servers nor clients"},
		"for anything":       {uses(x509.ExtKeyUsageAny), "is for neither servers nor clients"},
		"another cluster":    {own(func(c *x509.Certificate) { c.URIs = uris("raft://prod/b") }), `is of cluster "prod", not of "test"`},
		"no name":            {own(func(c *x509.Certificate) { c.URIs = nil }), "is not a node's: it names no node"},
		"another kind of id": {own(func(c *x509.Certificate) { c.URIs = uris("spiffe://test/b") }), "it names no node"},
		"two names":          {own(func(c *x509.Certificate) { c.URIs = uris("raft://test/b", "raft://test/c") }), "must name one node"},
		"a name and more":    {own(func(c *x509.Certificate) { c.URIs = uris("raft://test/b?x=y") }), "is not raft://CLUSTER/NODE"},
		"another node's":     {own(func(c *x509.Certificate) { c.URIs = uris("raft://test/c") }), `certificate`},
	}
}

func TestStrangersAreRefusedByTheAcceptor(t *testing.T) {
	ca, dir := authority(t)
	k := keeper(t, node(t, ca, "a"), "a")
	cases := strangers(t, ca, dir)
	old := rogue(signed(t, dir, func(*x509.Certificate) {}))
	old.MaxVersion = tls.VersionTLS12
	cases["TLS 1.2"] = struct {
		config *tls.Config
		want   string
	}{old, "offers only old versions: TLS 1.3 is needed"}
	cases["no certificate"] = struct {
		config *tls.Config
		want   string
	}{rogue(), "showed no certificate"}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := startAlone(t, func(cfg *Config) { cfg.secureWith(k) })
			conn := tls.Client(s.dial(), c.config)
			stream := append(goodHello().append(nil), frame(KindRequestVote, 1, "\x94\x01\x02\x01\xc2")...)
			_, _ = conn.Write(stream) // it may be cut off before
			back := s.rest(conn)
			if name == "another node's" {
				want := `the caller calls itself "b", and its certificate is that of "c"`
				if a, err := readAnswer(strings.NewReader(string(back))); err != nil || a.accepted || a.reason != want {
					t.Errorf("answer %+v, %v", a, err)
				}
				if e := s.await(IncomingRefused); !strings.Contains(e.Reason, want) {
					t.Errorf("event %q", e)
				}
			} else {
				if e := s.await(Stranger); !strings.Contains(e.Reason, c.want) || e.Peer != "" {
					t.Errorf("event %q, want the reason %q", e, c.want)
				}
				if len(back) > 0 {
					t.Errorf("%q was answered", back)
				}
			}
			s.nothingDelivered()
		})
	}
}

// awaitFailure waits until the link to a peer fails for a reason.
func awaitFailure(t *testing.T, s *server, kind EventKind, want string) {
	t.Helper()
	if e := s.await(kind); !strings.Contains(e.Reason, want) || e.Peer != "b" {
		t.Errorf("event %q, want the reason %q", e, want)
	}
}

func TestStrangersAreRefusedByTheDialer(t *testing.T) {
	ca, dir := authority(t)
	k := keeper(t, node(t, ca, "a"), "a")
	cases := strangers(t, ca, dir)
	old := rogue(signed(t, dir, func(*x509.Certificate) {}))
	old.MaxVersion = tls.VersionTLS12
	cases["TLS 1.2"] = struct {
		config *tls.Config
		want   string
	}{old, "protocol version not supported"}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ln := listen(t)
			said := make(chan int, 1)
			go func() {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				ln.Close()
				defer conn.Close()
				heard, _ := io.ReadAll(tls.Server(conn, c.config))
				said <- len(heard)
			}()
			cfg := config("a", map[consensus.ServerID]string{"b": ln.Addr().String()})
			cfg.secureWith(k)
			s := start(t, cfg, listen(t), nil)
			kind, want := DialFailed, c.want
			switch name {
			case "another node's":
				want = `the server there has the certificate of "c": check its address`
			case "TLS 1.2":
				kind = DialRefused
			}
			awaitFailure(t, s, kind, want)
			if n := <-said; n != 0 {
				t.Errorf("%d bytes were said to a stranger", n)
			}
		})
	}
}

// The certificate that the cases above spoil, and what a dialer that is refused is told.
func TestAGoodCertificateIsAccepted(t *testing.T) {
	ca, dir := authority(t)
	k := keeper(t, node(t, ca, "a"), "a")
	s := startAlone(t, func(cfg *Config) { cfg.secureWith(k) })
	conn := tls.Client(s.dial(), rogue(signed(t, dir, func(*x509.Certificate) {})))
	if _, err := conn.Write(append(goodHello().append(nil), frame(KindRequestVote, 1, "\x94\x05\x02\x01\xc2")...)); err != nil {
		t.Fatal(err)
	}
	if a, err := readAnswer(conn); err != nil || !a.accepted {
		t.Fatalf("answer %+v, %v", a, err)
	}
	if m := s.receive(); m.Head().Term != 5 || m.Head().From != "b" {
		t.Errorf("got %+v", m)
	}
	// A process that was killed says no good-bye in TLS. That is no damage.
	conn.NetConn().(*net.TCPConn).CloseWrite()
	if e := s.await(IncomingDown); e.Reason != "closed by the other end" {
		t.Errorf("event %q", e)
	}
}

// install puts the files of one directory in the place of another's.
func install(t *testing.T, from, to string, names ...string) {
	t.Helper()
	for _, name := range names {
		for _, file := range []string{name + ".pem", name + "-key.pem"} {
			if err := os.Rename(filepath.Join(from, file), filepath.Join(to, file)); err != nil && file != "ca-key.pem" {
				t.Fatal(err)
			}
		}
	}
}

// securePair is two servers that trust each other.
func securePair(t *testing.T) (a, b *server, ka, kb *certs.Keeper, dir string) {
	t.Helper()
	ca, dir := authority(t)
	ka, kb = keeper(t, node(t, ca, "a"), "a"), keeper(t, node(t, ca, "b"), "b")
	lnA, lnB := listen(t), listen(t)
	cfgA := config("a", map[consensus.ServerID]string{"b": lnB.Addr().String()})
	cfgB := config("b", map[consensus.ServerID]string{"a": lnA.Addr().String()})
	cfgA.secureWith(ka)
	cfgB.secureWith(kb)
	a, b = start(t, cfgA, lnA, nil), start(t, cfgB, lnB, nil)
	for _, s := range []*server{a, b} {
		s.await(LinkUp)
	}
	return a, b, ka, kb, dir
}

func ballot(from, to consensus.ServerID, term consensus.Term) consensus.Message {
	return &consensus.RequestVote{Header: consensus.Header{From: from, To: to, Term: term}, LastLogIndex: 1, LastLogTerm: 1}
}

func TestMessagesGoOverTLSAndLinksOutliveReload(t *testing.T) {
	a, b, ka, kb, dir := securePair(t)
	a.Send(ballot("a", "b", 7))
	if m := b.receive(); m.Head().Term != 7 {
		t.Errorf("got %+v", m)
	}
	// A new authority for both.
	replaced, next := authority(t)
	for _, name := range []string{"a", "b"} {
		node(t, replaced, name)
	}
	install(t, next, dir, "ca", "a", "b")
	for _, k := range []*certs.Keeper{ka, kb} {
		if err := k.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	b.Send(ballot("b", "a", 8))
	if m := a.receive(); m.Head().Term != 8 {
		t.Errorf("got %+v", m)
	}
	// New connections go by the new authority: what it signed comes in, and in the place of the one that stands.
	conn := tls.Client(a.dial(), rogue(signed(t, dir, func(*x509.Certificate) {})))
	if _, err := conn.Write(goodHello().append(nil)); err != nil {
		t.Fatal(err)
	}
	if answer, err := readAnswer(conn); err != nil || !answer.accepted {
		t.Fatalf("answer %+v, %v", answer, err)
	}
	if e := a.await(IncomingDown); e.Reason != errReplaced.Error() {
		t.Errorf("before that, a connection ended: %q", e)
	}
}

// A keeps the old authority, and b has the new one: each end hears why.
func TestADialerThatIsRefusedLearnsOfIt(t *testing.T) {
	ca, _ := authority(t)
	k := keeper(t, node(t, ca, "a"), "a")
	ln := listen(t)
	cfg := config("a", map[consensus.ServerID]string{"b": ln.Addr().String()})
	cfg.secureWith(k)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			server := k.Config().Clone()
			server.Certificates = []tls.Certificate{load(t, node(t, ca, "b"), nil)}
			server.VerifyConnection = func(tls.ConnectionState) error { return io.ErrNoProgress }
			_ = tls.Server(conn, server).Handshake()
			conn.Close()
			ln.Close()
		}
	}()
	s := start(t, cfg, listen(t), nil)
	awaitFailure(t, s, DialRefused, "the other end refuses the connection (tls: bad certificate); its log says why")
}

// A server with TLS and one without tell each other what is the matter.
func TestPlainMeetsTLS(t *testing.T) {
	ca, _ := authority(t)
	k := keeper(t, node(t, ca, "a"), "a")
	for _, c := range []struct {
		name         string
		secureA      bool
		dialed, came string // what b, which dials, hears, and what a says
		kind         EventKind
	}{
		{"a plain server dials one with TLS", true, "this one does not: it must be configured on all servers or on none", "a server without TLS came to the peer port, which speaks TLS only", DialRefused},
		{"a server with TLS dials a plain one", false, "TLS: closed by the other end: does it speak TLS?", "a TLS hello came to the peer port, which does not speak TLS here", DialFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := startAlone(t, func(cfg *Config) {
				if c.secureA {
					cfg.secureWith(k)
				}
			})
			cfg := config("b", map[consensus.ServerID]string{"a": a.address})
			if !c.secureA {
				cfg.secureWith(keeper(t, node(t, ca, "b"), "b"))
			}
			b := start(t, cfg, listen(t), nil)
			if e := b.await(c.kind); !strings.Contains(e.Reason, c.dialed) || e.Peer != "a" {
				t.Errorf("the dialer says %q", e)
			}
			if e := a.await(Stranger); !strings.Contains(e.Reason, c.came) {
				t.Errorf("the acceptor says %q", e)
			}
		})
	}
}

func TestWhatIsNoTLSIsNamed(t *testing.T) {
	ca, _ := authority(t)
	k := keeper(t, node(t, ca, "a"), "a")
	for stream, want := range map[string]string{
		"GET /v1/status HTTP/1.1\r\n\r\n": "an HTTP request came to the peer port",
		"garbage":                         "garbage (\"garba\") came to the peer port, which speaks TLS only",
	} {
		s := startAlone(t, func(cfg *Config) { cfg.secureWith(k) })
		s.say([]byte(stream))
		if e := s.await(Stranger); !strings.Contains(e.Reason, want) {
			t.Errorf("event %q, want the reason %q", e, want)
		}
	}
	ln := listen(t)
	go func() {
		if conn, err := ln.Accept(); err == nil {
			ln.Close()
			conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	cfg := config("a", map[consensus.ServerID]string{"b": ln.Addr().String()})
	cfg.secureWith(k)
	s := start(t, cfg, listen(t), nil)
	awaitFailure(t, s, DialFailed, "what answers there does not speak TLS: an HTTP response")
}

// Connections in the TLS handshake count as those in any handshake do: the oldest makes room.
func TestSilentConnectionsDoNotKeepSecureOnesOut(t *testing.T) {
	ca, dir := authority(t)
	k := keeper(t, node(t, ca, "a"), "a")
	s := startAlone(t, func(cfg *Config) {
		cfg.MaxConns = 4
		cfg.secureWith(k)
	})
	for range 12 {
		s.dial()
	}
	conn := tls.Client(s.dial(), rogue(signed(t, dir, func(*x509.Certificate) {})))
	if _, err := conn.Write(goodHello().append(nil)); err != nil {
		t.Fatal(err)
	}
	if a, err := readAnswer(conn); err != nil || !a.accepted {
		t.Errorf("answer %+v, %v", a, err)
	}
}

func TestTheTLSHandshakeIsWithinTheTimeOfTheHandshake(t *testing.T) {
	ca, _ := authority(t)
	k := keeper(t, node(t, ca, "a"), "a")
	synctest.Test(t, func(t *testing.T) {
		net := new(memoryNet)
		silent := net.listen("b:1") // takes the connection, and says nothing
		cfg := net.config("a", "b")
		cfg.secureWith(k)
		s := start(t, cfg, net.listen("a:1"), nil)
		held := make(chan struct{})
		go func() {
			defer close(held)
			for {
				conn, err := silent.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
			}
		}()
		began := time.Now()
		conn, err := net.dial(t.Context(), "a:1")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		ends := map[EventKind]string{}
		for range 2 {
			e := <-s.events
			ends[e.Kind] = e.Reason
		}
		if took := time.Since(began); took != 2*time.Second || ends[Stranger] != "no handshake within 2s" || !strings.Contains(ends[DialFailed], "timeout") {
			t.Errorf("after %v: %q", took, ends)
		}
		s.stop()
		silent.Close()
		<-held
	})
}

func TestTLSNeedsANameForTheOtherEnd(t *testing.T) {
	cfg := config("a", nil)
	cfg.TLS = func() *tls.Config { return nil }
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "TLS and Identify must be set together") {
		t.Errorf("error %v", err)
	}
}

var _ net.Conn = secured{}
