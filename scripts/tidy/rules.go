package tidy

import "regexp"

// notOurs are directories that git ignores or owns.
var notOurs = []string{".git", "bin", "runs"}

// The modules that the arrows speak of.
const (
	hclog      = "github.com/hashicorp/go-hclog"
	msgpack    = "github.com/hashicorp/go-msgpack"
	tidwallWAL = "github.com/tidwall/wal"
	cobra      = "github.com/spf13/cobra"
	pflag      = "github.com/spf13/pflag"
	yaml       = "go.yaml.in/yaml"
	porcupine  = "github.com/anishathalye/porcupine"
	datadriven = "github.com/cockroachdb/datadriven"
	goleak     = "go.uber.org/goleak"
	xsys       = "golang.org/x/sys"
	hdr        = "github.com/HdrHistogram/hdrhistogram-go"
	cbor       = "github.com/fxamacker/cbor"
	hashicorp  = "github.com/hashicorp/raft"  // only in the modules scripts/bench and scripts/bench/rpc
	protobuf   = "google.golang.org/protobuf" // there, too
	gofuse     = "github.com/hanwen/go-fuse"  // only in the module integration/powerfs

	// Only in the module scripts/bench: the other peers that we are measured beside.
	hashicorpWAL  = "github.com/hashicorp/raft-wal"
	hashicorpBolt = "github.com/hashicorp/raft-boltdb"
	bbolt         = "go.etcd.io/bbolt"
	etcdServer    = "go.etcd.io/etcd/server"
	etcdClient    = "go.etcd.io/etcd/client"
	zap           = "go.uber.org/zap"
	dragonboat    = "github.com/lni/dragonboat"
)

// Allowed is what one package may import. Packages of this repository are named by their directory,
// others by their module. A nil Std allows the whole standard library.
type Allowed struct {
	Ours   []string
	Others []string
	Std    []string
	Tests  []string // more of this repository, for tests only
	Why    string   // completes "because ..."
}

