package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Usage is what the processes took since they began.
type Usage struct {
	CPU        time.Duration // all of them, in user and kernel mode, to ticks of 10 ms
	LeaderCPU  time.Duration
	DiskBytes  int64 // given to the block layer
	WriteCalls int64
	Resident   int64 // bytes in memory now, all of them
	LeaderRSS  int64
	Syncs      int64         // fsync, fdatasync and msync, since they are counted
	Machine    time.Duration // processor time that the whole machine spent, for whatever
}

// Usage asks the kernel. Leader is the index of a process; a nil counter counts nothing.
func (c *Cluster) Usage(leader int, syncs *SyncCounter) (Usage, error) {
	var sum Usage
	for i, n := range c.running() {
		one, err := usageOf(n.cmd.Process.Pid)
		if err != nil {
			return sum, fmt.Errorf("cluster: process %d: %w", i+1, err)
		}
		sum.CPU += one.CPU
		sum.DiskBytes += one.DiskBytes
		sum.WriteCalls += one.WriteCalls
		sum.Resident += one.Resident
		if i == leader {
			sum.LeaderCPU, sum.LeaderRSS = one.CPU, one.Resident
		}
	}
	var err error
	if sum.Syncs, err = syncs.Count(); err != nil {
		return sum, err
	}
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return sum, err
	}
	sum.Machine, err = parseMachine(stat)
	return sum, err
}

// FreeMemory is what the machine can give without swapping.
func FreeMemory() (int64, error) {
	info, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	kib, err := parseField(info, "MemAvailable:")
	return kib << 10, err
}

func usageOf(pid int) (u Usage, err error) {
	file := func(name string) []byte {
		b, readErr := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		err = errors.Join(err, readErr)
		return b
	}
	stat, io, status := file("stat"), file("io"), file("status")
	if err != nil {
		return u, err
	}
	if u.CPU, err = parseStat(stat); err != nil {
		return u, err
	}
	if u.DiskBytes, err = parseField(io, "write_bytes:"); err != nil {
		return u, err
	}
	if u.WriteCalls, err = parseField(io, "syscw:"); err != nil {
		return u, err
	}
	kib, err := parseField(status, "VmRSS:")
	u.Resident = kib << 10
	return u, err
}

// tick is the unit of processor time in /proc: USER_HZ is 100 on all that Linux runs on.
const tick = 10 * time.Millisecond

// parseStat gives the processor time of /proc/PID/stat. The name of the program, in parentheses, may hold anything.
func parseStat(stat []byte) (time.Duration, error) {
	at := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[at+1:]))
	if at < 0 || len(fields) < 13 {
		return 0, fmt.Errorf("cluster: /proc/PID/stat is %q", stat)
	}
	return sumTicks(fields[11:13]) // utime and stime
}

// parseMachine gives what all processors did, of /proc/stat: everything but idle, waiting and what guests are counted twice for.
func parseMachine(stat []byte) (time.Duration, error) {
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, fmt.Errorf("cluster: /proc/stat begins with %q", line)
	}
	return sumTicks(slices.Concat(fields[1:4], fields[6:9])) // user nice system, irq softirq steal
}

func sumTicks(fields []string) (sum time.Duration, err error) {
	for _, field := range fields {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("cluster: ticks: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// parseField finds a line "name value ...".
func parseField(text []byte, name string) (int64, error) {
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			return strconv.ParseInt(fields[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("cluster: there is no %s in %.80q", name, text)
}
