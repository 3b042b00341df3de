package client

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/raftnode/raft/kv/api"
)

// secureNode answers each write as a node does, over TLS. It counts what it reads.
func secureNode(t *testing.T, auth tls.ClientAuthType) (addr string, known *tls.Config, asked *int) {
	t.Helper()
	asked = new(int)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		*asked++
		w.Header().Set(api.HeaderTerm, "2")
		_, _ = w.Write([]byte(`{"index":17,"term":2}`))
	}))
	s.TLS = &tls.Config{ClientAuth: auth}
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.Listener.Addr().String(), &tls.Config{RootCAs: roots}, asked
}

func TestWithTLSAnEndpointIsHTTPS(t *testing.T) {
	addr, known, _ := secureNode(t, tls.NoClientCert)
	c, err := New(Config{Endpoints: []string{addr}, TLS: known})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := c.Put(t.Context(), "k", []byte("v")); err != nil || got.Index != 17 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhoDoesNotAgreeOnTLSIsToldAndNothingIsDone(t *testing.T) {
	open, known, asked := secureNode(t, tls.NoClientCert)
	strict, knownToo, askedToo := secureNode(t, tls.RequireAnyClientCert)
	_, port, _ := net.SplitHostPort(open)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	for name, c := range map[string]struct {
		endpoint string
		tls      *tls.Config
		want     string
	}{
		"plain to TLS":   {"http://" + open, known, "the server speaks TLS: use https://"},
		"TLS to plain":   {plain.Listener.Addr().String(), known, "the server does not speak TLS: use no certificates, or http://"},
		"unknown":        {open, &tls.Config{RootCAs: x509.NewCertPool()}, "not signed by an authority that is trusted here"},
		"another host":   {"localhost:" + port, known, `is not for the host "localhost"`},
		"no certificate": {strict, knownToo, "the server wants a certificate of this client"},
	} {
		cl, err := New(Config{Endpoints: []string{c.endpoint}, TLS: c.tls})
		if err != nil {
			t.Fatal(err)
		}
		_, err = cl.Put(t.Context(), "k", []byte("v"))
		cl.Close()
		isError(t, err, api.CodeTLS, api.Rejected)
		if err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if *asked+*askedToo > 0 {
		t.Error("a request was read")
	}
}

// An endpoint that is not trusted is passed over, as one that is down is.
func TestAnotherEndpointMayAgree(t *testing.T) {
	strict, _, _ := secureNode(t, tls.RequireAnyClientCert)
	open, known, _ := secureNode(t, tls.NoClientCert)
	c, err := New(Config{Endpoints: []string{strict, open}, TLS: known})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Put(t.Context(), "k", []byte("v")); err != nil {
		t.Error(err)
	}
}
