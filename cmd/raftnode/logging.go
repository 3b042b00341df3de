package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/rpc"
	"github.com/raftnode/raft/wal"
)

func newLogger(c *config, w io.Writer, noColor bool) hclog.Logger {
	opts := &hclog.LoggerOptions{
		Name:       string(c.id),
		Level:      hclog.LevelFromString(c.logLevel), // resolve has refused names that hclog would take for info
		Output:     w,
		JSONFormat: c.logFormat == "json",
	}
	if c.logFormat == "auto" && !noColor && isTerminal(w) {
		opts.Color = hclog.ForceColor
	}
	return hclog.New(opts)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// logRecovery says in one line what the node had promised before, which is what it begins with. Each start has all the fields.
func logRecovery(log hclog.Logger, r wal.Recovery) {
	what, level, vote := "recovered the log", hclog.Info, string(r.VotedFor)
	if r.NewDirectory {
		what = "created a new log"
	}
	repaired := []any{"repaired", "nothing"}
	if cut := r.Repaired; cut != nil {
		// An interrupted write leaves a tail that is not whole.
		level, repaired = hclog.Warn, []any{"repaired", "a torn tail was cut off", "file", cut.File, "offset", cut.Offset, "cut", cut.BytesCut, "reason", cut.Reason}
	}
	if vote == "" {
		vote = "nobody"
	}
	line := slices.Concat([]any{
		"entries", r.Entries, "last", r.LastIndex, "bytes", r.Bytes, "segments", r.Segments,
		"snapshot", r.Snapshot.Index, "snapshot_bytes", r.SnapshotBytes, "term", r.Term, "vote", vote, "commit", r.Commit,
	}, repaired, []any{"start", r.Incarnation.Number, "store", r.Store, "took", r.Duration.Round(time.Microsecond)})
	log.Log(level, what, line...)
}

// logEvent puts the transport's events where people look: what an operator should do something
// about is a warning. That a peer cannot be reached is for the watch to say, once.
func logEvent(log hclog.Logger, c *config, clusterID string) func(rpc.Event) {
	warn := once(log)
	return func(e rpc.Event) {
		if e.Kind == rpc.LinkUp && e.Codec != c.codec {
			warn(fmt.Sprintf("messages to %s are written in %s: it does not know --codec %s. Upgrade it, or choose a codec that all nodes know", e.Peer, e.Codec, c.codec))
		}
		text := e.String()
		if strings.Contains(e.Reason, "belongs to cluster") {
			text += "; " + c.apart(e.Reason, clusterID)
		}
		switch e.Kind {
		case rpc.Asked:
			if strings.Contains(e.Reason, strconv.Quote(c.listSum())) {
				log.Debug(e.String())
			} else {
				log.Warn(text)
			}
		case rpc.LinkUp, rpc.LinkDown:
			log.Info(text)
		case rpc.DialRefused, rpc.IncomingRefused:
			if strings.Contains(e.Reason, waitsToBeAdded) {
				log.Info(text)
			} else {
				log.Warn(text)
			}
		case rpc.IncomingUp, rpc.IncomingDown, rpc.DialFailed:
			log.Debug(text)
		default:
			log.Warn(text)
		}
	}
}

// sameCluster is what to do when two nodes, or a node and its directory, are of different clusters.
func sameCluster(c *config) string {
	var members []string
	for _, id := range sortedIDs(c.cluster) {
		members = append(members, string(id)+"="+c.cluster[id])
	}
	return "--cluster must be the same on all nodes; here it is " + strings.Join(members, ",")
}

// warnIfOpen warns of an address that other machines can reach, if not everybody who connects there has to prove who he is.
func warnIfOpen(log hclog.Logger, flag string, address net.Addr, guard guard) {
	tcp, ok := address.(*net.TCPAddr)
	if !ok || tcp.IP.IsLoopback() || guard.proof {
		return
	}
	log.Warn("NOT PROTECTED: "+flag+" can be reached from other machines, and there is "+guard.lack+": "+
		"whoever reaches it can read and change everything. "+guard.advice, "address", address)
}

// guard is what keeps strangers from a port.
type guard struct {
	proof  bool   // who connects must prove who he is
	lack   string // what is not there
	advice string
}

// peerGuard and clientGuard tell what guards the two ports.
func (c *config) peerGuard() guard {
	return guard{c.peerTLS.Cert != "", "no TLS and no authentication", "Give --peer-tls-cert, --peer-tls-key and --peer-tls-ca on all nodes " +
		"(`raftctl certs init` makes what they need), or listen on 127.0.0.1, or let a firewall or VPN admit members only"}
}

func (c *config) clientGuard() guard {
	if c.clientTLS.Cert != "" {
		return guard{c.clientTLS.CA != "", "no authentication", "Give --client-tls-ca, so that clients need a certificate, or let a firewall or VPN admit clients only"}
	}
	return guard{false, "no TLS and no authentication", "Give --client-tls-cert, --client-tls-key and --client-tls-ca " +
		"(`raftctl certs init` makes what they need), or listen on 127.0.0.1, or let a firewall or VPN admit clients only"}
}
