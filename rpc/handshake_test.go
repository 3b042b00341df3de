package rpc

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// goodHello is what server "b" says to server "a" of cluster "test".
func goodHello() *hello {
	return &hello{
		lowest: 2, highest: highestVersion, cluster: "test", sender: "b", receiver: "a", codec: "msgpack", advertise: "b:8000",
		address: "127.0.0.1:1", incarnation: "1:00000001", codecs: "\x07msgpack",
	}
}

// startAlone runs server "a", whose peers "b" and "c" the test plays itself.
func startAlone(t *testing.T, change func(*Config)) *server {
	t.Helper()
	closed := listen(t) // nobody answers there
	closed.Close()
	cfg := config("a", map[consensus.ServerID]string{"b": closed.Addr().String(), "c": closed.Addr().String()})
	if change != nil {
		change(&cfg)
	}
	return start(t, cfg, listen(t), nil)
}

// dial opens a bare connection to s.
func (s *server) dial() net.Conn {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience()))
	return conn
}

// say sends the bytes, and gives all that comes back until the server closes the connection.
func (s *server) say(stream []byte) []byte {
	s.t.Helper()
	conn := s.dial()
	if _, err := conn.Write(stream); err != nil {
		s.t.Fatal(err)
	}
	return s.rest(conn)
}

// rest gives all that comes until the server closes the connection.
func (s *server) rest(conn io.Reader) []byte {
	s.t.Helper()
	back, err := io.ReadAll(conn)
	if errors.Is(err, os.ErrDeadlineExceeded) { // a reset, however, is as good an end as any
		inVain.Store(true)
		s.t.Errorf("the connection stays open; on it came %q", back)
	}
	return back
}

// enter opens a connection as that hello says, and expects to be accepted.
func (s *server) enter(h *hello) net.Conn {
	s.t.Helper()
	conn := s.dial()
	if _, err := conn.Write(h.append(nil)); err != nil {
		s.t.Fatal(err)
	}
	a, err := readAnswer(conn)
	if err != nil || !a.accepted {
		s.t.Fatalf("answer %+v, error %v", a, err)
	}
	return conn
}

// nothingDelivered checks that deliver was not called.
func (s *server) nothingDelivered() {
	s.t.Helper()
	select {
	case m := <-s.got:
		s.t.Errorf("%+v was delivered", m)
	default:
	}
}

func TestRefusalsEachWithItsReason(t *testing.T) {
	cases := []struct {
		name   string
		change func(h *hello)
		want   string
	}{
		{"other cluster", func(h *hello) { h.cluster = "prod" }, `this server belongs to cluster "test", not to "prod"`},
		{"no cluster", func(h *hello) { h.cluster = "" }, `not to ""`},
		{"unknown sender", func(h *hello) { h.sender = "x" }, `server "x" is not one of the peers of "a"`},
		{"no sender", func(h *hello) { h.sender = "" }, `server "" is not one of the peers`},
		{"sender is this server", func(h *hello) { h.sender = "a" }, `calls itself "a", which is this server`},
		{"other receiver", func(h *hello) { h.receiver = "c" }, `this is server "a", not "c": check the address that "b" has`},
		{"newer version", func(h *hello) { h.lowest, h.highest = 8, 9 }, fmt.Sprintf("no common protocol version: 8 to 9 there, 2 to %d here: upgrade one release at a time", highestVersion)},
		{"older version", func(h *hello) { h.lowest, h.highest = 0, 0 }, "no common protocol version: 0 to 0 there, 2 to"},
		{"no common codec", func(h *hello) { h.codecs = "\x05morse\x03tap" }, "no common codec: morse, tap there, "},
		{"a codec list that is cut", func(h *hello) { h.codecs = "\xffmsgpac" }, "no common codec: msgpac there, "},
		{"unknown codec of version 2", func(h *hello) { h.highest, h.codec, h.codecs = 2, "morse", "" }, "no common codec: morse there, "},
	}
	message := frame(KindRequestVote, 1, "\x94\x01\x02\x01\xc2")
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := startAlone(t, nil)
			h := goodHello()
			c.change(h)
			back := bytes.NewReader(s.say(h.append(nil)))
			a, err := readAnswer(back)
			if err != nil || a.accepted || !strings.Contains(a.reason, c.want) || back.Len() != 0 {
				t.Fatalf("answer %+v, error %v, %d bytes behind it; want the reason %q", a, err, back.Len(), c.want)
			}
			if e := s.await(IncomingRefused); !strings.Contains(e.Reason, c.want) {
				t.Errorf("event %q, want the reason %q", e, c.want)
			}
			s.say(append(h.append(nil), message...))
			s.nothingDelivered()
			if _, ok := s.Advertised("b"); ok {
				t.Error("what a refused server advertised was kept")
			}
		})
	}
}

