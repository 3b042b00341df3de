package certs

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var today = time.Date(2031, 5, 4, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return today }

func made(t *testing.T) (*Authority, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "certs")
	a, err := NewAuthority(dir, "demo", today, 3650*day)
	if err != nil {
		t.Fatal(err)
	}
	return a, dir
}

func nodeOf(t *testing.T, a *Authority, id string) Files {
	t.Helper()
	files, err := a.Node(id, []string{"127.0.0.1", "db.example"}, 90*day)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestFilesAreSecretAndNeverOverwritten(t *testing.T) {
	a, dir := made(t)
	files := nodeOf(t, a, "n1")
	for _, key := range []string{files.Key, filepath.Join(dir, authorityKey)} {
		if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", key, info.Mode(), err)
		}
	}
	before, err := os.ReadFile(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Node("n1", nil, day); err == nil || !strings.Contains(err.Error(), "is there already, and is not overwritten") {
		t.Errorf("error %v", err)
	}
	if _, err := NewAuthority(dir, "demo", today, day); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("error %v", err)
	}
	if after, err := os.ReadFile(files.Key); err != nil || string(after) != string(before) {
		t.Errorf("the key was exchanged, %v", err)
	}
	if again, err := OpenAuthority(dir, today); err != nil || again.Cluster() != "demo" {
		t.Errorf("the authority is of %q, %v", again.Cluster(), err)
	}
}

