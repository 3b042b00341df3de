package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// fileSystems are those that have a name here. In memory are those where to sync is to do nothing.
var fileSystems = map[int64]struct {
	name     string
	inMemory bool
}{
	0x01021994: {"tmpfs", true},
	0x858458f6: {"ramfs", true},
	0xef53:     {"ext4", false}, // or its forerunners
	0x58465342: {"xfs", false},
	0x9123683e: {"btrfs", false},
	0x2fc12fc1: {"zfs", false},
	0x794c7630: {"overlayfs", false},
	0xf2f52010: {"f2fs", false},
}

// DiskFacts is what a directory's disk does.
type DiskFacts struct {
	FileSystem string        `json:"file_system"`
	SyncP50    time.Duration `json:"sync_p50_ns"` // to append 256 bytes and fdatasync, in an otherwise idle moment
	SyncP99    time.Duration `json:"sync_p99_ns"`
}

// tooFast is below what any disk needs: a sync that is faster does nothing.
const tooFast = 10 * time.Microsecond

// Disk measures the directory's disk. It is an error if there is none.
func Disk(dir string) (DiskFacts, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return DiskFacts{}, fmt.Errorf("cluster: file system of %s: %w", dir, err)
	}
	kind, known := fileSystems[int64(uint32(stat.Type))]
	if !known {
		kind.name = fmt.Sprintf("%#x", uint32(stat.Type))
	}
	if kind.inMemory {
		return DiskFacts{}, fmt.Errorf("cluster: %s is on %s, which is in memory: to sync costs nothing there, and nothing would be measured; give a directory on a disk", dir, kind.name)
	}
	facts := DiskFacts{FileSystem: kind.name}
	took, err := syncs(dir, 500)
	if err != nil {
		return facts, fmt.Errorf("cluster: sync in %s: %w", dir, err)
	}
	facts.SyncP50, facts.SyncP99 = took[len(took)/2], took[len(took)*99/100]
	if facts.SyncP50 < tooFast {
		return facts, fmt.Errorf("cluster: an fdatasync in %s takes %s: this disk does not sync, and nothing would be measured; give a directory on another", dir, facts.SyncP50)
	}
	return facts, nil
}

// syncs gives how long each of n appends with fdatasync took, sorted.
func syncs(dir string, n int) ([]time.Duration, error) {
	path := filepath.Join(dir, "sync-probe")
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(path) }()
	defer file.Close()
	took := make([]time.Duration, n)
	for i := range took {
		began := time.Now()
		if _, err := file.Write(make([]byte, 256)); err != nil {
			return nil, err
		}
		if err := syscall.Fdatasync(int(file.Fd())); err != nil {
			return nil, err
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took, nil
}
