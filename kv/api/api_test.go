package api

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAProblemIsWhole(t *testing.T) {
	for code, status := range statusOf {
		p := NewProblem(code, "because of %d", 7)
		if p.Status != status || p.Title == "" || p.Detail != "because of 7" || p.Error() != p.Detail || p.Type != "urn:raftnode:problem:"+string(code) {
			t.Errorf("%s: %+v", code, p)
		}
		unknown := code == CodeUnknown || code == CodeSessionUnknown || code == CodeSessionStale || code == CodeInternal
		if (p.Outcome == Unknown) != unknown {
			t.Errorf("%s has the outcome %s", code, p.Outcome)
		}
	}
	if p := NewProblem("made-up", ""); p.Status != http.StatusInternalServerError {
		t.Errorf("a code without a status has %d", p.Status)
	}
}

func TestSizes(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1 << 10: "1.0 KiB", 3 << 19: "1.5 MiB", 64 << 20: "64.0 MiB", 5 << 30: "5.0 GiB", 1 << 52: "4096.0 TiB"} {
		if got := Size(bytes); got != want {
			t.Errorf("%d bytes are %s, want %s", bytes, got, want)
		}
	}
}

func TestAKeyOfAnyBytesPassesThroughJSON(t *testing.T) {
	for _, key := range []ListedKey{{Key: "ä/b"}, {KeyBytes: []byte("\xff\x00")}} {
		text, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		var back ListedKey
		if err := json.Unmarshal(text, &back); err != nil || back.Name() != key.Name() {
			t.Errorf("%q came back as %q: %v", key.Name(), back.Name(), err)
		}
	}
}

func get(t *testing.T, s *Sender, url string) (sent bool, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, sent, err := s.Do(req)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return sent, err
}

func TestASenderKnowsWhatItSent(t *testing.T) {
	s := NewSender(nil)
	defer s.Close()
	answering := httptest.NewServer(http.RedirectHandler("/elsewhere", http.StatusFound))
	defer answering.Close()
	for range 3 {
		if sent, err := get(t, s, answering.URL); err != nil || !sent {
			t.Errorf("a request that was answered: sent %v, %v", sent, err)
		}
	}
	dropping := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer dropping.Close()
	if sent, err := get(t, s, dropping.URL); err == nil || !sent {
		t.Errorf("a request that was dropped: sent %v, %v", sent, err)
	}
	dropping.Close()
	if sent, err := get(t, s, dropping.URL); err == nil || sent {
		t.Errorf("a request to nobody: sent %v, %v", sent, err)
	}
}

// Once a request is said not to be sent, no byte of it leaves, whatever the transport does next.
func TestASealedConnectionWritesNothing(t *testing.T) {
	near, far := net.Pipe()
	far.Close() // a write would return at once, with another error
	conn := &watchedConn{Conn: near}
	var w watch
	w.got(conn)
	if w.seal() {
		t.Error("nothing was written, but it is said so")
	}
	if n, err := conn.Write([]byte("late")); n != 0 || !errors.Is(err, errSealed) {
		t.Errorf("a sealed connection wrote %d bytes: %v", n, err)
	}

	near.Close()
	near, far = net.Pipe()
	defer near.Close()
	defer far.Close()
	conn = &watchedConn{Conn: near}
	var reading sync.WaitGroup
	reading.Go(func() { io.ReadFull(far, make([]byte, len("before it"))) })
	conn.Write([]byte("before")) // of an earlier request on the same connection
	w = watch{}
	w.got(conn)
	conn.Write([]byte(" it"))
	reading.Wait()
	if !w.seal() {
		t.Error("it was written, but that is denied")
	}
	w = watch{}
	w.got(near)
	if !w.seal() {
		t.Error("of a connection that cannot be watched, all must be assumed")
	}
}
