package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
)

// makeDir creates dir, and what is missing above it, so that it survives a crash. The parent is fsynced
// also when dir is there, and the one above it when only the parent is: the process that made them may have been killed before it could. What is
// further up was durable before that was made.
func makeDir(dir string, syncDir func(string) error) error {
	err := os.Mkdir(dir, dirMode)
	if err == nil {
		// It may be nobody's business but root's who reads the one above: then that was not made here.
		if err := syncDir(filepath.Dir(filepath.Dir(dir))); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(filepath.Dir(dir), syncDir); err != nil {
			return err
		}
		err = os.Mkdir(dir, dirMode)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return errors.New("it is a file, and must be a directory")
	}
	return syncDir(filepath.Dir(dir))
}

// fsyncDir makes the creations, renames and removals in dir durable.
func fsyncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// writeFileAtomic puts data into the file name in dir: after a crash it is there whole, or
// what was there before.
func writeFileAtomic(dir, name string, data []byte, syncDir func(string) error) error {
	path := filepath.Join(dir, name)
	if err := writeFileSynced(path+tmpSuffix, data); err != nil {
		return err
	}
	if err := os.Rename(path+tmpSuffix, path); err != nil {
		return err
	}
	return syncDir(dir)
}

const tmpSuffix = ".tmp"

// writeFileSynced writes a file and fsyncs it, but not its directory entry.
func writeFileSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// segment is one file of the log. It is named by the 20 digits of its first record's number.
type segment struct {
	first uint64
	name  string
}

func segmentName(first uint64) string { return fmt.Sprintf("%020d", first) }

// listing is what lies in a directory, sorted out by name.
type listing struct {
	segments  []segment // ascending
	snapshots []string  // files of snapshots
	litter    []string  // temporary files that an interrupted process left
}

// listDir reads a directory. A name that tidwall/wal would take for one of its files but
// that this package never makes is refused: opening it could delete segments.
func listDir(dir string) (listing, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return listing{}, err
	}
	var l listing
	for _, e := range entries {
		name := e.Name()
		whole, isTmp := strings.CutSuffix(name, tmpSuffix)
		switch {
		case isTmp && (whole == identityName || whole == newestName || whole == incarnationName || isSnapshotName(whole)):
			l.litter = append(l.litter, name)
			continue
		case isSnapshotName(name):
			l.snapshots = append(l.snapshots, name)
			continue
		}
		if len(name) < 20 || strings.Trim(name[:20], "0123456789") != "" {
			continue
		}
		if strings.HasSuffix(name, ".TEMP") {
			l.litter = append(l.litter, name)
			continue
		}
		first, err := strconv.ParseUint(name, 10, 64)
		if err != nil || first == 0 || len(name) != 20 || !e.Type().IsRegular() {
			return listing{}, fmt.Errorf("%s looks like a part of a log, but this program did not make it: move it away", name)
		}
		l.segments = append(l.segments, segment{first: first, name: name})
	}
	slices.SortFunc(l.segments, func(a, b segment) int { return strings.Compare(a.name, b.name) })
	return l, nil
}
