package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tracing is where the kernel lists its tracepoints. It must be mounted: mount -t tracefs tracefs /sys/kernel/tracing.
const tracing = "/sys/kernel/tracing/events/syscalls"

// SyncCounter counts the system calls that sync files, in the kernel, which costs the processes next to nothing.
type SyncCounter struct{ fds []int }

// CountSyncs begins to count. An error says why it cannot be done here.
func (c *Cluster) CountSyncs() (*SyncCounter, error) {
	counter := &SyncCounter{}
	for _, call := range []string{"fsync", "fdatasync", "msync"} {
		id, err := tracepoint(call)
		if err != nil {
			return nil, errors.Join(err, counter.Close())
		}
		for _, n := range c.running() {
			if err := counter.watch(n.cmd.Process.Pid, id); err != nil {
				return nil, errors.Join(err, counter.Close())
			}
		}
	}
	return counter, nil
}

func tracepoint(call string) (uint64, error) {
	text, err := os.ReadFile(filepath.Join(tracing, "sys_enter_"+call, "id"))
	if err != nil {
		return 0, fmt.Errorf("cluster: syncs are not counted: %w; as root: mount -t tracefs tracefs /sys/kernel/tracing", err)
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

// watch opens a counter for each thread of the process; threads that these begin are counted with them.
func (s *SyncCounter) watch(pid int, tracepoint uint64) error {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return err
	}
	for _, thread := range threads {
		tid, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		attr := unix.PerfEventAttr{
			Type: unix.PERF_TYPE_TRACEPOINT, Config: tracepoint, Bits: unix.PerfBitInherit,
			Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})),
		}
		fd, err := unix.PerfEventOpen(&attr, tid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if errors.Is(err, unix.ESRCH) {
			continue // it ended
		}
		if err != nil {
			return fmt.Errorf("cluster: syncs are not counted: perf_event_open: %w", err)
		}
		s.fds = append(s.fds, fd)
	}
	return nil
}

// Count gives how many there were since CountSyncs; 0 of a nil counter.
func (s *SyncCounter) Count() (sum int64, err error) {
	if s == nil {
		return 0, nil
	}
	for _, fd := range s.fds {
		var count [8]byte
		if _, err := unix.Read(fd, count[:]); err != nil {
			return 0, fmt.Errorf("cluster: count syncs: %w", err)
		}
		sum += int64(binary.NativeEndian.Uint64(count[:]))
	}
	return sum, nil
}

// Close ends the counting.
func (s *SyncCounter) Close() error {
	if s == nil {
		return nil
	}
	var err error
	for _, fd := range s.fds {
		err = errors.Join(err, unix.Close(fd))
	}
	s.fds = nil
	return err
}
