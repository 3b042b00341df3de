package api

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"
)

// secureServer is a server whose clients must show a certificate, if strict, and what a client needs to know it.
func secureServer(t *testing.T, strict bool) (*httptest.Server, *tls.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = nil
	s.TLS = &tls.Config{}
	if strict {
		s.TLS.ClientAuth = tls.RequireAnyClientCert
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, &tls.Config{RootCAs: roots}
}

func TestASecureRequestTellsWhetherItWasSent(t *testing.T) {
	open, known := secureServer(t, false)
	strict, knownToo := secureServer(t, true)
	for name, c := range map[string]struct {
		url    string
		config *tls.Config
		good   bool
	}{
		"agreed":                {open.URL, known, true},
		"the server is unknown": {open.URL, &tls.Config{RootCAs: x509.NewCertPool()}, false},
		// With TLS 1.3 the request is sent before that is known. It is not read.
		"no certificate is shown": {strict.URL, knownToo, false},
	} {
		s := NewSender(func() *tls.Config { return c.config })
		sent, err := get(t, s, c.url+"/")
		s.Close()
		if (err == nil) != c.good || sent != c.good {
			t.Errorf("%s: sent is %v, error %v", name, sent, err)
		}
	}
}

func TestTheNewestConfigurationIsTaken(t *testing.T) {
	server, known := secureServer(t, false)
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	s := NewSender(func() *tls.Config { return config })
	defer s.Close()
	if _, err := get(t, s, server.URL+"/"); err == nil {
		t.Fatal("a server that is not known is taken")
	}
	config = known
	if _, err := get(t, s, server.URL+"/"); err != nil {
		t.Errorf("with the new authority: %v", err)
	}
}
