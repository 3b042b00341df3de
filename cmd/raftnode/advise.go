package main

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/raftnode/raft/wal"
)

// adviseDisk adds what to do about a disk that failed, where the error, which has file and reason, is of one.
func adviseDisk(c *config, err error) error {
	const kept = "nothing that was acknowledged is lost"
	switch {
	case wal.IsNoSpace(err):
		return fmt.Errorf("%w. Free space on the file system of %s (`df %s`), outside of that directory, or give this user a larger quota, and start the node again: %s", err, c.dataDir, c.dataDir, kept)
	case errors.Is(err, syscall.EIO):
		return fmt.Errorf("%w. The disk or its file system failed: see what the kernel says (`dmesg`), then `raftctl doctor --data-dir %s`, and start the node again when the "+
			"disk is sound: %s, unless the disk has lost what it said it had", err, c.dataDir, kept)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w. The kernel may have made the file system read-only because of an error (`dmesg`): mount it for writing, and start the node again: %s", err, kept)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Errorf("%w. Let it open more files (`ulimit -n`), and start the node again: %s", err, kept)
	}
	return err
}
