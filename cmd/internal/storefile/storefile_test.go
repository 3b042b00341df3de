package storefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft"
)

func written(t *testing.T) (dir string, text []byte) {
	t.Helper()
	dir = t.TempDir()
	members := map[raft.ServerID]Member{"n2": {Store: "abc", Start: 3, Mark: 0xfffffffe}, "n3": {Store: "def", Start: 1<<64 - 1, Mark: 0}}
	if err := Write(dir, "own", members); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(dir, "own"); err != nil || !reflect.DeepEqual(got, members) {
		t.Fatalf("read %v, %v", got, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, Name))
	if err != nil {
		t.Fatal(err)
	}
	return dir, text
}

// No bit of the file can be flipped, no part of it be cut off or zeroed, unnoticed.
func TestTortureOfTheStoresFile(t *testing.T) {
	dir, text := written(t)
	tried := 0
	refused := func(what string, at int, damaged []byte) {
		t.Helper()
		tried++
		if err := os.WriteFile(filepath.Join(dir, Name), damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(dir, "own"); err == nil {
			t.Errorf("%s at %d: read as %v", what, at, got)
		}
	}
	for i := range text {
		for bit := range 8 {
			damaged := append([]byte(nil), text...)
			damaged[i] ^= 1 << bit
			refused("bit", i, damaged)
		}
		refused("cut", i, text[:i])
		refused("zeros from", i, append(append([]byte(nil), text[:i]...), make([]byte, len(text)-i)...))
	}
	for _, whole := range []string{"", "null", "{}", "[]", "null\n", string(text) + "\n"} {
		refused(whole, 0, []byte(whole))
	}
	report(t, tried, "damaged files of the members' stores, all refused")
}

// report says what was tried in the test's log, and in the file of `make torture`.
func report(t *testing.T, tried int, what string) {
	t.Helper()
	if t.Failed() {
		what += ": FAILED"
	}
	line := fmt.Sprintf("%6d %s", tried, what)
	t.Log(line)
	name := os.Getenv("TORTURE_REPORT")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintln(f, line)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Error(err)
	}
}

func TestTheFileOfAnotherStoreIsNone(t *testing.T) {
	dir, _ := written(t)
	if _, err := Read(dir, "other"); err == nil || !strings.Contains(err.Error(), "written for store own, and this is store other") {
		t.Errorf("got %v", err)
	}
	if _, err := Read(t.TempDir(), "own"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
}

func TestEntriesThatAreNotWhole(t *testing.T) {
	for _, m := range []Member{{Start: 1}, {Store: "x"}} {
		dir := t.TempDir()
		if err := Write(dir, "own", map[raft.ServerID]Member{"n2": m}); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(dir, "own"); err == nil || !strings.Contains(err.Error(), "not whole") {
			t.Errorf("%v: %v", m, err)
		}
	}
}
