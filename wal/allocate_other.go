//go:build !linux

package wal

import "os"

// allocate makes f as long as size, with room on the disk for all of it.
func allocate(f *os.File, size int64) error { return writeZeros(f, size) }
