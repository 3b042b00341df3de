package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/rpc"
)

// config is what serve runs with, once every mistake has been found.
type config struct {
	id              raft.ServerID
	dataDir         string
	cluster         map[raft.ServerID]string // every member's address, this node's among them
	dial            map[raft.ServerID]string // where to reach a member instead
	listenClient    string
	listenPeer      string
	heartbeat       time.Duration
	electionTimeout time.Duration
	codec           string
	logLevel        string
	logFormat       string
}

// option is one setting, under the one name that flags, environment and file share.
type option struct {
	name     string
	value    string // the default, as text; "" is none
	kind     string // what help calls the value
	help     string
	list     bool // given more than once, the values are joined
	required bool
	set      func(c *config, text string) error
}

func options() []option {
	return []option{
		{
			name: "id", kind: "name", required: true, help: "this node's name in --cluster, like n1; never reuse it for another node",
			set: func(c *config, text string) error {
				err := checkID(raft.ServerID(text))
				if err == nil {
					c.id = raft.ServerID(text)
				}
				return err
			},
		},
		{
			name: "data-dir", kind: "directory", required: true, help: "where this node keeps its log; made if it is not there",
			set: func(c *config, text string) error { c.dataDir = text; return nil },
		},
		{
			name: "cluster", kind: "members", list: true, required: true,
			help: "the founding members, the same on all of them: n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003",
			set:  func(c *config, text string) (err error) { c.cluster, err = parseMembers(text); return err },
		},
		{
			name: "listen-client", kind: "host:port", required: true, help: "where clients are served (HTTP), like 127.0.0.1:8001; port 0 lets the system choose",
			set: func(c *config, text string) error { c.listenClient = text; return checkAddress(text, 0) },
		},
		{
			name: "listen-peer", kind: "host:port", help: "where the other members are served (default: this node's address in --cluster)",
			set: func(c *config, text string) error { c.listenPeer = text; return checkAddress(text, 0) },
		},
		{
			name: "dial", kind: "members", list: true, help: "reach members elsewhere than at their address in --cluster (proxies, NAT), like n2=10.0.0.9:7002",
			set: func(c *config, text string) (err error) { c.dial, err = parseMembers(text); return err },
		},
		{
			name: "heartbeat", value: "50ms", kind: "duration", help: "how often a leader lets itself be heard",
			set: func(c *config, text string) (err error) { c.heartbeat, err = parseDuration(text); return err },
		},
		{
			name: "election-timeout", value: "300ms", kind: "duration",
			help: "T: without a leader each node waits a random time in [T, 2T) before it stands for election; at least twice --heartbeat",
			set:  func(c *config, text string) (err error) { c.electionTimeout, err = parseDuration(text); return err },
		},
		{
			name: "codec", value: "msgpack", kind: "name", help: "how messages to other members are written: " + strings.Join(rpc.Codecs(), ", "),
			set: func(c *config, text string) error { c.codec = text; return oneOf(text, rpc.Codecs()) },
		},
		{
			name: "log-level", value: "info", kind: "level", help: strings.Join(logLevels, ", "),
			set: func(c *config, text string) error { c.logLevel = text; return oneOf(text, logLevels) },
		},
		{
			name: "log-format", value: "auto", kind: "format", help: "auto (text, in colour on a terminal), text, json; the log goes to stderr",
			set: func(c *config, text string) error { c.logFormat = text; return oneOf(text, logFormats) },
		},
	}
}

var (
	logLevels  = []string{"trace", "debug", "info", "warn", "error", "off"}
	logFormats = []string{"auto", "text", "json"}
)

// check finds what is wrong between settings that are right by themselves, and fills in what one
// has from another.
func (c *config) check() error {
	var errs []error
	own, member := c.cluster[c.id]
	if c.id != "" && len(c.cluster) > 0 && !member {
		errs = append(errs, fmt.Errorf("--id %s is not in --cluster, whose members are %s: use one of these names, or add the node to --cluster on all nodes",
			c.id, strings.Join(c.members(), ", ")))
	}
	if c.listenPeer == "" {
		c.listenPeer = own
	}
	for _, id := range sortedIDs(c.dial) {
		if _, known := c.cluster[id]; !known && len(c.cluster) > 0 {
			errs = append(errs, fmt.Errorf("--dial names %s, which is not in --cluster: its members are %s", id, strings.Join(c.members(), ", ")))
		}
		if id == c.id {
			errs = append(errs, fmt.Errorf("--dial names %s, which is this node: leave it out", id))
		}
	}
	if c.heartbeat > 0 && c.electionTimeout > 0 && c.electionTimeout < 2*c.heartbeat {
		errs = append(errs, fmt.Errorf("--election-timeout %v must be at least twice --heartbeat %v, or followers stand for election under a healthy leader",
			c.electionTimeout, c.heartbeat))
	}
	return errors.Join(errs...)
}

func (c *config) members() []string {
	var names []string
	for _, id := range sortedIDs(c.cluster) {
		names = append(names, string(id))
	}
	return names
}

func sortedIDs(members map[raft.ServerID]string) []raft.ServerID {
	return slices.Sorted(maps.Keys(members))
}

// clusterID tells clusters apart. It is made from the founding members, so every member computes the same
// one, as long as all were given the same --cluster.
func (c *config) clusterID() string {
	h := sha256.New()
	for _, id := range sortedIDs(c.cluster) {
		fmt.Fprintf(h, "%s=%s\n", id, c.cluster[id])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

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
		errs = append(errs, checkID(id), checkAddress(address, 1))
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

const maxID = 64

func checkID(id raft.ServerID) error {
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
	}
	if id == "" || len(id) > maxID || strings.ContainsFunc(string(id), odd) {
		return fmt.Errorf("the name %q must have 1 to %d letters, digits, '-', '_' or '.'", id, maxID)
	}
	return nil
}

// checkAddress wants host:port with a port that is a number of at least lowest.
func checkAddress(text string, lowest int) error {
	_, port, err := net.SplitHostPort(text)
	if err != nil {
		return fmt.Errorf("%q is not HOST:PORT, like 127.0.0.1:7001", text)
	}
	if n, err := strconv.Atoi(port); err != nil || n < lowest || n > 65535 {
		return fmt.Errorf("the port of %q must be a number from %d to 65535", text, lowest)
	}
	return nil
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
