package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// statusTimeout is how long status waits for a node, unless --timeout says: a node that is well answers
// at once, and the others should not have to wait for one that is not.
const statusTimeout = 2 * time.Second

// asked is what one endpoint said of itself.
type asked struct {
	Endpoint string      `json:"endpoint"`
	Status   *api.Status `json:"status,omitempty"`
	Error    string      `json:"error,omitempty"`
	err      error
}

func newStatusCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Show what each endpoint, and the leader, knows of itself: role, term, commit, applied, snapshot, leader, free disk space, days until the first certificate expires",
		Example: "  raftctl status\n  raftctl status -o json",
		Args:    cobra.NoArgs, ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := g.askAll(cmd)
			if err != nil {
				return err
			}
			if g.json() {
				err = printJSON(cmd, all)
			} else {
				err = printStatus(cmd, all)
			}
			return cmp.Or(err, noneReached(all))
		},
	}
}

func printStatus(cmd *cobra.Command, all []asked) error {
	table := newTable(cmd.OutOrStdout(), "ENDPOINT", "ID", "ROLE", "TERM", "COMMIT", "APPLIED", "LAST", "SNAPSHOT", "LEADER", "FREE", "CERT")
	for _, a := range all {
		if a.Status == nil {
			fmt.Fprintf(table, "%s\t-\t%s\t-\t-\t-\t-\t-\t-\t-\t-\n", a.Endpoint, a.state())
			continue
		}
		s := a.Status
		role, snapshot := s.Role, "-"
		if !slices.ContainsFunc(s.Members, func(m api.Member) bool { return m.ID == s.ID }) {
			role = "no member"
		}
		if s.SnapshotIndex > 0 {
			snapshot = fmt.Sprint(s.SnapshotIndex)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n",
			a.Endpoint, s.ID, role, s.Term, s.Commit, s.Applied, s.LastIndex, snapshot, cmp.Or(s.Leader, "-"), freeSpace(s.Disk), firstExpiry(s.Certificates))
	}
	err := table.Flush()
	if line := closing(all); line != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "raftctl:", line)
	}
	return err
}

// freeSpace is what a node has left on its disk, in words.
func freeSpace(disk *api.Disk) string {
	switch {
	case disk == nil:
		return "-"
	case disk.Error != "":
		return "not known"
	case disk.Low:
		return api.Size(disk.FreeBytes) + ", low"
	}
	return api.Size(disk.FreeBytes)
}

