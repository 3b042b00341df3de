package main

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/rpc/certs"
)

var then = time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)

// madeCerts is a directory with certificates for n1 and n2, valid for so many days from then.
func madeCerts(t *testing.T, days int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "certs")
	ca, err := certs.NewAuthority(dir, "demo", then, 10*365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"n1", "n2"} {
		if _, err := ca.Node(id, []string{"127.0.0.1"}, time.Duration(days)*24*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTLSFilesGoTogether(t *testing.T) {
	for args, want := range map[string]string{
		"--peer-tls-cert=x":                                  "--peer-tls-cert is given, but not --peer-tls-key, --peer-tls-ca: they go together",
		"--peer-tls-cert=x --peer-tls-key=y":                 "--peer-tls-cert, --peer-tls-key is given, but not --peer-tls-ca",
		"--peer-tls-ca=x":                                    "--peer-tls-ca is given, but not --peer-tls-cert, --peer-tls-key",
		"--client-tls-key=x":                                 "--client-tls-key is given, but not --client-tls-cert",
		"--client-tls-ca=x":                                  "--client-tls-ca is given, but not --client-tls-cert, --client-tls-key",
		"--client-tls-cert=x --client-tls-key=y":             "",
		"--peer-tls-cert=x --peer-tls-key=y --peer-tls-ca=z": "",
	} {
		_, wrong := resolved(t, good(strings.Fields(args)...), nil)
		if got := strings.Join(wrong, "\n"); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", args, got, want)
		}
	}
}

func TestANodeDoesNotStartWithAnothersCertificate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	ca, err := certs.NewAuthority(dir, "demo", time.Now(), 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	files, err := ca.Node("n2", []string{"127.0.0.1"}, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	p := begin(t, alone(filepath.Join(t.TempDir(), "n1"), "--peer-tls-cert", files.Cert, "--peer-tls-key", files.Key, "--peer-tls-ca", files.CA)...)
	if got := p.end(t, exitFailed); !strings.Contains(got, `is the certificate of node "n2", and this is node "n1": give each node its own`) {
		t.Errorf("it says %q", got)
	}
}

// Whatever was wrong with a key or an authority was said of the certificate.
func TestWhatIsWrongWithAFileIsSaidOfItsFlag(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	ca, err := certs.NewAuthority(dir, "demo", time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	good, err := ca.Node("n1", []string{"127.0.0.1"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, files := range map[string]certs.Files{
		"-cert: none: there is no such file":     {Cert: "none", Key: good.Key, CA: good.CA},
		"-key: none: there is no such file":      {Cert: good.Cert, Key: "none", CA: good.CA},
		"-ca: none: there is no such file":       {Cert: good.Cert, Key: good.Key, CA: "none"},
		"-ca: " + empty + " has no cert":         {Cert: good.Cert, Key: good.Key, CA: empty},
		"-cert: " + good.CA + " and " + good.Key: {Cert: good.CA, Key: good.Key, CA: good.CA},
	} {
		for prefix, c := range map[string]config{"--peer-tls": {id: "n1", peerTLS: files}, "--client-tls": {id: "n1", clientTLS: files}} {
			if _, err := openSecrets(hclog.NewNullLogger(), &c); err == nil || !strings.HasPrefix(err.Error(), prefix+want) {
				t.Errorf("%v, want %s", err, prefix+want)
			}
		}
	}
}

func TestReloadTellsAndKeeps(t *testing.T) {
	dir := madeCerts(t, 400)
	var out bytes.Buffer
	now := then
	s := &secrets{log: hclog.New(&hclog.LoggerOptions{Output: &out}), now: func() time.Time { return now }, told: map[string]warned{}}
	files := certs.CertFiles(dir, "n1")
	var err error
	if s.peers, err = certs.OpenPeer(files, "n1", s.now); err != nil {
		t.Fatal(err)
	}
	s.warn()
	if strings.Contains(out.String(), "expires in") {
		t.Errorf("400 days ahead it warns: %s", out.String())
	}
	for _, step := range []struct {
		day  float64
		want string // "": nothing new
	}{
		{370.5, "expires in 29 days"},
		{370.6, ""},
		{371, ""},
		{371.1, "expires in 28 days"},
		{399.1, "expires in 21 hours"},
		{399.11, ""},
		{399.2, "expires in 19 hours"},
		{400, "expired on"},
		{400.9, ""},
		{401, "expired on"},
	} {
		out.Reset()
		now = then.Add(time.Duration(step.day * float64(24*time.Hour)))
		s.warn()
		if got := out.String(); step.want == "" && got != "" || !strings.Contains(got, step.want) {
			t.Errorf("after %v days it says %q, want %q", step.day, got, step.want)
		}
	}
	now = then.Add(395 * 24 * time.Hour)
	s.warn()
	out.Reset()
	s.reload() // asked to read it again, it says it again
	if strings.Count(out.String(), "expires in 5 days") != 1 {
		t.Errorf("when it is read again it says %s", out.String())
	}
	s.warn()
	if got := s.certificates(); len(got) != 1 || got[0].Use != "members" || got[0].DaysLeft != 5 || !strings.Contains(got[0].Warning, "in 5 days") || !got[0].NotAfter.Equal(then.Add(400*24*time.Hour)) {
		t.Errorf("the status says %+v", got)
	}
	before := s.peers.Config()
	if err := os.WriteFile(files.Cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.reload()
	if !strings.Contains(out.String(), "cannot be taken: what was there before stays in use") || s.peers.Config() != before {
		t.Errorf("after a broken file: %s", out.String())
	}
}

func TestCertificatesTakeTheWarningAway(t *testing.T) {
	tls, all := certs.Files{Cert: "c", Key: "k"}, certs.Files{Cert: "c", Key: "k", CA: "a"}
	for _, c := range []struct {
		config       config
		peer, client bool
	}{{config{}, false, false}, {config{peerTLS: all, clientTLS: tls}, true, false}, {config{peerTLS: all, clientTLS: all}, true, true}} {
		if p, cl := c.config.peerGuard(), c.config.clientGuard(); p.proof != c.peer || cl.proof != c.client {
			t.Errorf("%+v: peers prove who they are: %v, clients: %v", c.config, p.proof, cl.proof)
		}
	}
}

func TestIdentifyGivesTheNode(t *testing.T) {
	dir := madeCerts(t, 40)
	all, err := certs.ReadCertificates(certs.CertFiles(dir, "n2").Cert)
	if err != nil {
		t.Fatal(err)
	}
	s := &secrets{peers: new(certs.Keeper)}
	if id, err := s.identify()(all[0]); err != nil || id != "n2" {
		t.Errorf("%q, %v", id, err)
	}
	if _, err := s.identify()(new(x509.Certificate)); err == nil {
		t.Error("a certificate without a name has one")
	}
}
