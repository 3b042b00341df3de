package wal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestADirectorySaysWhoseItIs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "n1")
	if _, _, err := Identity(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that is not there: %v", err)
	}
	l, err := Open(dir, Options{Cluster: "c", Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if cluster, node, err := Identity(dir); cluster != "c" || node != "n1" || err != nil { // while it is in use
		t.Errorf("it is of cluster %q, node %q, %v", cluster, node, err)
	}
	if err := os.WriteFile(filepath.Join(dir, identityName), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Identity(dir); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a damaged identity: %v", err)
	}
}
