package main

import (
	"slices"
	"strings"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/rpc"
)

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
	return slices.Concat(placeOptions(), secretOptions(), workOptions())
}

// placeOptions say who this node is, and where it and the others are.
func placeOptions() []option {
	return []option{
		{
			name: "id", kind: "name", required: true, help: "this node's name in --cluster, like n1, or with --join a new one; never reuse it for another node",
			set: func(c *config, text string) error {
				err := api.CheckID(text)
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
			name: "cluster-id", kind: "name", help: "a random name for the cluster, the same on all its nodes, like openssl rand -hex 16 makes (default: the first " +
				"founding member makes one, and the others ask for it). On an empty directory the others that run are asked whether they had this node, and then it does not start",
			set: func(c *config, text string) error { c.clusterID = text; return api.CheckID(text) },
		},
		{
			name: "listen-client", kind: "host:port", required: true, help: "where clients are served (HTTP), like 127.0.0.1:8001; port 0 lets the system choose",
			set: func(c *config, text string) error { c.listenClient = text; return api.CheckAddress(text, 0) },
		},
		{
			name: "listen-peer", kind: "host:port", help: "where the other members are served (default: this node's address in --cluster)",
			set: func(c *config, text string) error { c.listenPeer = text; return api.CheckAddress(text, 0) },
		},
		{
			name: "join", kind: "bool", help: "start empty and wait to be added, by raftctl members add; --id is then a name that was never used, --cluster still the founding members",
			set: func(c *config, text string) (err error) { c.join, err = parseSwitch(text); return err },
		},
		{
			name: "advertise-peer", kind: "host:port", help: "with --join: where the other members reach this node (default: --listen-peer)",
			set: func(c *config, text string) error { c.advertisePeer = text; return api.CheckAddress(text, 1) },
		},
		{
			name: "dial", kind: "members", list: true, help: "reach members elsewhere than at the address that the cluster has for them (proxies, NAT), like n2=10.0.0.9:7002",
			set: func(c *config, text string) (err error) { c.dial, err = parseMembers(text); return err },
		},
	}
}

// workOptions say how it works.
func workOptions() []option {
	return []option{
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
			name: "snapshot-entries", value: "1000000", kind: "number",
			help: "take a snapshot when so many log entries were applied since the last; 0: entries are not counted",
			set:  func(c *config, text string) (err error) { c.snapshotEntries, err = parseCount(text); return err },
		},
		{
			name: "snapshot-bytes", value: "64MiB", kind: "size",
			help: "take a snapshot when so many bytes of log, or as many as the last snapshot had if that is more, were applied since; 0: bytes are not counted",
			set:  func(c *config, text string) (err error) { c.snapshotBytes, err = parseSize(text); return err },
		},
		{
			name: "low-space", kind: "size",
			help: "with less free on the disk of --data-dir the node takes no writes, and hands leadership over; 0: never (default: 256MiB, or a twentieth of the disk if that is less)",
			set:  func(c *config, text string) (err error) { c.lowSpace, err = parseSize64(text); return err },
		},
		{
			name: "reserve", kind: "size", help: "disk space that is kept back, and given up when there is less than --low-space, so that there is room to shorten the log; 0: none (default: a quarter of --low-space)",
			set: func(c *config, text string) (err error) { c.reserve, err = parseSize64(text); return err },
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