// Arrows is the picture of who may import whom; tests may import TestOnly besides. A new arrow is a decision:
// it is made here, and seen in review.
var Arrows = map[string]Allowed{
	"raft/consensus": {
		Std: []string{"errors", "fmt", "hash/crc32", "slices", "strings", "time"},
		Why: "the algorithm has no clock, lock, random source, file, socket or logger: they are arguments and effects",
	},
	"raft": {
		Ours: []string{"raft/consensus"}, Others: []string{hclog},
		Tests: []string{"raft/lab", "raft/lab/labnet"}, // its external tests are the lab's
		Why:   "who embeds raft links the algorithm and a logger; disk and network come through Persister and Peer",
	},
	"raft/sim": {
		Ours: []string{"raft/consensus"}, Others: []string{porcupine},
		Why: "the simulator drives the algorithm as it is; host, disk and network are its own, so that one seed is one run",
	},
	"raft/lab": {
		Why: "the lab judges any system that can do what it asks, real processes among them",
	},
	"raft/lab/labnet": {
		Ours: []string{"raft", "raft/consensus", "raft/lab", "rpc"},
		Why:  "the lab's servers are this host's, and its messages are encoded as rpc encodes them",
	},
	"rpc": {
		Ours: []string{"raft/consensus"}, Others: []string{msgpack},
		Tests: []string{"rpc/codectest", "rpc/certs"}, // TLS is tried as raftnode makes it
		Why:   "the transport carries messages and knows neither host nor disk; it reports events instead of logging",
	},
	"rpc/certs": {
		Why: "certificates are files and what they say; whoever needs them links no transport",
	},
	"rpc/cborcodec": {
		Ours: []string{"rpc", "raft/consensus"}, Others: []string{cbor},
		Tests: []string{"rpc/codectest"},
		Why:   "a codec that not everybody wants stands outside rpc, so that its library is linked only where it is imported",
	},
	"rpc/codectest": {
		Tests: []string{"rpc/cborcodec", "wal"}, // that no codec reaches the disk
		Ours:  []string{"rpc", "raft/consensus"},
		Why:   "what every codec must keep is told without knowing any of them",
	},
	"wal": {
		Ours: []string{"raft/consensus"}, Others: []string{tidwallWAL, xsys},
		Why: "the disk stores what consensus saves and knows neither host nor network; it returns errors instead of logging",
	},
	"kv": {
		Ours: []string{"kv/command", "raft", "raft/consensus"},
		Why:  "the state machine is a function of the log",
	},
	"kv/kvsim": {
		Ours: []string{"kv", "raft", "raft/sim"}, Others: []string{porcupine},
		Why: "it joins the store and the simulator, and neither knows the other",
	},
	"kv/api": {
		Why: "what client and server share is names and limits",
	},
	"kv/command": {
		Why: "who makes a write, as clients do, need not link who applies it",
	},
	"kv/wire": {
		Ours: []string{"kv/api", "kv/command"},
		Why:  "client and server share frames, and neither's sockets nor state",
	},
	"kv/server": {
		Ours: []string{"kv", "kv/api", "kv/wire", "raft", "raft/consensus"}, Others: []string{hclog},
		Tests: []string{"kv/command"}, // of which requests are made
		Why:   "the server stands on the host and the store, whatever disk and network are below",
	},
	"kv/client": {
		Ours: []string{"kv/api", "kv/command", "kv/wire"},
		Why:  "who uses the client links nothing of the server",
	},
	"kv/load": {
		Ours: []string{"kv/api", "kv/client"}, Others: []string{hdr, xsys},
		Why: "the load is for any store and comes with the target for ours, as its users see it; a timer of the kernel keeps its rate",
	},
	"integration": {
		Ours: []string{"kv/client", "kv/api", "raft/lab", "rpc/certs"}, Others: []string{porcupine},
		Why: "the harness sees what users see: processes, their API and their certificates; the lab brings scripts and imports nothing",
	},
	"integration/powerfs": {
		Others: []string{gofuse},
		Tests:  []string{"wal", "raft/consensus", "integration", "kv/client", "kv/api"},
		Why:    "the file system knows nothing of what is tried on it; it is a module of its own, so that nobody gets its dependencies with ours",
	},
	"cmd/internal/storefile": {
		Ours: []string{"raft"},
		Why:  "raftnode writes the file and raftctl doctor reads it, and neither imports the other",
	},
	"cmd/raftnode": {
		Ours:   []string{"cmd/internal/storefile", "raft", "raft/consensus", "rpc", "rpc/certs", "rpc/cborcodec", "wal", "kv", "kv/api", "kv/server"},
		Others: []string{cobra, pflag, yaml, hclog},
		Why:    "the node joins host, disk, network and service, and drives none of them from outside",
	},
	"cmd/raftctl": {
		Ours: []string{"cmd/internal/storefile", "kv", "kv/api", "kv/client", "kv/load", "wal", "raft/consensus", "rpc/certs"}, Others: []string{cobra, pflag},
		Tests: []string{"kv/server", "raft"}, // it is tried against the server as it is, over a Raft that is played
		Why:   "raftctl is a client, and reads data directories, with the store's commands in words; it runs no node",
	},
	"cmd/raftdrill": {
		Ours: []string{"integration", "kv/client", "kv/api", "raft/sim", "kv/kvsim"}, Others: []string{cobra, pflag, xsys},
		Why: "drills are run against real processes, or simulated; the terminal is asked how wide it is",
	},
	"scripts/bench": {
		Ours:   []string{"kv/client", "kv/load", "scripts/bench/cluster", "scripts/bench/ground", "scripts/bench/raw", "scripts/bench/report"},
		Others: []string{etcdClient, zap},
		Why:    "the benchmark sees what users see, processes and their protocols; it is a module of its own, so that nobody gets the peers with ours",
	},
	"scripts/bench/scale": {
		Ours: []string{"kv", "kv/api", "kv/client", "kv/load", "raft", "raft/consensus", "wal", "scripts/bench/cluster", "scripts/bench/ground", "scripts/bench/report"},
		Why:  "it measures processes as users do, but on long logs and many keys, which it writes as package wal and package kv have them: through a cluster that would take hours",
	},
	"scripts/bench/ground": {
		Ours: []string{"kv/load", "scripts/bench/cluster", "scripts/bench/report"},
		Why:  "what all benchmarks stand on knows none of them",
	},
	"scripts/bench/cluster": {
		Others: []string{xsys},
		Why:    "it runs processes, whatever they are",
	},
	"scripts/bench/report": {
		Ours: []string{"kv/load", "scripts/bench/cluster"},
		Why:  "the report knows what was measured, and not how",
	},
	"scripts/bench/raw": {
		Ours: []string{"kv/load"},
		Why:  "the protocol is for peers that have none, and its client is put under load",
	},
	"scripts/bench/peer": {
		Ours: []string{"scripts/bench/raw"},
		Why:  "what the peers have in common is that they are served by the raw protocol",
	},
	"scripts/bench/peers/floor":      {Ours: []string{"scripts/bench/peer", "scripts/bench/raw"}, Why: "the floor has no Raft"},
	"scripts/bench/peers/library":    {Ours: []string{"raft", "raft/consensus", "rpc", "wal", "scripts/bench/peer", "scripts/bench/raw"}, Why: "it is our library as others may embed it"},
	"scripts/bench/peers/hashicorp":  {Ours: []string{"scripts/bench/peer", "scripts/bench/raw"}, Others: []string{hashicorp, hashicorpWAL, hashicorpBolt, bbolt, hclog}, Why: "a peer has nothing of ours"},
	"scripts/bench/peers/etcd":       {Ours: []string{"scripts/bench/peer"}, Others: []string{etcdServer}, Why: "a peer has nothing of ours"},
	"scripts/bench/peers/dragonboat": {Ours: []string{"scripts/bench/peer", "scripts/bench/raw"}, Others: []string{dragonboat}, Why: "a peer has nothing of ours"},
	"scripts/tidy":                   {Why: "the walls must not lean on what they guard"},
	"scripts/mutants":                {Why: "the runner must work while the code is broken"},
	"scripts/readme":                 {Why: "the README is tried out from outside, as a reader would"},
	"scripts/bench/rpc": {
		Ours: []string{"rpc", "rpc/cborcodec", "raft/consensus"}, Others: []string{hashicorp, hclog, msgpack, protobuf},
		Why: "it compares the transport with others'; it is a module of its own, so that nobody gets those with ours",
	},
}

