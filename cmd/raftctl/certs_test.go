package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// certsCtl runs a command and gives its exit code and what it printed.
func certsCtl(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, talk strings.Builder
	code = run(t.Context(), args, strings.NewReader(""), &out, &talk)
	return code, out.String(), talk.String()
}

func TestCertsMakeShowAndDoNotOverwrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "my certs")
	code, out, talk := certsCtl(t, "certs", "init", "--dir", dir, "--cluster", "demo", "--nodes", "n1=127.0.0.1,n2=db2.example+10.0.0.2")
	if code != 0 || !strings.Contains(out, "--peer-tls-cert '"+dir+"/n1.pem' --peer-tls-key") || !strings.Contains(out, "export RAFTCTL_TLS_CA='"+dir+"/ca.pem'") {
		t.Fatalf("exit %d: %s%s", code, out, talk)
	}
	for file, want := range map[string]string{
		"n2.pem": `hosts     ["127.0.0.1" "10.0.0.2" "localhost" "db2.example"]`, "n1.pem": "raft://demo/n1", "client.pem": "a client", "ca.pem": "an authority",
	} {
		if code, out, talk := certsCtl(t, "certs", "show", filepath.Join(dir, file)); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%s: exit %d: %s%s", file, code, out, talk)
		}
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "ca.pem")); err != nil { // all or nothing, whatever is missing
		t.Fatal(err)
	}
	code, _, talk = certsCtl(t, "certs", "init", "--dir", dir, "--cluster", "demo", "--nodes", "n3=127.0.0.1")
	after, err := os.ReadDir(dir)
	if code != exitNotDone || !strings.Contains(talk, "is there already, and is not overwritten") || err != nil || len(after) != len(before)-1 {
		t.Errorf("exit %d: %s; %d files, and there were %d", code, talk, len(after), len(before))
	}
}

func TestCertsForOneMore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	if code, _, talk := certsCtl(t, "certs", "node", "n4=127.0.0.1", "--dir", dir); code != exitNotDone || !strings.Contains(talk, "raftctl certs init") {
		t.Errorf("without an authority: exit %d: %s", code, talk)
	}
	if code, _, talk := certsCtl(t, "certs", "init", "--dir", dir, "--cluster", "demo", "--nodes", "n1=127.0.0.1"); code != 0 {
		t.Fatal(talk)
	}
	if code, out, talk := certsCtl(t, "certs", "node", "n4=127.0.0.1", "--dir", dir); code != 0 || !strings.Contains(out, "node n4 of cluster demo") {
		t.Errorf("exit %d: %s%s", code, out, talk)
	}
	if code, out, talk := certsCtl(t, "certs", "client", "backup", "--dir", dir); code != 0 || !strings.Contains(out, "backup-key.pem") {
		t.Errorf("exit %d: %s%s", code, out, talk)
	}
}

func TestCertsRefuseNonsense(t *testing.T) {
	for want, args := range map[string]string{
		"--cluster: the name":      "init --nodes n1=h",
		"no node is named":         "init --cluster demo",
		"is not ID=HOST":           "init --cluster demo --nodes n1",
		"is no host":               "init --cluster demo --nodes n1=h:7001",
		"is named twice":           "init --cluster demo --nodes n1=h,n1=g",
		"the name of another file": "init --cluster demo --nodes ca=h",
		"--days 0":                 "init --cluster demo --nodes n1=h --days 0",
		"the name \"a/b\"":         "client a/b",
	} {
		args := append([]string{"certs"}, strings.Fields(args)...)
		code, _, talk := certsCtl(t, append(args, "--dir", filepath.Join(t.TempDir(), "certs"))...)
		if code != exitUsage || !strings.Contains(talk, want) {
			t.Errorf("%q: exit %d: %s", args, code, talk)
		}
	}
}

func TestTLSFlagsAndTheirEnvironment(t *testing.T) {
	t.Setenv("RAFTCTL_TLS_CA", filepath.Join(t.TempDir(), "none.pem"))
	if code, _, talk := certsCtl(t, "get", "k"); code != exitUsage || !strings.Contains(talk, "none.pem: there is no such file") {
		t.Errorf("exit %d: %s", code, talk)
	}
	t.Setenv("RAFTCTL_TLS_CA", "")
	if code, _, talk := certsCtl(t, "--tls-cert", "x", "get", "k"); code != exitUsage || !strings.Contains(talk, "must be given together") {
		t.Errorf("exit %d: %s", code, talk)
	}
}
