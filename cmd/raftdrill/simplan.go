package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/raftnode/raft/raft/sim"
)

// printPlan says in words what the cluster is like, and what is done to it.
func printPlan(out io.Writer, style style, p *sim.Plan) {
	for _, row := range [][2]string{
		{"cluster", aboutRaft(p)},
		{"limits", aboutLimits(&p.Raft)},
		{"network", aboutNetwork(&p.Network)},
		{"disks", aboutDisk(&p.Disk)},
		{"processes", aboutHost(&p.Host)},
		{"clocks", aboutClocks(p)},
		{"clients", aboutClients(&p.Clients)},
	} {
		if row[1] != "" {
			fmt.Fprintf(out, "%-11s %s\n", row[0], row[1])
		}
	}
	fmt.Fprintf(out, "%-11s %s in %v, then everything that a quorum needs is healed\n\n", "faults", count(len(p.Actions), "action"), ms(p.Duration))
	if len(p.Actions) > 0 {
		fmt.Fprintf(out, "%s\n", style.bold("      ms"))
	}
	servers := p.Servers
	for _, a := range p.Actions {
		fmt.Fprintf(out, "%s  %s\n", style.dim(fmt.Sprintf("%8.1f", float64(a.At)/float64(time.Millisecond))), a.What(servers))
		if a.Kind == sim.AddLearner || a.Kind == sim.AddVoter || a.Kind == sim.Replace {
			servers++
		}
	}
}

// ms leaves out the digits that nobody reads.
func ms(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// list joins what is not empty.
func list(parts ...string) string {
	var kept []string
	for _, part := range parts {
		if part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, ", ")
}

// when gives the text if it applies.
func when(applies bool, format string, args ...any) string {
	if !applies {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

func percent(perMille int) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(perMille)/10), ".0") + " %"
}

func aboutRaft(p *sim.Plan) string {
	r := &p.Raft
	return list(
		count(p.Servers, "server"), fmt.Sprintf("election timeout %v", r.ElectionTimeout), fmt.Sprintf("heartbeat %v", ms(r.HeartbeatInterval)),
		when(r.Noop, "no-op"), when(r.PreVote, "pre-vote"), when(r.CheckQuorum, "check-quorum"),
		when(r.LeaseDuration > 0, "lease %v", r.LeaseDuration),
	)
}

func aboutLimits(r *sim.Raft) string {
	return list(
		when(r.MaxBatchBytes > 0, "%s in a batch", count(r.MaxBatchBytes, "byte")),
		when(r.MaxInflightMessages > 0, "%s in flight", count(r.MaxInflightMessages, "message")),
		when(r.MaxInflightBytes > 0, "%s in flight", count(r.MaxInflightBytes, "byte")),
		when(r.MaxUncommittedBytes > 0, "%s uncommitted", count(r.MaxUncommittedBytes, "byte")),
		when(r.MaxLogBytes > 0, "a log of up to %d bytes", r.MaxLogBytes),
		when(r.TrailingBytes > 0, "%d bytes of log kept behind a snapshot", r.TrailingBytes),
		when(r.TrailingBytes < 0, "no log kept behind a snapshot"),
		when(r.MaxChunkBytes > 0, "snapshots in chunks of %d bytes", r.MaxChunkBytes),
	)
}

func aboutNetwork(n *sim.Network) string {
	return list(
		fmt.Sprintf("%v to cross it, on average", ms(n.Delay+n.MinDelay)),
		when(n.Loss > 0, "%s lost", percent(n.Loss)), when(n.Duplicate > 0, "%s doubled", percent(n.Duplicate)),
		when(n.Spike > 0, "%s take %d times as long", percent(n.Spike), n.SpikeFactor),
		when(n.Ordered, "in order"), when(!n.Ordered, "in any order"),
	)
}

func aboutDisk(d *sim.Disk) string {
	return list(
		fmt.Sprintf("%v for a write", ms(d.Delay)), when(d.Spike > 0, "%s take %d times as long", percent(d.Spike), d.SpikeFactor),
		when(d.Group, "one fsync for all that waits"), when(!d.Group, "an fsync for each"),
	)
}

func aboutHost(h *sim.Host) string {
	return list(
		when(h.Batch > 0, "inputs gathered for %v", ms(h.Batch)), when(h.Apply > 0, "%v to apply", ms(h.Apply)),
		when(h.CompactEvery > 0, "a snapshot every %d entries", h.CompactEvery),
		when(h.CompactEvery > 0 && h.SnapshotDelay > 0, "%v to write one", ms(h.SnapshotDelay)),
		when(h.CompactEvery == 0, "no snapshots of their own accord"),
	)
}

func aboutClocks(p *sim.Plan) string {
	slow, fast := 1000, 1000
	for _, c := range p.Clocks[:min(p.Servers, len(p.Clocks))] {
		slow, fast = min(slow, c.Rate), max(fast, c.Rate)
	}
	if slow == fast {
		return "all go right"
	}
	return fmt.Sprintf("go at %s to %s of the true rate", percent(slow), percent(fast))
}

func aboutClients(c *sim.Clients) string {
	return list(
		fmt.Sprintf("%d", c.Number), fmt.Sprintf("a pause of %v", ms(c.Think)),
		fmt.Sprintf("%d attempts of %v", c.Attempts, ms(c.Timeout)), fmt.Sprintf("%s reads", percent(c.Reads)),
		count(c.Keys, "key"), "values of "+count(c.ValueBytes, "byte"), when(c.Loss > 0, "%s of requests and answers lost", percent(c.Loss)),
	)
}
