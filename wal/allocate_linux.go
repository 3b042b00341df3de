package wal

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// allocateNow makes f as long as size, if the file system can do so without writing that.
func allocateNow(f *os.File, size int64) error {
	return os.NewSyscallError("fallocate", unix.Fallocate(int(f.Fd()), 0, 0, size))
}

// allocate makes f as long as size, with room on the disk for all of it.
func allocate(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
			return writeZeros(f, size)
		case err != nil:
			return os.NewSyscallError("fallocate", err)
		default:
			return nil
		}
	}
}
