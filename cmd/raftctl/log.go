package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/wal"
)

// newLogCommand is `raftctl log`: a look at the log on a disk, without a node.
func newLogCommand() *cobra.Command {
	log := &cobra.Command{
		Use:   "log",
		Short: "Look at the log in a data directory, offline and read-only",
		Long: "Look at the log in a data directory. Nothing is changed and nothing is locked: a node may be running on\n" +
			"the directory, and then its newest records may be missing here or look torn.",
		Example: "  raftctl log info data/n1\n  raftctl log ls data/n1 --last 20\n  raftctl log verify data/n1\n  raftctl log diff data/n1 data/n2",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if info, err := os.Stat(args[0]); err == nil && info.IsDir() {
					return usage(cmd, "what to do with %s? Write: raftctl log info %s", args[0], args[0])
				}
			}
			return onlySubcommands(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	log.AddCommand(newLogInfoCommand(), newLogLsCommand(), newLogVerifyCommand())
	log.AddCommand(newLogDiffCommand())
	return log
}

func newLogInfoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "info DIR",
		Short:   "Whose log it is, and what it holds",
		Example: "  raftctl log info data/n1\n  raftctl log info --data-dir data/n1 -o json",
	}
	takesDataDir(cmd, func(cmd *cobra.Command, dir string) error {
		found, err := scanLog(dir, nil)
		if err != nil {
			return err
		}
		if logAsJSON(cmd) {
			return printLogJSON(cmd.OutOrStdout(), infoOf(found))
		}
		return printInfo(cmd.OutOrStdout(), found)
	})
	return cmd
}

func newLogVerifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Check every record; exit 1 if a node would refuse the directory",
		Long: "Check every record and the snapshot, as a node does when it starts. Exit 0 if it would start, 1 if it would refuse, with\n" +
			"the file, the offset and the reason. A torn tail is what an interrupted write leaves behind; no record proves\n" +
			"that anything in it was acknowledged, and the node cuts it off by itself.",
		Example: "  raftctl log verify data/n1",
	}
	takesDataDir(cmd, verifyLog)
	return cmd
}

func verifyLog(cmd *cobra.Command, dir string) error {
	found, err := scanLog(dir, nil)
	if err != nil {
		return err
	}
	if logAsJSON(cmd) {
		return printLogJSON(cmd.OutOrStdout(), infoOf(found))
	}
	out := cmd.OutOrStdout()
	if r := found.Repaired; r != nil {
		fmt.Fprintf(out, "torn tail: %d bytes from offset %d of %s: %s\n", r.BytesCut, r.Offset, r.File, r.Reason)
	}
	if found.SnapshotFile != "" {
		fmt.Fprintf(out, "snapshot: %s, %s, whole\n", found.SnapshotFile, fileOf(found.SnapshotBytes))
	}
	_, err = fmt.Fprintf(out, "ok: %s in %s, %d entries, term %d\n", count(found.Records, "record"), count(found.Segments, "segment"), found.Entries, found.Term)
	return err
}

func newLogLsCommand() *cobra.Command {
	var filter recordFilter
	cmd := &cobra.Command{
		Use:   "ls DIR",
		Short: "List the records, oldest first",
		Long: "List the records in the order in which they were written. An entry at an index that is there already takes the\n" +
			"place of that one and of all behind it. A mark says that everything before it was fsynced. A snapshot says that a file of that\n" +
			"name counts. Each segment begins with a start, the sum of all records before it. Entries that were written together are one\n" +
			"record: each is listed, with the same number, and place in the file; BYTES is what its data has. With -o json: one object a line.",
		Example: "  raftctl log ls data/n1\n  raftctl log ls data/n1 --last 20 -o json\n  raftctl log ls data/n1 --type entry --from 100 --to 120",
	}
	takesDataDir(cmd, func(cmd *cobra.Command, dir string) error {
		if err := filter.check(cmd); err != nil {
			return err
		}
		if err := filter.findFirst(dir); err != nil {
			return err
		}
		return listRecords(cmd.OutOrStdout(), dir, &filter, logAsJSON(cmd))
	})
	filter.flags(cmd)
	return cmd
}

// scanLog is wal.Scan, with one plain line for the commonest mistake.
func scanLog(dir string, visit func(wal.Record) error) (wal.Recovery, error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return wal.Recovery{}, fmt.Errorf("there is no directory %s: give the --data-dir of a node", dir)
	}
	return wal.Scan(dir, visit)
}