// firstExpiry is how long the certificate of a node is valid that expires first, in words.
func firstExpiry(all []api.Certificate) string {
	if len(all) == 0 {
		return "-"
	}
	first := slices.MinFunc(all, func(a, b api.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
	switch {
	case first.DaysLeft < 0:
		return "expired"
	case first.Warning != "":
		return fmt.Sprintf("%d d, soon", first.DaysLeft)
	}
	return fmt.Sprintf("%d d", first.DaysLeft)
}

// expiring are the certificates that expire soon, or have.
func expiring(all []asked) (text []string) {
	for _, a := range all {
		if a.Status == nil {
			continue
		}
		for _, c := range a.Status.Certificates {
			if c.Warning != "" {
				text = append(text, fmt.Sprintf("%s, for %s: %s", a.Status.ID, c.Use, c.Warning))
			}
		}
	}
	return text
}

// lowOnSpace are the nodes whose disks are nearly full, as they say themselves or the leader does.
func lowOnSpace(all []asked) []string {
	low := map[string]bool{}
	for _, a := range all {
		if a.Status == nil {
			continue
		}
		for _, m := range a.Status.Members {
			if m.LowOnSpace && (a.Status.Role == "leader" || m.ID == a.Status.ID) {
				low[m.ID] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(low))
}

// closing is the line below the table: what is wrong, if anything is. That nobody answers is an error, and said there.
func closing(all []asked) string {
	var wrong []string
	var waiting []asked
	for _, a := range all {
		if a.state() == stateWaits {
			waiting = append(waiting, a)
		}
	}
	silent := countSilent(all)
	if silent == len(all) {
		return ""
	}
	if silent -= len(waiting); silent > 0 {
		wrong = append(wrong, fmt.Sprintf("%d of %d endpoints did not answer", silent, len(all)))
	}
	if len(waiting) > 0 {
		wrong = append(wrong, endpointsInWords(waiting))
	}
	if best := bestInformed(all); best != nil && best.Leader == "" {
		wrong = append(wrong, "nobody knows a leader")
	}
	if low := lowOnSpace(all); len(low) > 0 {
		wrong = append(wrong, "low on disk space: "+strings.Join(low, ", ")+": free some there, outside of the data directories; while a majority has too little, nothing is written")
	}
	if soon := expiring(all); len(soon) > 0 {
		wrong = append(wrong, strings.Join(soon, "; ")+": put new certificates in their place, and send the nodes SIGHUP")
	}
	return strings.Join(wrong, "; ")
}

func countSilent(all []asked) (n int) {
	for _, a := range all {
		if a.Status == nil {
			n++
		}
	}
	return n
}

// askAll asks all endpoints that the flags name.
func (g *globals) askAll(cmd *cobra.Command) ([]asked, error) {
	cl, err := g.connect(cmd)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	timeout := g.timeout
	if !cmd.Flags().Changed("timeout") {
		timeout = statusTimeout
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
	defer cancel()
	all := askEach(ctx, cl)
	ctx, cancel = context.WithTimeout(cmd.Context(), timeout) // who was silent must not take it from the leader
	defer cancel()
	return withLeader(ctx, cl, all), nil
}

// withLeader adds what the leader says, if it is none of the endpoints and one of them knows where it serves clients.
func withLeader(ctx context.Context, cl *client.Client, all []asked) []asked {
	best := bestInformed(all)
	if best == nil || best.Role == "leader" {
		return all
	}
	i := slices.IndexFunc(best.Members, func(m api.Member) bool { return m.ID == best.Leader && m.ClientAddress != "" })
	if i < 0 || slices.ContainsFunc(all, func(a asked) bool { return a.Endpoint == best.Members[i].ClientAddress }) {
		return all
	}
	if leader := ask(ctx, cl, best.Members[i].ClientAddress); leader.Status != nil {
		all = append(all, leader)
	}
	return all
}

// askEach asks all endpoints at once.
func askEach(ctx context.Context, cl *client.Client) []asked {
	all := make([]asked, len(cl.Endpoints()))
	var asking sync.WaitGroup
	for i, endpoint := range cl.Endpoints() {
		asking.Go(func() { all[i] = ask(ctx, cl, endpoint) })
	}
	asking.Wait()
	return all
}

func shortEndpoint(endpoint string) string { return strings.TrimPrefix(endpoint, "http://") }

func ask(ctx context.Context, cl *client.Client, endpoint string) asked {
	status, err := cl.Status(ctx, endpoint)
	a := asked{Endpoint: shortEndpoint(endpoint), err: err}
	if err != nil {
		a.Error = err.Error()
		return a
	}
	a.Status = &status
	return a
}

// bestInformed gives the status of the leader of the highest term, or if none leads that of the highest term.
func bestInformed(all []asked) *api.Status {
	var best *api.Status
	for _, a := range all {
		s := a.Status
		if s == nil {
			continue
		}
		leads, led := s.Role == "leader", best != nil && best.Role == "leader"
		if best == nil || leads && !led || leads == led && s.Term > best.Term {
			best = s
		}
	}
	return best
}

// noneReached is the error of a status of nobody.
func noneReached(all []asked) error {
	if countSilent(all) < len(all) {
		return nil
	}
	return &explained{text: summary(all, ""), err: all[len(all)-1].err, advice: overTLS(all)}
}
