package wal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// reserveName is a file that holds nothing but room: see Options.ReserveBytes.
const reserveName = "reserve"

// openRoom is more than an Open writes, and what the file systems keep books with for it. With less free, the reserve goes first.
const openRoom = 1 << 20

// reserve is the room that a log keeps back. Its methods may be called from any goroutine.
type reserve struct {
	dir  string
	want int64 // bytes; 0: none is kept
	disk *disk

	mu     sync.Mutex
	held   int64 // bytes of the file
	closed bool
}

// yield gives the reserve up if an Open has too little room without. What cannot be found out or removed is no reason not to try.
func (r *reserve) yield() {
	if space, err := r.disk.space(r.dir); err == nil && space.Free < openRoom {
		_, _ = r.release()
	}
}

// settle takes the file as it is found, or makes it if as many bytes stay free besides. That there is none is no reason not to open:
// who has to know looks at what is held.
func (r *reserve) settle(above int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, err := r.size()
	switch {
	case err != nil, found == 0 && r.want == 0:
	case r.want == 0:
		_ = r.remove()
	default:
		r.held = min(found, r.want)
		space, err := r.disk.space(r.dir)
		if found >= r.want || err == nil && space.Free-(r.want-found) >= max(above, openRoom) {
			_ = r.make()
		}
	}
}

// size is that of the file; 0 if there is none.
func (r *reserve) size() (int64, error) {
	info, err := os.Lstat(filepath.Join(r.dir, reserveName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, fmt.Errorf("%s is no file: move it away", reserveName)
	}
	return info.Size(), nil
}

// make makes the file, or sees to it that the one that is there has all its room: a copy of it may be hollow. It needs r.mu.
func (r *reserve) make() (err error) {
	if _, err := r.size(); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(r.dir, reserveName), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return err
	}
	err = f.Truncate(min(r.want, sizeOf(f)))
	if err == nil {
		err = r.disk.allocate(f, r.want)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = r.disk.syncDir(r.dir)
	}
	if err != nil {
		return errors.Join(err, r.remove()) // a part of it helps nobody, and the others lack it
	}
	r.held = r.want
	return nil
}

func sizeOf(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// writeZeros makes f as long as size, for file systems that cannot be asked for room.
func writeZeros(f *os.File, size int64) error {
	zeros := make([]byte, 1<<20)
	for at := sizeOf(f); at < size; at += int64(len(zeros)) {
		if _, err := f.WriteAt(zeros[:min(int64(len(zeros)), size-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// release gives the room back and tells how much that was. No fsync makes it durable: a reserve that comes back is taken, or given up again.
func (r *reserve) release() (bytes int64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if bytes, err = r.size(); err != nil || bytes == 0 {
		return 0, err
	}
	return bytes, r.remove()
}

// remove needs r.mu.
func (r *reserve) remove() error {
	r.held = 0
	if err := r.disk.remove(filepath.Join(r.dir, reserveName)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (r *reserve) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
}

// ReserveBytes is the room that is kept back at present. It may be called from any goroutine, and so may the following.
func (l *Log) ReserveBytes() int64 {
	l.reserve.mu.Lock()
	defer l.reserve.mu.Unlock()
	return l.reserve.held
}

// ReleaseReserve gives the room back that is kept, for a disk that is nearly full, and tells how much that was.
func (l *Log) ReleaseReserve() (bytes int64, err error) {
	if bytes, err = l.reserve.release(); err != nil {
		return 0, fmt.Errorf("wal: release the reserve: %w", err)
	}
	return bytes, nil
}

// RestoreReserve takes the room again, all of Options.ReserveBytes. An error is not final, and leaves no part of it.
func (l *Log) RestoreReserve() error {
	r := &l.reserve
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return errors.New("wal: restore the reserve: the log is closed")
	case r.want == 0:
		return nil
	}
	if err := r.make(); err != nil {
		return fmt.Errorf("wal: restore the reserve: %w", err)
	}
	return nil
}
