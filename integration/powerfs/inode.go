//go:build linux

package powerfs

import (
	"maps"
	"slices"
)

// sectorBytes is what a disk writes as a whole or not at all.
const sectorBytes = 512

// inode is a file or a directory, as programs see it and as the disk has it.
type inode struct {
	id    uint64
	isDir bool

	data    []byte  // of a file
	onDisk  []byte  // what the last fsync found
	dirty   []int64 // sectors written since, in the order of the writes
	entries map[string]*inode
	durable map[string]*inode // what the last fsync of the directory found
	pending []change          // of entries, since
}

// change is one step of a directory: a creation, a removal, or a rename, which is both at once.
type change struct {
	removed string
	added   string
	inode   *inode
}

func (c change) apply(entries map[string]*inode) {
	delete(entries, c.removed)
	if c.added != "" {
		entries[c.added] = c.inode
	}
}

func (n *inode) change(c change) {
	c.apply(n.entries)
	n.pending = append(n.pending, c)
}

func (n *inode) write(data []byte, at int64) {
	end := at + int64(len(data))
	from := min(at, int64(len(n.data))) // a hole is written as zeros
	if end > int64(len(n.data)) {
		n.data = append(n.data, make([]byte, end-int64(len(n.data)))...)
	}
	copy(n.data[at:], data)
	n.touch(from, end)
}

func (n *inode) touch(from, to int64) {
	for sector := from / sectorBytes; sector*sectorBytes < to; sector++ {
		n.dirty = append(n.dirty, sector)
	}
}

func (n *inode) truncate(size int64) {
	old := int64(len(n.data))
	if size > old {
		n.data = append(n.data, make([]byte, size-old)...)
	}
	n.data = n.data[:size:size]
	n.touch(min(size, old), max(size, old))
}

// sync makes all of it durable.
func (n *inode) sync() {
	if n.isDir {
		n.durable, n.pending = maps.Clone(n.entries), nil
		return
	}
	size := min(len(n.onDisk), len(n.data))
	n.onDisk = append(n.onDisk[:size], make([]byte, len(n.data)-size)...)
	for _, sector := range n.dirty {
		n.flush(n.onDisk, sector)
	}
	n.dirty = nil
}

// flush copies one sector to the disk, as far as both have it.
func (n *inode) flush(disk []byte, sector int64) {
	from := sector * sectorBytes
	if from < int64(len(disk)) && from < int64(len(n.data)) {
		copy(disk[from:min(from+sectorBytes, int64(len(disk)))], n.data[from:])
	}
}

// failedSync is an fsync that failed: what was dirty counts as clean and was not written.
func (n *inode) failedSync() {
	if !n.isDir {
		n.dirty = nil
	}
}

// survivor is what a loss of power leaves of a file.
func (n *inode) survivor(loss Loss) []byte {
	size := int64(len(n.onDisk))
	if now := int64(len(n.data)); len(n.dirty) > 0 && now != size {
		low, high := min(now, size), max(now, size)
		size = loss.size(low, high, size)
	}
	disk := append(slices.Clone(n.onDisk), make([]byte, max(0, size-int64(len(n.onDisk))))...)[:size]
	for _, sector := range loss.sectors(n.dirty) {
		n.flush(disk, sector)
	}
	return disk
}

// survivors is what a loss of power leaves of a directory's entries.
func (n *inode) survivors(loss Loss) map[string]*inode {
	entries := maps.Clone(n.durable)
	for _, c := range loss.changes(n.pending) {
		c.apply(entries)
	}
	return entries
}
