package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/wal"
)

// checkModes finds who else could read or write the files, or why their owner could not.
func checkModes(dir string) finding {
	f := finding{Check: "permissions", Grade: gradeOK}
	info, err := os.Stat(dir)
	var files []fs.FileInfo
	if err == nil {
		files, err = findLogFiles(dir)
	}
	if err != nil {
		f.Grade, f.What, f.Do = gradeWarn, err.Error(), asOwner
		return f
	}
	owner := ownerOf(info)
	var open, shut, others []string
	for _, file := range append(files, info) {
		name, mode, needed := file.Name(), file.Mode().Perm(), fs.FileMode(0o600)
		if file.IsDir() {
			name, needed = dir, 0o700
		}
		if mode&0o077 != 0 {
			open = append(open, fmt.Sprintf("%s (%04o)", name, mode))
		}
		if mode&needed != needed {
			shut = append(shut, fmt.Sprintf("%s (%04o)", name, mode))
		}
		if ownerOf(file) != owner {
			others = append(others, name)
		}
	}
	const modes = "give the directory mode 0700, and the files in it 0600"
	switch f.Grade = gradeWarn; {
	case len(shut) > 0:
		f.What, f.Do = fmt.Sprintf("the owner itself cannot read and write %s", someOf(shut)), modes
	case len(others) > 0:
		f.What = fmt.Sprintf("the directory is user %d's, and %s not", owner, someOf(others))
		f.Do = "a node must have all of it: give all to the user that it runs as (chown -R)"
	case len(open) > 0:
		f.What, f.Do = fmt.Sprintf("others than the owner can get at %s", someOf(open)), modes
	default:
		f.Grade, f.What = gradeOK, fmt.Sprintf("all is user %d's, and nobody else's", owner)
	}
	return f
}

// ownerOf is the user id; 0 where the system does not tell.
func ownerOf(info fs.FileInfo) uint32 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Uid
	}
	return 0
}

// A disk with less than both is nearly full, as for a node that is not told otherwise: see --low-space of raftnode.
const (
	leastFreeBytes = 256 << 20
	leastFreeShare = 20 // one in so many
)

func checkSpace(dir string, reserve int64) finding {
	space, err := wal.SpaceOf(dir)
	if err != nil {
		return finding{Check: "space", Grade: gradeWarn, What: err.Error(), Do: "see how full the disk is yourself"}
	}
	return judgeSpace(space, reserve)
}

// judgeSpace warns before the disk is full, since then a node takes no writes, and in the end stops.
func judgeSpace(space wal.Space, reserve int64) finding {
	f := finding{Check: "space", Grade: gradeOK, What: fmt.Sprintf("%s free of %s", api.Size(space.Free), api.Size(space.Size))}
	if reserve > 0 {
		f.What += fmt.Sprintf(", and a reserve of %s", api.Size(reserve))
	}
	if space.Free < min(leastFreeBytes, space.Size/leastFreeShare) {
		f.Grade = gradeWarn
		f.Do = "make room, outside of this directory: with less than its --low-space a node takes no writes, and without any it stops. `raftctl snapshot` shortens logs, " +
			"but needs room for the snapshot first"
	}
	return f
}

const (
	fsyncs      = 16
	fsyncBytes  = 4 << 10
	slowFsync   = 20 * time.Millisecond
	fsyncPrefix = "doctor-"
)

func checkFsync(dir string, write bool) finding {
	if !write {
		return finding{Check: "fsync", Grade: gradeSkip, What: "not measured, since nothing may be written"}
	}
	times, err := measureFsync(dir)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return finding{Check: "fsync", Grade: gradeSkip, What: fmt.Sprintf("not measured: %v", err)}
	}
	if err != nil {
		return finding{Check: "fsync", Grade: gradeWarn, What: err.Error(), Do: "a node stops at the first such error: see to the disk"}
	}
	return judgeFsync(times)
}

// measureFsync does what a Save does, on a file of its own, and takes that away again.
func measureFsync(dir string) (times []time.Duration, err error) {
	f, err := os.CreateTemp(dir, fsyncPrefix+"*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, fsyncBytes)
	for range fsyncs {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	return times, nil
}

// judgeFsync warns when writes wait for the disk: each write of a client waits for at least two disks, one after the other or at once.
func judgeFsync(times []time.Duration) finding {
	slices.Sort(times)
	median, most := times[len(times)/2], times[len(times)-1]
	f := finding{Check: "fsync", Grade: gradeOK, What: fmt.Sprintf("median %s, most %s, of %d writes of %d KiB each with its fsync",
		median.Round(time.Microsecond), most.Round(time.Microsecond), len(times), fsyncBytes>>10)}
	if median > slowFsync {
		f.Grade = gradeWarn
		f.Do = fmt.Sprintf("more than %s: every write waits for this. Give the node a faster disk, or one of its own, and an --election-timeout far above it", slowFsync)
	}
	return f
}
