package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

func init() { scripts["fill"], scripts["files"] = scriptFill, scriptFiles }

// smallDisk is a file system of so many bytes.
func smallDisk(t *testing.T, size int) string {
	t.Helper()
	if testing.Short() {
		t.Skip("mounts a file system")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		skip(t, "no tmpfs may be mounted here: root is needed", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

var fillOptions = Options{Cluster: "c1", Node: "n1", SegmentBytes: 64 << 10, ReserveBytes: 200_000}

// fillVariable says how many bytes scriptFill leaves.
const fillVariable = "WAL_TEST_CHILD_LEAVES"

// scriptFill fills the disk once the log is open, but for some bytes, and then saves what the child of TestKill saves, until that fails.
func scriptFill(dir string) error {
	round, err := strconv.ParseUint(os.Getenv(killRoundVariable), 10, 64)
	if err != nil {
		return err
	}
	l, err := Open(dir, fillOptions)
	if err != nil {
		return err
	}
	saved, err := l.Load()
	if err != nil {
		return err
	}
	leave, err := strconv.Atoi(os.Getenv(fillVariable))
	if err != nil {
		return err
	}
	if err := fillDisk(ballastOf(dir), leave); err != nil {
		return err
	}
	for i, save := range lifeOf(round, saved) {
		if save.Snapshot != nil && i%2 == 0 {
			if err := l.PrepareSnapshot(save.Snapshot); err != nil {
				fmt.Fprintln(os.Stderr, "this may fail:", err)
			}
		}
		if err := l.Save([]consensus.Save{save}); err != nil {
			return err
		}
		fmt.Println("acked", i)
	}
	return l.Close()
}

// A disk is filled and freed, again and again. A process that finds no room says so and ends; the next one starts with the reserve's
// room; and with more of it again, all is there that was acknowledged.
func TestTortureFullDisk(t *testing.T) {
	cycles, least := 12, 4 // as many must find no room
	if torture() {
		cycles, least = 150, 100
	}
	disk := smallDisk(t, 4<<20)
	dir := filepath.Join(disk, "log")
	random := rand.New(rand.NewPCG(8, 9))
	var state consensus.Saved
	var count tally
	full := 0
	defer func() {
		count.report(t, fmt.Sprintf("times a disk was filled and freed, ENOSPC ended %d of the processes", full))
	}()
	for round := range uint64(cycles) {
		t.Setenv(fillVariable, fmt.Sprint(random.IntN(1+random.IntN(200_000))))
		t.Setenv(killRoundVariable, fmt.Sprint(round))
		acked, err := runScript(dir, "fill")
		if err != nil {
			full++
			checkNoRoom(t, err)
			if _, err := runScript(dir, "recover"); err != nil { // with what the reserve gives back
				count.failedStarts++
				t.Fatalf("round %d: a full disk keeps the log from opening: %v", round, err)
			}
		}
		if err := os.Remove(ballastOf(dir)); err != nil {
			t.Fatal(err)
		}
		count.faults++
		count.acknowledged += len(acked)
		l, err := Open(dir, fillOptions)
		if err != nil {
			count.failedStarts++
			t.Fatalf("round %d: open, with room again: %v", round, err)
		}
		got := mustLoad(t, l)
		if l.ReserveBytes() == 0 {
			t.Errorf("round %d: there is room, and no reserve", round)
		}
		if _, found := prefixOfLife(got, state, lifeOf(round, state), len(acked)); !found {
			count.blame(got, onTop(state, lifeOf(round, state)[:len(acked)]))
			t.Fatalf("round %d, %d Saves acknowledged: got %s", round, len(acked), brief(got))
		}
		state = got
		mustClose(t, l)
	}
	if full < least {
		t.Errorf("only %d processes found no room, want %d", full, least)
	}
}

// ballastOf is what fills the disk beside the log in dir.
func ballastOf(dir string) string { return filepath.Join(filepath.Dir(dir), "ballast") }

// fillDisk leaves so many bytes.
func fillDisk(ballast string, leave int) error {
	space, err := SpaceOf(filepath.Dir(ballast))
	if err != nil {
		return err
	}
	return os.WriteFile(ballast, make([]byte, max(0, int(space.Free)-leave)), fileMode)
}

// checkNoRoom checks that a process ended well, or because there was no room, and said so.
func checkNoRoom(t *testing.T, err error) {
	t.Helper()
	if err != nil && (!strings.HasPrefix(err.Error(), "exit status 1") || !strings.Contains(err.Error(), "no space left on device")) {
		t.Fatalf("it ended with %v", err)
	}
}

// manySaves begin segments again and again, and remove them.
func manySaves() []consensus.Save {
	saves := []consensus.Save{{HardState: hard(1, "n1")}}
	for last := consensus.Index(0); len(saves) < 200; last += 40 {
		saves = append(saves, consensus.Save{Entries: entries(last+1, 1, 40), Commit: last})
		if len(saves)%10 == 0 {
			saves = append(saves, consensus.Save{Snapshot: snapshotAt(last+20, 1), Base: position(last-50, 1)})
		}
	}
	return saves
}

// scriptFiles saves with no more than 64 files, and at the end with none.
func scriptFiles(dir string) error {
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}); err != nil {
		return err
	}
	l, err := Open(dir, testOptions)
	if err != nil {
		return err
	}
	before, err := os.ReadDir("/dev/fd")
	if err != nil {
		return err
	}
	for i, save := range manySaves() {
		if i == 150 {
			after, err := os.ReadDir("/dev/fd")
			if err != nil || len(after) > len(before) {
				return fmt.Errorf("%d files are open, %d were: %w", len(after), len(before), err)
			}
			for err == nil {
				_, err = syscall.Open("/dev/null", syscall.O_RDONLY, 0)
			}
			if !errors.Is(err, syscall.EMFILE) {
				return err
			}
		}
		if err := l.Save([]consensus.Save{save}); err != nil {
			return err
		}
		fmt.Println("acked", i)
	}
	return l.Close()
}

// With few file descriptors the log goes on, and holds no more of them the longer it runs; with none left, the Save that needs one fails, and nothing is lost.
func TestTortureFewFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a process")
	}
	dir := t.TempDir()
	acked, err := runScript(dir, "files")
	if err == nil || !strings.Contains(err.Error(), "too many open files") || len(acked) < 150 {
		t.Errorf("%d Saves were acknowledged, and then: %v", len(acked), err)
	}
	var count tally
	count.judge(t, "out of files", dir, manySaves(), len(acked))
	count.report(t, "process with 64 files, and then none")
}