// A server of the first version knew no addresses. It is told why it cannot come in, and people are told who it is.
func TestAServerOfAnotherVersionIsToldSo(t *testing.T) {
	for name, hello := range map[string][]byte{
		"no common protocol version: 1 to 1 there, 2 to": appendBlock(nil, 1, 1, "test", "b", "a", "msgpack", "b:8000", "store"),
		"no common protocol version: 6 to 7 there, 2 to": appendBlock(nil, 6, 7, "test", "b", "a", "msgpack", "b:8000", "store", "b:1", "1:00000001", "\x07msgpack", number(0), "17", "what is to come"),
	} {
		s := startAlone(t, nil)
		a, err := readAnswer(bytes.NewReader(s.say(hello)))
		if err != nil || a.accepted || !strings.HasPrefix(a.reason, name) {
			t.Errorf("answer %+v, error %v; want the reason %q", a, err, name)
		}
		if e := s.await(IncomingRefused); e.Peer != "b" || !strings.Contains(e.Reason, name) {
			t.Errorf("event %q, want the reason %q", e, name)
		}
	}
	later := appendBlock(nil, 2, 7, "test", "b", "a", "msgpack", "b:8000", "store", "b:1", "1:00000001", "\x07msgpack", number(0), "17", "what is to come")
	if a, err := readAnswer(bytes.NewReader(startAlone(t, nil).say(append(later, "nonsense, to end it"...)))); err != nil || !a.accepted || a.version != highestVersion {
		t.Errorf("answer %+v, error %v", a, err)
	}
}

// The hello that the cases above spoil, so that they fail for their reason; and what it leaves behind.
func TestAGoodHelloIsAccepted(t *testing.T) {
	s := startAlone(t, nil)
	h := goodHello()
	h.lowest, h.highest = 0, 7 // a range with this version in it
	conn := s.enter(h)
	if _, err := conn.Write(frame(KindRequestVote, 1, "\x94\x05\x02\x01\xc2")); err != nil {
		t.Fatal(err)
	}
	want := &consensus.RequestVote{
		Header: consensus.Header{From: "b", To: "a", Term: 5}, LastLogIndex: 2, LastLogTerm: 1,
	}
	if got := s.receive(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if e := s.await(IncomingUp); e.Peer != "b" {
		t.Errorf("event %q", e)
	}
	if got, ok := s.Advertised("b"); got != "b:8000" || !ok {
		t.Errorf("advertised %q, %v", got, ok)
	}
	if got, ok := s.Advertised("c"); ok {
		t.Errorf("c, which never came, advertised %q", got)
	}
}

func TestWhatIsNoHandshakeIsClosedAtOnce(t *testing.T) {
	good := goodHello().append(nil)
	reseal := func(change func(block []byte)) []byte {
		block := bytes.Clone(good[:len(good)-4])
		change(block)
		return binary.BigEndian.AppendUint32(block, crc32.Checksum(block, castagnoli))
	}
	long := goodHello()
	long.advertise = strings.Repeat("x", maxAdvertise+1)
	flipped := bytes.Clone(good)
	flipped[len(good)/2] ^= 1
	cases := []struct{ name, stream, want string }{
		{"one wrong byte", "x", `garbage ("x") came to the peer port`},
		{"right, then wrong", magic[:3] + "x", "garbage"},
		{"an escape sequence", "\x1b[2J", `garbage ("\x1b[2J")`},
		{"zeros", strings.Repeat("\x00", 100), "garbage"},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "an HTTP request came to the peer port; the client port is a:8000"},
		{"an HTTP response", "HTTP/1.1 400 Bad Request\r\n\r\n", "an HTTP response came"},
		{"a flipped bit", string(flipped), "the handshake does not match its checksum"},
		{"a body over the limit", magic + "\x01\x01\xff\xff", "a handshake of 65535 bytes is over the limit"},
		{"a field over its limit", string(long.append(nil)), "field 5 of the handshake has 1025 bytes, over the limit of 1024"},
		{"a field over the body", string(reseal(func(b []byte) { b[blockHead+1] = 200 })), "field 1 of the handshake has 200 bytes, but only"},
		{"a number cut short", string(appendBlock(nil, 1, highestVersion, "test", "b", "a", "json", "", "", "", "", "", "1234", "")), "a number of 4 bytes"},
		{"too few fields", string(appendBlock(nil, 1, highestVersion, "test", "b")), "the handshake ends before its field 3"},
		{"too many fields", string(appendBlock(nil, highestVersion, highestVersion, "test", "b", "a", "json", "", "", "", "", "", "", "", "?")), "has 3 bytes behind its last field"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := startAlone(t, func(cfg *Config) { cfg.Advertise = "a:8000" })
			if back := s.say([]byte(c.stream)); len(back) != 0 {
				t.Errorf("answered %q", back)
			}
			if e := s.await(Stranger); !strings.Contains(e.Reason, c.want) || e.Peer != "" {
				t.Errorf("event %q, want the reason %q", e, c.want)
			}
			s.nothingDelivered()
		})
	}
}

