package main

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
)

// parseMembers reads n1=host:port,n2=host:port.
func parseMembers(text string) (map[raft.ServerID]string, error) {
	members := map[raft.ServerID]string{}
	owner := map[string]raft.ServerID{}
	var errs []error
	for part := range strings.SplitSeq(text, ",") {
		name, address, ok := strings.Cut(strings.TrimSpace(part), "=")
		id := raft.ServerID(name)
		if !ok {
			errs = append(errs, fmt.Errorf("%q is not NAME=HOST:PORT, like n1=127.0.0.1:7001", part))
			continue
		}
		errs = append(errs, api.CheckID(name), api.CheckAddress(address, 1))
		if _, twice := members[id]; twice {
			errs = append(errs, fmt.Errorf("%s is named twice", id))
		}
		if other, taken := owner[address]; taken && other != id {
			errs = append(errs, fmt.Errorf("%s and %s have the same address %s", other, id, address))
		}
		members[id], owner[address] = address, id
	}
	return members, errors.Join(errs...)
}

// isWildcard tells whether a listener there listens on all addresses.
func isWildcard(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "" || ip != nil && ip.IsUnspecified())
}

const (
	minDuration = time.Millisecond
	maxDuration = time.Hour
)

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number with its unit, like 50ms or 1.5s", text)
	}
	if d < minDuration || d > maxDuration {
		return 0, fmt.Errorf("%v must lie between %v and %v", d, minDuration, maxDuration)
	}
	return d, nil
}

func oneOf(text string, allowed []string) error {
	if !slices.Contains(allowed, text) {
		return fmt.Errorf("%q is not one of %s", text, strings.Join(allowed, ", "))
	}
	return nil
}

// sizes are the units of a size, the longest name first.
var sizes = []struct {
	unit  string
	bytes int
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

const maxSize = 1 << 40

// parseSize reads a whole number with its unit, or 0.
func parseSize(text string) (int, error) {
	if text == "0" {
		return 0, nil
	}
	for _, size := range sizes {
		digits, ok := strings.CutSuffix(text, size.unit)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(digits)
		if err != nil || n < 0 {
			break
		}
		if n > maxSize/size.bytes {
			return 0, fmt.Errorf("%s is more than 1024GiB", text)
		}
		return n * size.bytes, nil
	}
	return 0, fmt.Errorf("%q is not a whole number with its unit, like 64MiB or 512KiB", text)
}

func parseSize64(text string) (int64, error) {
	n, err := parseSize(text)
	return int64(n), err
}

func parseCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<40 {
		return 0, fmt.Errorf("%q is not a whole number from 0 on, like 10000", text)
	}
	return n, nil
}

func parseSwitch(text string) (bool, error) {
	on, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("%q is neither true nor false", text)
	}
	return on, nil
}
