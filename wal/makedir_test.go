package wal

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Who is stopped while it makes the directory may have made some of those above, with no fsync yet: the next one does it. It did not, for
// the one above a directory that it made itself, and a power cut later took the whole log.
func TestEachDirectoryThatWasMadeIsFsyncedIntoTheOneAbove(t *testing.T) {
	for stop := 1; ; stop++ {
		top := t.TempDir()
		dir := filepath.Join(top, "a", "b", "c")
		durable := map[string]bool{} // directories whose entry a fsync made durable
		fsynced := 0
		sync := func(failAt int) func(string) error {
			return func(parent string) error {
				if fsynced++; fsynced == failAt {
					return errDisk
				}
				list, err := os.ReadDir(parent)
				for _, e := range list {
					durable[filepath.Join(parent, e.Name())] = true
				}
				return err
			}
		}
		first := makeDir(dir, sync(stop))
		if err := makeDir(dir, sync(0)); err != nil {
			t.Fatal(err)
		}
		for d := dir; d != top; d = filepath.Dir(d) {
			if !durable[d] {
				t.Errorf("stopped at fsync %d: the entry of %s was never fsynced", stop, d)
			}
		}
		if first == nil {
			return
		}
	}
}

// A directory that its owner may not read, as in a shared home, is no reason not to make one below.
func TestADirectoryAboveThatMayNotBeRead(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "n1")
	var asked []string
	err := makeDir(dir, func(parent string) error {
		asked = append(asked, parent)
		if parent != top {
			return &fs.PathError{Op: "open", Path: parent, Err: fs.ErrPermission}
		}
		return nil
	})
	if err != nil || !slices.Contains(asked, top) || len(asked) != 2 {
		t.Errorf("it asked for fsyncs of %v: %v", asked, err)
	}
	if err := makeDir(filepath.Join(top, "n2"), func(string) error { return errDisk }); !errors.Is(err, errDisk) {
		t.Errorf("a failed fsync of it: %v", err)
	}
}
