//go:build !linux

package wal

import (
	"errors"
	"os"
)

// allocate makes f as long as size, with room on the disk for all of it.
func allocate(f *os.File, size int64) error { return writeZeros(f, size) }

// allocateNow is for systems that have a way to do so.
func allocateNow(*os.File, int64) error { return errors.ErrUnsupported }
