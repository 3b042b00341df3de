package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/raftnode/raft/cmd/internal/storefile"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/wal"
)

// What a node remembers of the others is part of its directory: doctor refuses what the node would refuse.
func TestDoctorLooksAtWhatIsRememberedOfTheMembers(t *testing.T) {
	dir := logOf(t, "n1", inTerm(1, 1, 1, "a"))
	found, d, exit := doctorOn(t, dir)
	if f := found["members"]; f.Grade != gradeWarn || exit != exitDone || !strings.Contains(f.What, "stores.json is missing") {
		t.Errorf("without the file: %+v, exit %d, %s", f, exit, d.Verdict)
	}
	own, err := wal.Scan(dir, nil)
	if err == nil {
		err = storefile.Write(dir, own.Store, map[raft.ServerID]storefile.Member{"n2": {Store: "0123456789", Start: 4, Mark: 7}})
	}
	if err != nil {
		t.Fatal(err)
	}
	if f := doctorFinds(t, dir, "members"); f.Grade != gradeOK || f.What != "knows n2 start 4 of store 01234567" {
		t.Errorf("with it: %+v", f)
	}
	name := filepath.Join(dir, storefile.Name)
	if err := os.Chmod(name, 0o644); err != nil {
		t.Fatal(err)
	}
	if f := doctorFinds(t, dir, "permissions"); f.Grade != gradeWarn || !strings.Contains(f.What, storefile.Name) {
		t.Errorf("others may read it: %+v", f)
	}
	for _, text := range []string{"null", "{", ""} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		found, _, exit := doctorOn(t, dir)
		if f := found["members"]; f.Grade != gradeFail || exit == exitDone || f.Do == "" {
			t.Errorf("%q: %+v, exit %d", text, f, exit)
		}
	}
}

func doctorFinds(t *testing.T, dir, check string) finding {
	t.Helper()
	found, _, _ := doctorOn(t, dir)
	return found[check]
}
