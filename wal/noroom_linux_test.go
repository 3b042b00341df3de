package wal

import (
	"path/filepath"
	"testing"
)

// Without a byte of room, and without a reserve, a log can still be opened: to answer reads, and to be a voter.
func TestOpenWithoutAnyRoom(t *testing.T) {
	disk := smallDisk(t, 4<<20)
	dir := filepath.Join(disk, "log")
	l := mustOpen(t, dir, testOptions)
	mustSave(t, l, story()...)
	mustClose(t, l)
	if err := fillDisk(ballastOf(dir), 0); err != nil {
		t.Fatal(err)
	}
	if space, err := SpaceOf(dir); err != nil || space.Free > 0 {
		t.Fatalf("%d bytes are free, %v", space.Free, err)
	}
	for range 2 {
		l := mustOpen(t, dir, testOptions)
		checkSaved(t, mustLoad(t, l), shadow(story()))
		mustClose(t, l)
	}
}