// listRecords prints as it reads, so that also a damaged log shows what comes before the damage.
func listRecords(out io.Writer, dir string, filter *recordFilter, asJSON bool) error {
	// Columns of a fixed width: a table that is laid out at the end would have to be kept.
	const line = "%8v %-8s %8v %8v %-8s %8v  %s\n"
	if !asJSON {
		fmt.Fprintf(out, line, "SEQ", "TYPE", "INDEX", "TERM", "KIND", "BYTES", "WHAT")
	}
	_, err := scanLog(dir, func(r wal.Record) error {
		if !filter.match(&r) {
			return nil
		}
		if asJSON {
			return printLogJSON(out, recordOf(r))
		}
		index, kind, bytes, what := "", "", r.Bytes, fmt.Sprintf("commit %d", r.Commit)
		switch r.Type {
		case "snapshot":
			index, what = fmt.Sprint(r.Snapshot.Index), snapshotText(r)
		case "start":
			index, what = fmt.Sprint(r.Last.Index), fmt.Sprintf("%s, commit %d, %s", votedFor(string(r.VotedFor)), r.Commit, snapshotText(r))
		case "hard":
			what = votedFor(string(r.VotedFor))
		case "entry":
			index, kind, what = fmt.Sprint(r.Entry.Index), kindName(r.Entry.Kind), entryInWords(r.Entry)
			bytes = int64(len(r.Entry.Data))
		}
		_, err := fmt.Fprintf(out, line, r.Seq, r.Type, index, blankIfZero(uint64(r.Term)), kind, bytes, what)
		return err
	})
	return err
}

// snapshotText says what a record knows of the snapshot.
func snapshotText(r wal.Record) string {
	if r.Snapshot.Index == 0 {
		return "no snapshot"
	}
	how := "taken"
	if r.Installed {
		how = "installed"
	}
	return fmt.Sprintf("snapshot %s at %d of term %d, %s, log from %d", how, r.Snapshot.Index, r.Snapshot.Term, fileOf(r.SnapshotBytes), r.Base.Index+1)
}

