package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const lockName = "LOCK"

// lockDir takes the directory for this process until the file is closed. The kernel lets go of it when the
// process ends, however that happens.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("it is in use by %s: stop that first; %s", lockHolder(f), neverEmpty)
		}
		return nil, fmt.Errorf("lock %s: %w", lockName, err)
	}
	return f, nil
}

// signLock writes the process id into the file, for people.
func signLock(f *os.File) error {
	// Over what stands there: on a full disk there is no room for it anywhere else.
	_, err := f.WriteAt(fmt.Appendf(nil, "%-20d\n", os.Getpid()), 0)
	return err
}

// InUse tells which process has the log in dir open, in words; empty if none has. To find out it takes the lock, shared and
// for an instant, and never waits for it.
func InUse(dir string) (holder string, err error) {
	f, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		return lockHolder(f), nil
	case err != nil:
		return "", fmt.Errorf("lock %s: %w", lockName, err)
	}
	return "", syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
}

func lockHolder(f *os.File) string {
	content, _ := io.ReadAll(io.LimitReader(f, 32))
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return "another process"
	}
	return fmt.Sprintf("process %d", pid)
}
