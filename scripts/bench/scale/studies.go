package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/raftnode/raft/scripts/bench/report"
)

// study is one question, and how it is answered.
type study struct {
	name, title, axis string
	how               []string
	columns           []report.Column
	limit             time.Duration // it ends by then, with what it has
	run               func(b *bench, ctx context.Context, found *report.Study) error
}

// The measures that several studies have.
var (
	perSecond = report.Column{Title: "operations", Unit: "1/s", Plot: true}
	median    = report.Column{Title: "p50", Unit: "ms"}
	p99       = report.Column{Title: "p99", Unit: "ms", Plot: true}
	longest   = report.Column{Title: "longest", Unit: "ms"}
	cpu       = report.Column{Title: "CPU", Unit: "s per 100,000", Plot: true} // of all processes
	resident  = report.Column{Title: "leader's memory", Unit: "MiB", Plot: true}
	failed    = report.Column{Title: "failed"}
	elected   = report.Column{Title: "elections"} // under that load

	ofLoad = []report.Column{perSecond, median, p99, longest, cpu, resident, failed, elected}
)

// inFlight is how many operations are in flight wherever no other number is said.
const inFlight = 64

const closedLoop = "64 operations in flight, by kv/client to the leader; processor time is that of all nodes"

func studies() []study {
	return []study{
		{
			name: "log", title: "The log grows: start-up, memory, and what a write costs", axis: "entries", limit: 8 * time.Minute, run: growLog,
			how: []string{
				"three nodes on prepared directories: 10,000 keys, values of 128 bytes. \"log kept\": all entries are in the log, --snapshot-entries 0 --snapshot-bytes 0. \"snapshots\": as the defaults leave it " +
					"after so many writes, a snapshot, and behind it the entries that did not yet make the next one due",
				"start: from exec of all three at once to the first linearizable read that any answers; all start: that each answers. One back: a follower alone, killed by SIGKILL and started beside the two others, until " +
					"it answers a linearizable read. Memory and CPU at start: of one node, in the mean, when all serve",
				"then writes: " + closedLoop,
			},
			columns: slices.Concat([]report.Column{started, startedAll, startCPU, back, startMemory}, ofLoad),
		},
		{
			name: "keys", title: "The keys grow", axis: "keys", limit: 6 * time.Minute, run: growKeys,
			how: []string{
				"three nodes on a prepared snapshot with so many keys, values of 32 bytes; " + closedLoop,
				"snapshot: the leader is asked for one beside the writes, and how long it says that takes; the writes of that row are those of a window that begins with it and does not end before it",
			},
			columns: slices.Concat([]report.Column{started, snapshotTook}, ofLoad),
		},
		{
			name: "nodes", title: "The nodes grow", axis: "nodes", limit: 2 * time.Minute, run: growNodes,
			how:     []string{"values of 128 bytes, 10,000 keys; " + closedLoop + ". All nodes share the same two or more cores, so more of them leave less for each"},
			columns: ofLoad,
		},
		{
			name: "values", title: "The values grow", axis: "bytes", limit: 3 * time.Minute, run: growValues,
			how:     []string{"three nodes, up to 64 MiB of values, snapshots as by default; " + closedLoop},
			columns: slices.Concat([]report.Column{perSecond, megabytes}, ofLoad[1:]),
		},
		{
			name: "catchup", title: "A follower catches up", axis: "entries behind", limit: 3 * time.Minute, run: catchUp,
			how: []string{
				"two nodes on prepared directories serve writes of 128 bytes, 64 in flight; then the third starts, which has the first ten entries. Caught up: it has applied what was committed when it was started. " +
					"Writes are measured before, until it has caught up, and after. By log: all entries are in the log. By snapshot: a snapshot of 100,000 keys stands in place of the log",
			},
			columns: slices.Concat([]report.Column{caughtUp, caughtRate}, ofLoad),
		},
		{
			name: "failover", title: "The leader is killed", axis: "election timeout", limit: 6 * time.Minute, run: failOver,
			how: []string{
				"three nodes, four clients that write 128 bytes each 5 ms, through any node; kill -9 of the leader, again and again. Elected: from the kill to when a survivor says that it leads, asked every 2 ms. " +
					"Written: from the kill to the first acknowledgement of a write in the new leader's term",
			},
			columns: failoverColumns,
		},
		{
			name: "reads", title: "Reads, from whom", axis: "who answers", limit: 2 * time.Minute, run: reads,
			how:     []string{"three nodes, 10,000 keys of 128 bytes, 64 reads in flight. A follower answers a linearizable read from what it has when that is as far as the leader says; a stale one at once"},
			columns: ofLoad,
		},
	}
}

func names() (all []string) {
	for _, s := range studies() {
		all = append(all, s.name)
	}
	return all
}

func choose(list string) ([]study, error) {
	if list == "" {
		return studies(), nil
	}
	var chosen []study
	wanted := strings.Split(list, ",")
	for _, s := range studies() {
		if slices.Contains(wanted, s.name) {
			chosen = append(chosen, s)
		}
	}
	for _, name := range wanted {
		if !slices.Contains(names(), name) {
			return nil, fmt.Errorf("there is no study %q; there are %s", name, strings.Join(names(), ", "))
		}
	}
	return chosen, nil
}