func TestAnHTTPClientIsToldOfOnce(t *testing.T) {
	s := startAlone(t, func(cfg *Config) { cfg.Advertise = "127.0.0.1:8001" })
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 3 {
		if r, err := client.Get("http://" + s.address + "/v1/status"); err == nil {
			t.Errorf("answered %v", r.Status)
			r.Body.Close()
		}
	}
	e := s.await(Stranger)
	if want := "an HTTP request came to the peer port; the client port is 127.0.0.1:8001"; e.Reason != want {
		t.Errorf("reason %q, want %q", e.Reason, want)
	}
	s.say([]byte("x")) // what is told of it comes behind what would be told of them
	if e := s.await(Stranger); !strings.Contains(e.Reason, "garbage") || e.Count != 3 {
		t.Errorf("told again: %q", e)
	}
}

func TestATLSClientIsNamed(t *testing.T) {
	s := startAlone(t, nil)
	if conn, err := tls.Dial("tcp", s.address, &tls.Config{InsecureSkipVerify: true}); err == nil {
		conn.Close()
		t.Error("TLS was spoken")
	}
	if e := s.await(Stranger); !strings.Contains(e.Reason, "a TLS hello came to the peer port") {
		t.Errorf("event %q", e)
	}
}

func TestAConnectionThatSaysNothingIsNoNews(t *testing.T) {
	s := startAlone(t, nil)
	s.dial().Close()
	if e := s.await(Stranger); e.Reason != "handshake: closed by the other end" {
		t.Errorf("event %q", e)
	}
}