// TestOnly may be imported by any test besides what its package may.
var TestOnly = []string{goleak, datadriven}

// Embedded is all that may be linked, beyond the standard library, into a program that uses raft with rpc
// and wal. It holds the named packages and what they stand on: nothing of any user interface.
var Embedded = []string{
	Module + "/raft", Module + "/rpc", Module + "/wal",
	hclog, msgpack, tidwallWAL, xsys,
	"github.com/fatih/color", "github.com/mattn/go-colorable", "github.com/mattn/go-isatty", // of hclog
	"github.com/tidwall/gjson", "github.com/tidwall/match", "github.com/tidwall/pretty", "github.com/tidwall/tinylru", // of tidwall/wal
}

// Budgets. Aim for 300 lines in a file and 40 in a function: the limits are where aiming ends.
const (
	MaxFileLines = 400
	MaxFuncLines = 60
)

// Exceptions from the budgets, by path or by path:function, each with its reason.
var Exceptions = map[string]string{}

// Word is something that has no place in the repository.
type Word struct {
	Pattern *regexp.Regexp
	Why     string
	Except  []string // paths where it is at home
}

const rulesFile = "scripts/tidy/rules.go"

// Words are looked for in all text files.
var Words = []Word{
	{
		Pattern: regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`),
		Why:     "a promise to nobody: do it now, or say in the documentation what is not done",
		Except:  []string{rulesFile, "scripts/tidy/rules_test.go", "scripts/tools/go.sum"},
	},
	{
		Pattern: regexp.MustCompile(`(?i)\bissues? #?[0-9]+\b|\(#[0-9]+\)`),
		Why:     "a tracker's number explains nothing to who reads the code: say what happened",
		Except:  []string{rulesFile, "scripts/tidy/rules_test.go"},
	},
	{
		Pattern: regexp.MustCompile(`(^|[\s"'(=:])/(home|root|Users|work)/|\.\./shared\b`),
		Why:     "a path of one machine: nobody else has it. Use a path inside the repository or a temporary directory",
		Except:  []string{rulesFile, "scripts/tidy/rules_test.go"},
	},
	{
		Pattern: regexp.MustCompile(`(?i)\b(this|last|previous|earlier) (coding )?session\b|\bhelper [A-Z]{2,}\b`),
		Why:     "the code speaks of itself, not of who wrote it when",
		Except:  []string{rulesFile, "scripts/tidy/rules_test.go"},
	},
}