func blankIfZero(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// logExcerpt shows the beginning of an entry's data, with nothing that a terminal would obey.
func logExcerpt(data []byte) string {
	const most = 48
	if len(data) > most {
		return fmt.Sprintf("%q... (%d bytes)", data[:most], len(data))
	}
	return fmt.Sprintf("%q", data)
}

func kindName(kind consensus.EntryKind) string {
	switch kind {
	case consensus.EntryNoop:
		return "noop"
	case consensus.EntryCommand:
		return "command"
	case consensus.EntryValue:
		return "value"
	case consensus.EntryConfiguration:
		return "config"
	}
	return fmt.Sprint(uint8(kind))
}

// logRecord is one record in JSON, or one entry of a record. Data is in base64.
type logRecord struct {
	Seq      uint64  `json:"seq"`
	Synced   uint64  `json:"synced"`
	Type     string  `json:"type"`
	File     string  `json:"file"`
	Offset   int64   `json:"offset"`
	Bytes    int64   `json:"bytes"`
	Term     uint64  `json:"term,omitempty"`
	VotedFor *string `json:"votedFor,omitempty"`
	Commit   *uint64 `json:"commit,omitempty"`
	Entries  int     `json:"entriesInRecord,omitempty"`
	Index    uint64  `json:"index,omitempty"`
	Kind     string  `json:"kind,omitempty"`
	Data     []byte  `json:"data,omitempty"`

	LastIndex uint64       `json:"lastIndex,omitempty"`
	LastTerm  uint64       `json:"lastTerm,omitempty"`
	Snapshot  *logSnapshot `json:"snapshot,omitempty"`
}

// logSnapshot is what the log says of a snapshot, in JSON.
type logSnapshot struct {
	Index     uint64 `json:"index"`
	Term      uint64 `json:"term"`
	File      string `json:"file,omitempty"`
	Bytes     int64  `json:"bytes"`
	Members   string `json:"members,omitempty"`
	BaseIndex uint64 `json:"baseIndex"`
	BaseTerm  uint64 `json:"baseTerm"`
	Installed *bool  `json:"installed,omitempty"`
}

func recordOf(r wal.Record) logRecord {
	out := logRecord{Seq: r.Seq, Synced: r.Synced, Type: r.Type, File: r.File, Offset: r.Offset, Bytes: r.Bytes, Term: uint64(r.Term)}
	switch r.Type {
	case "hard":
		out.VotedFor = (*string)(&r.VotedFor)
	case "entry":
		out.Entries, out.Index, out.Kind, out.Data = r.Entries, uint64(r.Entry.Index), kindName(r.Entry.Kind), r.Entry.Data
	case "mark":
		out.Commit = (*uint64)(&r.Commit)
	case "start":
		out.VotedFor, out.Commit = (*string)(&r.VotedFor), (*uint64)(&r.Commit)
		out.LastIndex, out.LastTerm = uint64(r.Last.Index), uint64(r.Last.Term)
	}
	if r.Snapshot.Index > 0 {
		out.Snapshot = &logSnapshot{
			Index: uint64(r.Snapshot.Index), Term: uint64(r.Snapshot.Term), Bytes: r.SnapshotBytes,
			BaseIndex: uint64(r.Base.Index), BaseTerm: uint64(r.Base.Term), Installed: &r.Installed,
		}
	}
	return out
}

// logInfo is what is in a log, in JSON.
type logInfo struct {
	Cluster  string       `json:"cluster"`
	Node     string       `json:"node"`
	Store    string       `json:"store"`
	Start    uint64       `json:"start"`
	Segments int          `json:"segments"`
	Bytes    int64        `json:"bytes"`
	Records  uint64       `json:"records"`
	Entries  int          `json:"entries"`
	Last     uint64       `json:"lastIndex"`
	LastTerm uint64       `json:"lastTerm"`
	Term     uint64       `json:"term"`
	VotedFor string       `json:"votedFor"`
	Commit   uint64       `json:"commitAtLeast"`
	Snapshot *logSnapshot `json:"snapshot,omitempty"`
	Reserve  int64        `json:"reserveBytes"`
	TornTail *logTornTail `json:"tornTail,omitempty"`
}

type logTornTail struct {
	File   string `json:"file"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
	Reason string `json:"reason"`
}

func infoOf(r wal.Recovery) logInfo {
	info := logInfo{
		Cluster: r.Cluster, Node: string(r.Node), Store: r.Store, Start: r.Incarnation.Number,
		Segments: r.Segments, Bytes: r.Bytes, Records: r.Records, Entries: r.Entries,
		Last: uint64(r.LastIndex), LastTerm: uint64(r.LastTerm), Term: uint64(r.Term), VotedFor: string(r.VotedFor), Commit: uint64(r.Commit),
		Reserve: r.ReserveBytes,
	}
	if r.SnapshotFile != "" {
		info.Snapshot = &logSnapshot{
			Index: uint64(r.Snapshot.Index), Term: uint64(r.Snapshot.Term), File: r.SnapshotFile, Bytes: r.SnapshotBytes,
			Members: r.Members, BaseIndex: uint64(r.Base.Index), BaseTerm: uint64(r.Base.Term),
		}
	}
	if t := r.Repaired; t != nil {
		info.TornTail = &logTornTail{File: t.File, Offset: t.Offset, Bytes: t.BytesCut, Reason: t.Reason}
	}
	return info
}

func printInfo(out io.Writer, r wal.Recovery) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "node\t%q of cluster %q\n", r.Node, r.Cluster)
	fmt.Fprintf(w, "store\t%s, start %d\n", r.Store, r.Incarnation.Number)
	fmt.Fprintf(w, "term\t%d, %s\n", r.Term, votedFor(string(r.VotedFor)))
	if r.SnapshotFile != "" {
		fmt.Fprintf(w, "snapshot\tat %d of term %d, %s, %s\n", r.Snapshot.Index, r.Snapshot.Term, fileOf(r.SnapshotBytes), r.SnapshotFile)
		fmt.Fprintf(w, "members\t%s, as of the snapshot\n", r.Members)
	}
	if r.Entries == 0 {
		fmt.Fprintf(w, "entries\tnone\n")
	} else {
		fmt.Fprintf(w, "entries\t%d, from %d to %d, the last of term %d\n", r.Entries, r.Base.Index+1, r.LastIndex, r.LastTerm)
	}
	fmt.Fprintf(w, "commit\tat least %d\n", r.Commit)
	fmt.Fprintf(w, "records\t%d, with %d entries that count no more\n", r.Records, r.Written-r.Entries)
	fmt.Fprintf(w, "size\t%s in %s\n", api.Size(r.Bytes), count(r.Segments, "segment"))
	if r.ReserveBytes > 0 {
		fmt.Fprintf(w, "reserve\t%s of room, for when the disk is full\n", api.Size(r.ReserveBytes))
	}
	if t := r.Repaired; t != nil {
		fmt.Fprintf(w, "torn tail\t%d bytes from offset %d of %s: %s\n", t.BytesCut, t.Offset, t.File, t.Reason)
	}
	return w.Flush()
}

// logAsJSON looks at the -o that all commands of raftctl have.
func logAsJSON(cmd *cobra.Command) bool {
	flag := cmd.Flags().ShorthandLookup("o")
	return flag != nil && flag.Value.String() == "json"
}

func printLogJSON(out io.Writer, v any) error { return json.NewEncoder(out).Encode(v) }
