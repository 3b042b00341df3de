package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/cmd/internal/storefile"
	"github.com/raftnode/raft/wal"
)

// A grade is what came of a check.
type grade string

const (
	gradeOK   grade = "ok"
	gradeSkip grade = "skip" // it was not made
	gradeWarn grade = "warn"
	gradeFail grade = "FAIL" // a node would refuse the directory
)

// finding is one line of `raftctl doctor`.
type finding struct {
	Check string `json:"check"`
	Grade grade  `json:"grade"`
	What  string `json:"what"`
	Do    string `json:"do,omitempty"`
}

// diagnosis is all that `raftctl doctor` says.
type diagnosis struct {
	Dir      string    `json:"dir"`
	Node     string    `json:"node,omitempty"`
	Findings []finding `json:"findings"`
	Verdict  string    `json:"verdict"`
	Recover  []string  `json:"recover,omitempty"` // how to bring the node back
	damaged  bool
}

func newDoctorCommand() *cobra.Command {
	var noWrite bool
	cmd := &cobra.Command{
		Use:   "doctor DIR",
		Short: "Examine a data directory: is it healthy, and if not, what to do",
		Long: "doctor examines the data directory of a node, running or not, and says what to do about what it finds. It changes nothing; it\n" +
			"writes a temporary file there to measure how long an fsync takes, and removes it. Beside a running node, the newest records\n" +
			"may still be on their way.\n\n" +
			"Exit 0: healthy, or warnings only. Exit 1: damaged, a node would refuse the directory; or it cannot be read.",
		Example: "  raftctl doctor data/n1\n  raftctl doctor --data-dir data/n1 --no-write -o json",
	}
	takesDataDir(cmd, func(cmd *cobra.Command, dir string) error {
		if err := checkDataDir(cmd, "DIR", dir); err != nil {
			return err
		}
		d := examine(dir, !noWrite)
		print := d.print
		if logAsJSON(cmd) {
			print = func(out io.Writer) error { return printLogJSON(out, d) }
		}
		if err := print(cmd.OutOrStdout()); err != nil || !d.damaged {
			return err
		}
		verdict, _, _ := strings.Cut(d.Verdict, ":")
		return fmt.Errorf("doctor: %s: %s", dir, verdict)
	})
	cmd.Flags().BoolVar(&noWrite, "no-write", false, "write nothing: do not measure fsync")
	return cmd
}

// checkDataDir refuses what holds nothing of a log, so is no data directory.
func checkDataDir(cmd *cobra.Command, name, dir string) error {
	if dir == "" {
		return usage(cmd, "%s is missing: give the --data-dir of a node", name)
	}
	list, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return usage(cmd, "there is no directory %s: give the --data-dir of a node", dir)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: run raftctl as the user that the node runs as", err)
	}
	if err != nil {
		return usage(cmd, "%v: give the --data-dir of a node", err)
	}
	for _, e := range list {
		if name := e.Name(); name != "LOCK" && name != "reserve" && isLogFile(name) {
			return nil
		}
	}
	return usage(cmd, "there is no log in %s: give the --data-dir of a node", dir)
}

// isLogFile tells whether package wal gives such names; see wal/FORMAT.md.
func isLogFile(name string) bool {
	name = strings.TrimSuffix(name, ".tmp")
	digits := len(name) >= 20 && strings.Trim(name[:20], "0123456789") == ""
	return name == "identity" || name == "newest" || name == "incarnation" || name == "LOCK" || name == "reserve" || digits || strings.HasPrefix(name, "snapshot-")
}

// examine makes all checks.
func examine(dir string, write bool) *diagnosis {
	d := &diagnosis{Dir: dir}
	lock, busy := checkLock(dir)
	found, err := scanBeside(busy, func() (wal.Recovery, error) { return wal.Scan(dir, nil) })
	d.Node = string(found.Node)
	d.add(checkIdentity(found, err), checkModes(dir), lock, checkStores(dir, found), checkLog(found, err, busy), checkSnapshot(found, err),
		checkLeftovers(dir, found, err, busy), checkSpace(dir, found.ReserveBytes), checkFsync(dir, write))
	d.conclude(err)
	return d
}

// scanBeside reads the log. Beside a node that runs, a compaction may remove a file under its hands: it tries again.
func scanBeside(busy bool, scan func() (wal.Recovery, error)) (found wal.Recovery, err error) {
	for range 3 {
		if found, err = scan(); err == nil || !busy {
			break
		}
	}
	return found, err
}

func (d *diagnosis) add(findings ...finding) { d.Findings = append(d.Findings, findings...) }

// conclude draws the verdict from the findings. err is the scan's.
func (d *diagnosis) conclude(err error) {
	d.Verdict = "healthy"
	for _, f := range d.Findings {
		switch {
		case f.Grade == gradeWarn && !d.damaged:
			d.Verdict = "look at the warnings"
		case f.Grade == gradeFail && !d.damaged:
			d.damaged, d.Verdict = true, "damaged: "+f.Check+": "+f.What
		}
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		d.Verdict = "unknown: the directory cannot be read by this user"
	case d.damaged:
		d.Recover = recoverSteps(d.Node)
	}
}

// recoverSteps is how to bring a node back whose directory is lost.
func recoverSteps(node string) []string {
	id, why := "ID", "the old id"
	if node != "" {
		id = plainWord(node)
		why = id
	}
	return []string{
		"if the disk can give the files back as they were last, put them back, all of them. An older copy will not do: it forgot, too",
		"else keep the directory for a look later, and start no node on it",
		"raftctl members remove " + id,
		"raftnode serve --id NEW --join --data-dir EMPTY ..., with an id that was never used and an empty directory",
		"raftctl members add NEW=HOST:PORT, and see it become a voter in `raftctl members`",
		why + " must not come back empty: it forgot whom it voted for and what it acknowledged, so it could vote twice in a term and " +
			"help to elect a leader without writes that clients were told are safe",
	}
}

// plainWord is s as it can be typed, or quoted if it has what a shell or a terminal would obey.
func plainWord(s string) string {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("-_.:", c) {
			return strconv.Quote(s)
		}
	}
	return s
}

func (d *diagnosis) print(out io.Writer) error {
	fmt.Fprintf(out, "data directory %s\n\n", d.Dir)
	for _, f := range d.Findings {
		fmt.Fprintf(out, "%-4s  %-11s  %s\n", f.Grade, f.Check, f.What)
		if f.Do != "" {
			fmt.Fprintf(out, "%19s-> %s\n", "", f.Do)
		}
	}
	if len(d.Recover) > 0 {
		fmt.Fprintln(out, "\nto bring the node back:")
	}
	for i, step := range d.Recover {
		fmt.Fprintf(out, "  %d. %s\n", i+1, step)
	}
	_, err := fmt.Fprintf(out, "\nverdict: %s\n", d.Verdict)
	return err
}

// findLogFiles lists the files in dir that guard what the node promised: package wal's, and what raftnode remembers of the others.
func findLogFiles(dir string) ([]fs.FileInfo, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var files []fs.FileInfo
	for _, e := range list {
		if !isLogFile(e.Name()) && e.Name() != storefile.Name {
			continue
		}
		info, err := os.Lstat(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // a node that runs has removed it
		}
		if err != nil {
			return nil, err
		}
		files = append(files, info)
	}
	return files, nil
}
