package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/raftnode/raft/raft/consensus"
)

// DamageError says that a file is not as this package left it, or is gone.
type DamageError struct {
	File     string // its name in the directory
	Offset   int64  // where it is wrong; -1 if there is no such file
	Expected string // what belongs there, or says that the file was there
	Found    string // what is there instead, as a clause; empty if there is no such file
}

func (e *DamageError) Error() string {
	if e.Offset < 0 {
		return fmt.Sprintf("%s is missing, and it was there once: %s", e.what(), e.Expected)
	}
	return fmt.Sprintf("%s at offset %d: expected %s, but %s", e.what(), e.Offset, e.Expected, e.Found)
}

func (e *DamageError) what() string {
	switch {
	case isSnapshotName(e.File):
		return "snapshot file " + e.File
	case strings.Trim(e.File, "0123456789") == "":
		return "segment file " + e.File
	}
	return "the file " + e.File
}

// missing says that a file is gone, and why that is known.
func missing(file, why string) *DamageError {
	return &DamageError{File: file, Offset: -1, Expected: why}
}

// SnapshotError says that the log's records are good, but the snapshot that they name cannot be used.
type SnapshotError struct{ err error }

func (e *SnapshotError) Error() string { return e.err.Error() }
func (e *SnapshotError) Unwrap() error { return e.err }

// OwnerError says that the directory is not the one of this node of this cluster.
type OwnerError struct {
	Cluster string // whose it is, as Node
	Node    consensus.ServerID
	text    string
}

func (e *OwnerError) Error() string { return e.text + "; " + neverEmpty }

// neverEmpty stands in each advice that somebody could follow by giving a node an empty directory.
const neverEmpty = "a node that ran before must never come back empty under its old id: it would vote twice and miss what it acknowledged"

// advise adds to the reason why dir was refused what its operator can do.
func advise(dir string, err error) error {
	var damage *DamageError
	var failed *fs.PathError
	look := fmt.Sprintf("`raftctl doctor --data-dir %s` looks closer and says what to do", dir)
	switch {
	case !errors.As(err, &damage) && errors.As(err, &failed) && failed.Op == "read":
		return fmt.Errorf("the disk does not give back what is on it, and nothing was changed: %w. %s", err, look)
	case damage == nil:
		return err
	case damage.File == identityName:
		return fmt.Errorf("the directory is damaged, and nothing was changed: %w. That file never changes: restore it, a copy of it from a backup of this directory is good, "+
			"and only of this file. %s. Without one, this node must not take part again with what is left; %s", err, look, neverEmpty)
	}
	return fmt.Errorf("the log is damaged, and nothing was changed: %w. Do not delete single files. %s; "+
		"if the disk cannot give it back, this node must not take part again with what is left", err, look)
}