// The dialer, too, looks at whom it reached.
func TestTheDialerJudgesTheAnswer(t *testing.T) {
	yes := func(change func(a *answer)) []byte {
		a := &answer{accepted: true, version: highestVersion, cluster: "test", server: "b", codec: "json", maxFrame: 1 << 20}
		change(a)
		return a.append(nil)
	}
	cases := []struct {
		name   string
		answer []byte
		kind   EventKind
		want   string
	}{
		{"other cluster", yes(func(a *answer) { a.cluster = "prod" }), DialFailed, `the server there belongs to cluster "prod", not to "test"`},
		{"other server", yes(func(a *answer) { a.server = "c" }), DialFailed, `the server there is "c"`},
		{"codec not offered", yes(func(a *answer) { a.codec = "morse" }), DialFailed, `it chose codec "morse", which was not offered`},
		{"version not offered", yes(func(a *answer) { a.version = 9 }), DialFailed, "it chose protocol version 9, which was not offered"},
		{"hardly any frame", yes(func(a *answer) { a.maxFrame = 1<<10 - 1 }), DialFailed, "it takes frames of no more than 1023 bytes"},
		{"neither yes nor no", appendBlock(nil, 7, 2, "test", "b", "", "", ""), DialFailed, "neither yes nor no"},
		{"refusal", yes(func(a *answer) { a.accepted, a.reason = false, "bad\x1b[2Jmood" }), DialRefused, "bad?[2Jmood"},
		{"an HTTP server", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), DialFailed, "an HTTP response came in place of a handshake"},
		{"cut short", yes(func(*answer) {})[:20], DialFailed, "in the middle"},
		{"nothing", nil, DialFailed, "closed by the other end"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ln := listen(t)
			asked := make(chan *hello, 100)
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for {
					conn, err := ln.Accept()
					if err != nil {
						return
					}
					if h, err := readHello(conn); err == nil {
						asked <- h
					}
					conn.Write(c.answer)
					conn.Close()
				}
			}()
			cfg := config("a", map[consensus.ServerID]string{"b": ln.Addr().String()})
			cfg.Advertise, cfg.Codec = "a:8000", "json"
			s := start(t, cfg, listen(t), nil)
			e := s.await(c.kind)
			s.stop()
			ln.Close()
			<-ended
			if !strings.Contains(e.Reason, c.want) || e.Peer != "b" {
				t.Errorf("event %q, want the reason %q", e, c.want)
			}
			want := &hello{lowest: 2, highest: highestVersion, cluster: "test", sender: "a", receiver: "b", codec: "json", advertise: "a:8000", codecs: joinCodecs("json"), features: featuresOfThis}
			if h := <-asked; !reflect.DeepEqual(h, want) {
				t.Errorf("hello %+v, want %+v", h, want)
			}
		})
	}
}

func TestAHandshakeCutAnywhereIsNone(t *testing.T) {
	good := goodHello().append(nil)
	for n := range good {
		if h, err := readHello(bytes.NewReader(good[:n])); err == nil {
			t.Errorf("cut at %d it is %+v", n, h)
		}
	}
	for bit := range 8 * len(good) {
		flipped := bytes.Clone(good)
		flipped[bit/8] ^= 1 << (bit % 8)
		if h, err := readHello(bytes.NewReader(flipped)); err == nil {
			t.Errorf("with bit %d flipped it is %+v", bit, h)
		}
	}
	if _, err := readHello(iotest.OneByteReader(bytes.NewReader(good))); err != nil {
		t.Errorf("byte by byte: %v", err)
	}
}

// The names in a refusal are bounded, so the reason is.
func TestALongReasonIsCut(t *testing.T) {
	a := &answer{reason: strings.Repeat("x", 2*maxReason)}
	got, err := readAnswer(bytes.NewReader(a.append(nil)))
	if err != nil || len(got.reason) != maxReason {
		t.Errorf("reason of %d bytes, error %v", len(got.reason), err)
	}
}

// Earlier versions take blocks of 4 KiB, so no more is written. Later ones may write more, and are understood all the same.
func TestBlocksLeaveRoomForLaterVersions(t *testing.T) {
	for name, limits := range map[string][]int{"hello": helloLimits, "answer": answerLimits} {
		var fields []string
		for _, limit := range limits {
			fields = append(fields, strings.Repeat("x", limit))
		}
		if written := len(appendBlock(nil, 2, highestVersion, fields...)) - blockHead - 4; written > 4<<10 {
			t.Errorf("a %s has up to %d bytes", name, written)
		}
	}
	known := []string{"test", "b", "a", "msgpack", "b:8000", "store", "b:1", "1:00000001", "\x07msgpack", number(0), "17"}
	if _, err := readHello(bytes.NewReader(appendBlock(nil, 2, 7, append(known, strings.Repeat("x", 7<<10))...))); err != nil {
		t.Error(err)
	}
	if _, err := readHello(bytes.NewReader(appendBlock(nil, 2, 7, append(known, strings.Repeat("x", 8<<10))...))); err == nil || !strings.Contains(err.Error(), "over the limit of 8192") {
		t.Errorf("error %v", err)
	}
}
