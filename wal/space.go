package wal

import (
	"errors"
	"fmt"
	"syscall"
)

// Space is how much room a file system has, in bytes.
type Space struct {
	Free int64 // for this user, without what is kept back for root
	Size int64 // of all of it
}

var errSizeUnknown = errors.New("the file system does not say how large it is")

// SpaceOf asks the file system that dir is on.
func SpaceOf(dir string) (Space, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return Space{}, fmt.Errorf("wal: free space of %s: %w", dir, err)
	}
	block := int64(s.Bsize) //nolint:unconvert // it is an int64 on some systems only
	space := Space{Free: int64(s.Bavail) * block, Size: int64(s.Blocks) * block}
	if space.Size <= 0 {
		return Space{}, fmt.Errorf("wal: free space of %s: %w", dir, errSizeUnknown)
	}
	return space, nil
}

// IsNoSpace tells whether an error of a Log came of a full disk or a used-up quota.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
