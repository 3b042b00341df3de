package main

import (
	"fmt"
	"os"
	"syscall"
)

// chunkBytes is what is allocated at once: within it fdatasync has no size of the file to write.
const chunkBytes = 64 << 20

// disk is an append-only file.
type disk struct {
	file      *os.File
	end       int64
	allocated int64
}

func create(path string) (*disk, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &disk{file: file}, nil
}

// append returns when the bytes are on disk.
func (d *disk) append(b []byte) error {
	for d.end+int64(len(b)) > d.allocated {
		if err := syscall.Fallocate(int(d.file.Fd()), 0, d.allocated, chunkBytes); err != nil {
			return fmt.Errorf("allocate: %w", err)
		}
		d.allocated += chunkBytes
	}
	if _, err := d.file.WriteAt(b, d.end); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	d.end += int64(len(b))
	if err := syscall.Fdatasync(int(d.file.Fd())); err != nil {
		return fmt.Errorf("fdatasync: %w", err)
	}
	return nil
}