func TestANodesOwnFilesMustBeGood(t *testing.T) {
	a, dir := made(t)
	files := nodeOf(t, a, "n1")
	other, _ := made(t)
	foreign := nodeOf(t, other, "n1")
	client, err := a.Client("carol", day)
	if err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "open.pem")
	text, err := os.ReadFile(files.Key)
	if err == nil {
		err = os.WriteFile(open, text, 0o644)
	}
	if err == nil {
		err = os.Chmod(open, 0o644) // whatever the umask is
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files Files
		now   time.Time
		want  string
	}{
		"good":                {files, today, ""},
		"not there":           {Files{files.Cert, filepath.Join(dir, "no.pem"), files.CA}, today, "no such file"},
		"no key":              {Files{files.Cert, files.Cert, files.CA}, today, "chmod 600"},
		"another's key":       {Files{files.Cert, client.Key, files.CA}, today, "are not a certificate in PEM and its key"},
		"a key open to all":   {Files{files.Cert, open, files.CA}, today, "is open to everybody on this machine: chmod 600"},
		"no authority":        {Files{files.Cert, files.Key, files.Cert}, today, "which is no authority: is it the right file?"},
		"no PEM":              {Files{files.Cert, files.Key, files.Key}, today, "has no certificate in PEM"},
		"another's authority": {Files{files.Cert, files.Key, foreign.CA}, today, "was not signed by an authority that is trusted here"},
		"expired":             {files, today.Add(91 * day), "expired on 2031-08-02 12:00:00 UTC, and here it is 2031-08-03"},
		"not yet valid":       {files, today.Add(-2 * time.Hour), "is not valid before 2031-05-04 11:00:00 UTC"},
		"a client's":          {client, today, "is a client's"},
	} {
		k, err := OpenPeer(c.files, "n1", func() time.Time { return c.now })
		switch {
		case c.want == "" && (err != nil || k.Name() != Name{"demo", "n1"}):
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	if _, err := OpenPeer(files, "n2", clock); err == nil || !strings.Contains(err.Error(), `is the certificate of node "n1", and this is node "n2"`) {
		t.Errorf("another node's: %v", err)
	}
}

func TestAServersFilesMustBeGood(t *testing.T) {
	a, _ := made(t)
	files := nodeOf(t, a, "n1")
	client, err := a.Client("carol", day)
	if err != nil {
		t.Fatal(err)
	}
	hostless, err := a.Node("n2", nil, day)
	if err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]struct {
		files Files
		now   time.Time
	}{
		"is not for servers":     {client, today},
		"expired on":             {files, today.Add(91 * day)},
		"is not valid before":    {files, today.Add(-day)},
		"names no host":          {hostless, today},
		"must be given together": {Files{Cert: files.Cert}, today},
		"which is no authority":  {Files{files.Cert, files.Key, files.Cert}, today},
	} {
		if _, err := OpenServer(c.files, "", func() time.Time { return c.now }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// replace puts one file in the place of another, as those who renew certificates do.
func replace(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestReloadKeepsWhatWasGood(t *testing.T) {
	a, dir := made(t)
	files := nodeOf(t, a, "n1")
	k, err := OpenPeer(files, "n1", clock)
	if err != nil {
		t.Fatal(err)
	}
	before := k.Config()
	mixed, _ := made(t)
	replace(t, nodeOf(t, mixed, "n1").Cert, files.Cert) // without its key
	if err := k.Reload(); err == nil || k.Config() != before {
		t.Errorf("error %v, and the configuration is another", err)
	}
	otherDir := filepath.Join(t.TempDir(), "prod")
	prod, err := NewAuthority(otherDir, "prod", today, 365*day)
	if err != nil {
		t.Fatal(err)
	}
	next := nodeOf(t, prod, "n1")
	replace(t, next.Cert, files.Cert)
	replace(t, next.Key, files.Key)
	replace(t, next.CA, files.CA)
	if err := k.Reload(); err == nil || !strings.Contains(err.Error(), "cannot become another") || k.Config() != before {
		t.Errorf("of another cluster: error %v", err)
	}
	again, err := NewAuthority(filepath.Join(dir, "again"), "demo", today, 365*day)
	if err != nil {
		t.Fatal(err)
	}
	next = nodeOf(t, again, "n1")
	replace(t, next.Cert, files.Cert)
	replace(t, next.Key, files.Key)
	replace(t, next.CA, files.CA)
	if err := k.Reload(); err != nil || k.Config() == before {
		t.Errorf("good files: error %v, or the configuration is the old one", err)
	}
}

// shake does a TLS handshake between a server and a client, and gives what each says of it. A server that refuses is heard of when the client reads.
func shake(t *testing.T, server, client *tls.Config) (atServer, atClient error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ended := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err == nil {
			defer conn.Close()
			secured := tls.Server(conn, server)
			if err = secured.Handshake(); err == nil {
				_, err = secured.Write([]byte("."))
			}
		}
		ended <- err
	}()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client = client.Clone()
	client.ServerName, client.Time = "127.0.0.1", clock
	_, atClient = io.ReadFull(tls.Client(conn, client), make([]byte, 1))
	return <-ended, atClient
}

func TestClientsAndServersKnowEachOther(t *testing.T) {
	a, _ := made(t)
	files := nodeOf(t, a, "n1")
	carol, err := a.Client("carol", day)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := made(t)
	mallory, err := other.Client("mallory", day)
	if err != nil {
		t.Fatal(err)
	}
	strict, err := OpenServer(files, "", clock)
	if err != nil {
		t.Fatal(err)
	}
	open, err := OpenServer(Files{Cert: files.Cert, Key: files.Key}, files.CA, clock)
	if err != nil {
		t.Fatal(err)
	}
	client := func(files Files) *tls.Config {
		config, err := ClientConfig(files)
		if err != nil {
			t.Fatal(err)
		}
		return config
	}
	for name, c := range map[string]struct {
		server *Keeper
		client *tls.Config
		want   string // "" if they agree
	}{
		"known":                              {strict, client(carol), ""},
		"another node":                       {strict, strict.DialConfig(), ""},
		"no certificate":                     {strict, client(Files{CA: files.CA}), "certificate required"},
		"of another authority":               {strict, client(Files{mallory.Cert, mallory.Key, files.CA}), "unknown certificate authority"},
		"no certificate asked":               {open, client(Files{CA: files.CA}), ""},
		"another node, no certificate asked": {open, open.DialConfig(), ""},
		"the server is not trusted":          {open, client(Files{CA: mallory.CA}), "signed by unknown authority"},
		"the system is trusted":              {open, client(Files{}), "signed by unknown authority"},
	} {
		_, err := shake(t, c.server.Listen(), c.client)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := ClientConfig(Files{Cert: "x"}); err == nil {
		t.Error("a certificate without a key is taken")
	}
}

func TestWarningsOfExpiry(t *testing.T) {
	a, _ := made(t)
	for _, c := range []struct {
		valid, left time.Duration
		want        string
		days        int
	}{
		{730 * day, 31 * day, "", 31},
		{730 * day, 30*day - 1, "expires in 29 days, on 2033-05-03", 29},
		{730 * day, 2 * day, "expires in 2 days", 2},
		{730 * day, 2*day - 1, "expires in 47 hours", 1},
		{730 * day, 0, "expired on 2033-05-03", -1},
		{730 * day, -10 * day, "expired on 2033-05-03", -1},
		{90 * day, 10 * day, "", 10}, // a tenth of its time
		{90 * day, 9 * day, "expires in 9 days, on 2031-08-02", 9},
		{day, 3 * time.Hour, "", 0},
		{day, 2 * time.Hour, "expires in 2 hours", 0},
	} {
		now := today
		files, err := a.Node("n1", []string{"127.0.0.1"}, c.valid)
		if err != nil {
			t.Fatal(err)
		}
		peer, err := OpenPeer(files, "n1", func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		server, err := OpenServer(files, "", func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		now = today.Add(c.valid - c.left)
		for _, k := range []*Keeper{peer, server} {
			if got := k.Warning(); c.want == "" && got != "" || !strings.Contains(got, c.want) || k.DaysLeft() != c.days {
				t.Errorf("of %v, with %v left: %q and %d days, want %q and %d", c.valid, c.left, got, k.DaysLeft(), c.want, c.days)
			}
		}
		if err := errors.Join(os.Remove(files.Cert), os.Remove(files.Key)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestACertificateInWords(t *testing.T) {
	a, dir := made(t)
	nodeOf(t, a, "n1")
	if _, err := a.Client("carol", day); err != nil {
		t.Fatal(err)
	}
	for name, wants := range map[string][]string{
		"n1":    {"node n1 of cluster demo", "raft://demo/n1", `"127.0.0.1" "db.example"`, "90 more days"},
		"carol": {"a client: nodes refuse it among themselves", "1 more day"},
		"ca":    {"an authority"},
	} {
		all, err := ReadCertificates(filepath.Join(dir, name+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		text := Describe(all[0], today.Add(time.Minute))
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing in\n%s", name, want, text)
			}
		}
	}
}

func TestWordsInNames(t *testing.T) {
	for word, good := range map[string]bool{
		"n1": true, "a-b_c.d": true, "": false, ".": false, "..": false, "a/b": false, "a b": false, "a..b": false, "ä": false, strings.Repeat("x", 257): false,
	} {
		if err := CheckWord(word); (err == nil) != good {
			t.Errorf("%q: %v", word, err)
		}
	}
}
