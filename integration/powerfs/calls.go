//go:build linux

package powerfs

import (
	"maps"
	"slices"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// String names it in messages of the library.
func (f *FS) String() string { return "powerfs" }

func (n *inode) attr(out *fuse.Attr) {
	out.Ino, out.Nlink, out.Mode, out.Blksize = n.id, 1, syscall.S_IFREG|0o600, sectorBytes
	if n.isDir {
		out.Mode = syscall.S_IFDIR | 0o700
	}
	out.Size = uint64(len(n.data))
	out.Blocks = (out.Size + sectorBytes - 1) / sectorBytes
	out.Uid, out.Gid = uint32(syscall.Getuid()), uint32(syscall.Getgid())
}

// entry answers without a time for which the kernel may believe it: a loss of power changes everything.
func (n *inode) entry(out *fuse.EntryOut) {
	out.NodeId, out.Generation = n.id, 1
	n.attr(&out.Attr)
}

// Lookup finds a name in a directory.
func (f *FS) Lookup(_ <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, status := f.look(header.NodeId)
	if !status.Ok() {
		return status
	}
	child := dir.entries[name]
	if child == nil {
		return fuse.ENOENT
	}
	child.entry(out)
	return fuse.OK
}

// GetAttr is stat.
func (f *FS) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, status := f.look(in.NodeId)
	if status.Ok() {
		n.attr(&out.Attr)
	}
	return status
}

// SetAttr is truncate; all else that it could change is ignored.
func (f *FS) SetAttr(_ <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, status := f.look(in.NodeId)
	if size, ok := in.GetSize(); ok && status.Ok() {
		var doIt bool
		if n, doIt, _, status = f.change(in.NodeId); doIt {
			n.truncate(int64(size))
		}
	}
	if status.Ok() {
		n.attr(&out.Attr)
	}
	return status
}

func (f *FS) create(dir uint64, name string, isDir bool) (*inode, fuse.Status) {
	parent, doIt, _, status := f.change(dir)
	if !doIt {
		return nil, status
	}
	n := f.add(isDir)
	parent.change(change{added: name, inode: n})
	return n, fuse.OK
}

// Create makes a file and opens it.
func (f *FS) Create(_ <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, status := f.create(in.NodeId, name, false)
	if status.Ok() {
		n.entry(&out.EntryOut)
		out.OpenFlags = fuse.FOPEN_DIRECT_IO
	}
	return status
}

// Mkdir makes a directory.
func (f *FS) Mkdir(_ <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, status := f.create(in.NodeId, name, true)
	if status.Ok() {
		n.entry(out)
	}
	return status
}

// Open opens a file. The kernel keeps no pages of it: each write is seen here when it is made.
func (f *FS) Open(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, status := f.look(in.NodeId)
	out.OpenFlags = fuse.FOPEN_DIRECT_IO
	return status
}

// Read reads.
func (f *FS) Read(_ <-chan struct{}, in *fuse.ReadIn, _ []byte) (fuse.ReadResult, fuse.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, status := f.look(in.NodeId)
	if !status.Ok() {
		return nil, status
	}
	from := min(in.Offset, uint64(len(n.data)))
	to := min(from+uint64(in.Size), uint64(len(n.data)))
	return fuse.ReadResultData(slices.Clone(n.data[from:to])), fuse.OK
}

// Write writes.
func (f *FS) Write(_ <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, doIt, half, status := f.change(in.NodeId)
	switch {
	case doIt:
		n.write(data, int64(in.Offset))
		return uint32(len(data)), fuse.OK
	case half:
		n.write(data[:len(data)/2], int64(in.Offset))
	}
	return 0, status
}

// Fsync makes a file durable.
func (f *FS) Fsync(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status { return f.sync(cancel, in) }

// FsyncDir makes the entries of a directory durable.
func (f *FS) FsyncDir(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return f.sync(cancel, in)
}

func (f *FS) sync(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	if !f.answers(cancel) {
		return fuse.EINTR
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, doIt, half, status := f.change(in.NodeId)
	switch {
	case doIt:
		n.sync()
	case half && !f.down:
		n.failedSync()
	}
	return status
}

// Rename renames within one directory.
func (f *FS) Rename(_ <-chan struct{}, in *fuse.RenameIn, from, to string) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	if in.Newdir != in.NodeId {
		return fuse.Status(syscall.EXDEV)
	}
	return f.move(in.NodeId, from, to)
}

// Unlink removes a file.
func (f *FS) Unlink(_ <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.move(header.NodeId, name, "")
}

// Rmdir removes a directory.
func (f *FS) Rmdir(_ <-chan struct{}, header *fuse.InHeader, name string) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	if dir := f.inodes[header.NodeId]; dir != nil && dir.entries[name] != nil && len(dir.entries[name].entries) > 0 {
		return fuse.Status(syscall.ENOTEMPTY)
	}
	return f.move(header.NodeId, name, "")
}

func (f *FS) move(dir uint64, from, to string) fuse.Status {
	parent, doIt, _, status := f.change(dir)
	if !doIt {
		return status
	}
	n := parent.entries[from]
	if n == nil {
		return fuse.ENOENT
	}
	parent.change(change{removed: from, added: to, inode: n})
	return fuse.OK
}

// OpenDir takes down what is in a directory, so that who reads it sees one moment.
func (f *FS) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, status := f.look(in.NodeId)
	if !status.Ok() {
		return status
	}
	f.next++
	out.Fh = f.next
	list := []fuse.DirEntry{}
	for _, name := range slices.Sorted(maps.Keys(dir.entries)) {
		var attr fuse.Attr
		dir.entries[name].attr(&attr)
		list = append(list, fuse.DirEntry{Mode: attr.Mode, Name: name, Ino: attr.Ino})
	}
	f.listed[out.Fh] = list
	return fuse.OK
}

// ReadDir gives it out.
func (f *FS) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.listed[in.Fh]
	for at := min(in.Offset, uint64(len(list))); at < uint64(len(list)); at++ {
		if !out.AddDirEntry(list[at]) {
			break
		}
	}
	return fuse.OK
}

// ReleaseDir forgets it.
func (f *FS) ReleaseDir(in *fuse.ReleaseIn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.listed, in.Fh)
}

// StatFs says that there is room.
func (f *FS) StatFs(_ <-chan struct{}, _ *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	out.Bsize, out.Frsize, out.NameLen = sectorBytes, sectorBytes, 255
	out.Blocks, out.Bfree, out.Bavail = 1<<30, 1<<30, 1<<30
	return fuse.OK
}
