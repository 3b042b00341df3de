//go:build linux

package powerfs

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// FS is the file system. All of its methods may be called from any goroutine.
type FS struct {
	fuse.RawFileSystem // says that it cannot, for all that is not here

	mu      sync.Mutex
	inodes  map[uint64]*inode
	listed  map[uint64][]fuse.DirEntry // by handle
	next    uint64
	changes int // so far, of any kind
	cutAt   int // the one at which the power fails; 0: none
	failAt  int // the one that fails; 0: none
	failure fuse.Status
	down    bool
	faulted bool          // since the power is on
	hang    chan struct{} // not nil: no fsync returns until it is closed
}

// New makes an empty one.
func New() *FS {
	f := &FS{RawFileSystem: fuse.NewDefaultRawFileSystem(), inodes: map[uint64]*inode{}, listed: map[uint64][]fuse.DirEntry{}}
	root := f.add(true)
	if root.id != fuse.FUSE_ROOT_ID {
		panic("powerfs: the root has another number than the kernel expects")
	}
	return f
}

func (f *FS) add(isDir bool) *inode {
	f.next++
	n := &inode{id: f.next, isDir: isDir}
	if isDir {
		n.entries, n.durable = map[string]*inode{}, map[string]*inode{}
	}
	f.inodes[n.id] = n
	return n
}

// Mount shows it at dir, which exists. unmount ends that, also if files are still open.
func (f *FS) Mount(dir string) (unmount func() error, err error) {
	server, err := fuse.NewServer(f, dir, &fuse.MountOptions{FsName: "powerfs", Name: "powerfs", DirectMount: true, DisableReadDirPlus: true, MaxWrite: 64 << 10})
	if err != nil {
		return nil, fmt.Errorf("powerfs: mount: %w", err)
	}
	go server.Serve()
	if err := server.WaitMount(); err != nil {
		return nil, fmt.Errorf("powerfs: mount: %w", err)
	}
	return func() error {
		err := syscall.Unmount(dir, syscall.MNT_DETACH)
		if errors.Is(err, syscall.EPERM) {
			err = server.Unmount()
		}
		return err
	}, nil
}

// CutAt lets the power fail at the n-th change from now on: a write then gets no further than half of its bytes, anything else
// does not happen, and neither does what follows, until PowerLoss. 0: it does not fail.
func (f *FS) CutAt(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cutAt = 0
	if n > 0 {
		f.cutAt = f.changes + n
	}
}

// FailAt lets the n-th change from now on fail with an error, and only that one: a write gets no further than half of its bytes, an
// fsync counts what was dirty as clean, anything else does not happen. 0: none fails.
func (f *FS) FailAt(n int, failure syscall.Errno) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failAt, f.failure, f.faulted = 0, fuse.Status(failure), false
	if n > 0 {
		f.failAt = f.changes + n
	}
}

// Hang lets each fsync from now on wait until goOn is called, as on a disk that does not answer. All else goes on.
func (f *FS) Hang() (goOn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	hang := make(chan struct{})
	f.hang = hang
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.hang == hang {
			f.hang = nil
			close(hang)
		}
	}
}

// answers waits while fsyncs hang; false if the caller was killed, or got a signal, meanwhile.
func (f *FS) answers(cancel <-chan struct{}) bool {
	f.mu.Lock()
	hang := f.hang
	f.mu.Unlock()
	if hang == nil {
		return true
	}
	select {
	case <-hang:
		return true
	case <-cancel:
		return false
	}
}

// Changes is how many there were.
func (f *FS) Changes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changes
}

// Faulted tells whether anything was cut or has failed, since the last PowerLoss or FailAt.
func (f *FS) Faulted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.faulted
}

// Down tells whether the power has failed.
func (f *FS) Down() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.down
}

// PowerLoss forgets what was not fsynced, as far as the loss says, and the power is back. Who still has a file open gets EIO for ever.
func (f *FS) PowerLoss(loss Loss) {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.inodes[fuse.FUSE_ROOT_ID]
	clear(f.inodes)
	root := f.restore(old, loss)
	delete(f.inodes, root.id)
	root.id = fuse.FUSE_ROOT_ID
	f.inodes[root.id] = root
	f.down, f.faulted, f.cutAt, f.failAt = false, false, 0, 0
}

func (f *FS) restore(old *inode, loss Loss) *inode {
	n := f.add(old.isDir)
	if !n.isDir {
		n.data = old.survivor(loss)
		n.onDisk = append([]byte(nil), n.data...)
		return n
	}
	for name, child := range old.survivors(loss) {
		n.entries[name] = f.restore(child, loss)
	}
	n.durable = maps.Clone(n.entries)
	return n
}

// change begins one, of the inode with this number. doIt tells whether it may happen; half, whether a half of it does.
func (f *FS) change(id uint64) (n *inode, doIt, half bool, status fuse.Status) {
	n = f.inodes[id]
	if f.down || n == nil {
		return nil, false, false, fuse.EIO
	}
	f.changes++
	switch f.changes {
	case f.cutAt:
		f.down, f.faulted = true, true
		return n, false, true, fuse.EIO
	case f.failAt:
		f.faulted = true
		return n, false, true, f.failure
	}
	return n, true, false, fuse.OK
}

// look gives what a call that changes nothing asks about.
func (f *FS) look(id uint64) (*inode, fuse.Status) {
	n := f.inodes[id]
	if f.down || n == nil {
		return nil, fuse.EIO
	}
	return n, fuse.OK
}
