package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/wal"
)

// smallLog makes a data directory of node n1.
func smallLog(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	l, err := wal.Open(dir, wal.Options{Cluster: "c1", Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	err = l.Save([]consensus.Save{{
		HardState: &consensus.HardState{Term: 3, VotedFor: "n2"},
		Entries: []consensus.Entry{
			{Index: 1, Term: 2, Kind: consensus.EntryNoop},
			{Index: 2, Term: 3, Kind: consensus.EntryCommand, Data: []byte("put\x1b[2J\n")},
			{Index: 3, Term: 3, Kind: consensus.EntryValue, Data: bytes.Repeat([]byte("x"), 100)},
		},
		Commit: 2,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runLog runs `raftctl log args` under a root that has -o, as raftctl's has.
func runLog(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	var out bytes.Buffer
	root := &cobra.Command{Use: "raftctl", SilenceUsage: true, SilenceErrors: true}
	root.PersistentFlags().StringP("output", "o", "table", "")
	root.AddCommand(newLogCommand())
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"log"}, args...))
	err = root.Execute()
	return out.String(), err
}

func checkLogSays(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}

func TestLogInfo(t *testing.T) {
	dir := smallLog(t)
	out, err := runLog(t, "info", dir)
	if err != nil {
		t.Fatal(err)
	}
	checkLogSays(t, out, `"n1" of cluster "c1"`, `3, voted for "n2"`, "3, from 1 to 3, the last of term 3", ", start 1\n", "at least 2", " B in 1 segment\n")
	out, err = runLog(t, "info", "--data-dir", dir, "-o", "json")
	var info logInfo
	if err != nil || json.Unmarshal([]byte(out), &info) != nil || info.Node != "n1" || info.Last != 3 || info.Term != 3 || info.TornTail != nil {
		t.Errorf("%+v, %v", info, err)
	}
}

// A node that has only begun has voted for nobody, which was shown as voted for "", and has no entries, which were from 1 to 0.
func TestLogOfANodeThatOnlyBegan(t *testing.T) {
	dir := t.TempDir()
	l, err := wal.Open(dir, wal.Options{Cluster: "c1", Node: "n1", ReserveBytes: 64 << 10})
	if err == nil {
		err = l.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := runLog(t, "info", dir)
	if err != nil {
		t.Fatal(err)
	}
	checkLogSays(t, out, "voted for nobody\n", "entries  none\n", "64.0 KiB of room")
	if out, err = runLog(t, "ls", dir); err != nil || strings.Contains(out, `""`) {
		t.Errorf("%s, %v", out, err)
	}
}

func TestLogLs(t *testing.T) {
	dir := smallLog(t)
	out, err := runLog(t, "ls", dir)
	if err != nil {
		t.Fatal(err)
	}
	checkLogSays(t, out, "SEQ", "noop", `voted for "n2"`, `"put\x1b[2J\n"`, `xxx"... (100 bytes)`, "commit 2")
	if lines := strings.Count(out, "\n"); lines != 8 {
		t.Errorf("%d lines", lines)
	}
	out, err = runLog(t, "ls", dir, "--last", "2", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var value, mark logRecord
	if len(lines) != 2 || json.Unmarshal([]byte(lines[0]), &value) != nil || json.Unmarshal([]byte(lines[1]), &mark) != nil {
		t.Fatalf("got %s", out)
	}
	if value.Index != 3 || value.Kind != "value" || len(value.Data) != 100 || mark.Type != "mark" || *mark.Commit != 2 || mark.Synced != value.Seq {
		t.Errorf("got %+v, %+v", value, mark)
	}
	if out, err = runLog(t, "ls", dir, "--last", "99"); err != nil || strings.Count(out, "\n") != 8 {
		t.Errorf("%v\n%s", err, out)
	}
}

// Entries are shown as what they ask for.
func TestLogLsInWords(t *testing.T) {
	encoded := func(c kv.Command) consensus.Entry {
		data, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return consensus.Entry{Kind: consensus.EntryCommand, Data: data}
	}
	config := consensus.Configuration{{ID: "n1", Suffrage: consensus.Voter}, {ID: "n2", Suffrage: consensus.Joining}}
	for want, e := range map[string]consensus.Entry{
		`put "k" "v\n" if it is not there`:                    encoded(kv.Command{Op: kv.Put, Key: "k", Value: []byte("v\n"), If: kv.Condition{Kind: kv.IfAbsent}}),
		`append "k" "v" if it is there, number 3 of client c`: encoded(kv.Command{Op: kv.Append, Key: "k", Value: []byte("v"), If: kv.Condition{Kind: kv.IfExists}, Client: "c", Seq: 3}),
		`del "k" if its version is 7`:                         encoded(kv.Command{Op: kv.Delete, Key: "k", If: kv.Condition{Kind: kv.IfVersion, Version: 7}}),
		`members n1 n2(joining)`:                              {Kind: consensus.EntryConfiguration, Data: config.Encode()},
		`"\x02"`:                                              {Kind: consensus.EntryConfiguration, Data: []byte{2}},
		`"other"`:                                             {Kind: consensus.EntryCommand, Data: []byte("other")},
	} {
		if got := entryInWords(e); got != want {
			t.Errorf("says %s, want %s", got, want)
		}
	}
}

func TestLogVerify(t *testing.T) {
	dir := smallLog(t)
	out, err := runLog(t, "verify", dir)
	if err != nil {
		t.Fatal(err)
	}
	checkLogSays(t, out, "ok: 5 records in 1 segment, 3 entries, term 3")

	segment := filepath.Join(dir, "00000000000000000001")
	data, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	write := func(data []byte) {
		if err := os.WriteFile(segment, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(data[:len(data)-12]) // inside the last entry
	for _, command := range []string{"verify", "info"} {
		out, err = runLog(t, command, dir)
		if err != nil {
			t.Fatal(err)
		}
		checkLogSays(t, out, "torn tail", "00000000000000000001", "behind the end of the file")
	}
	if out, err = runLog(t, "verify", dir, "-o", "json"); err != nil || !strings.Contains(out, `"tornTail":{`) {
		t.Errorf("%v\n%s", err, out)
	}
	data[20] ^= 1
	write(data)
	for _, command := range []string{"verify", "info", "ls"} {
		_, err = runLog(t, command, dir)
		if err == nil {
			t.Fatalf("%s: a damaged log is fine", command)
		}
		checkLogSays(t, err.Error(), dir, "00000000000000000001 at offset", "checksum")
	}
}

// A snapshot is shown, with who took part in it; one that is damaged is a reason to refuse.
func TestLogWithASnapshot(t *testing.T) {
	dir := smallLog(t)
	l, err := wal.Open(dir, wal.Options{Cluster: "c1", Node: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	at := consensus.Position{Index: 2, Term: 3}
	snapshot := &consensus.Snapshot{Position: at, Config: consensus.Voters("n1", "n2"), Data: []byte("state")}
	config := consensus.Entry{Index: 4, Term: 3, Kind: consensus.EntryConfiguration, Data: consensus.Voters("n1").Encode()}
	err = l.Save([]consensus.Save{{Snapshot: snapshot, Base: at, Commit: 3}, {Entries: []consensus.Entry{config}}})
	if err = errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	const file = "snapshot-00000000000000000002-00000000000000000003"
	for command, wants := range map[string][]string{
		"info":   {"at 2 of term 3, ", ", a file of ", " B, " + file, "n1 n2, as of the snapshot", "2, from 3 to 4, the last of term 3"},
		"verify": {"snapshot: " + file, "whole", "2 entries"},
		"ls":     {"snapshot taken at 2 of term 3", "log from 3", "config", "members n1\n"},
	} {
		out, err := runLog(t, command, dir)
		if err != nil {
			t.Fatal(err)
		}
		checkLogSays(t, out, wants...)
	}
	out, err := runLog(t, "info", dir, "-o", "json")
	var info logInfo
	if err != nil || json.Unmarshal([]byte(out), &info) != nil || info.Snapshot == nil || info.Snapshot.Index != 2 || info.Snapshot.BaseTerm != 3 || info.Snapshot.File != file {
		t.Errorf("%s, %v", out, err)
	}
	if out, err = runLog(t, "ls", dir, "-o", "json"); err != nil || !strings.Contains(out, `"installed":false`) {
		t.Errorf("%s, %v", out, err)
	}
	if err := os.Truncate(filepath.Join(dir, file), 40); err != nil {
		t.Fatal(err)
	}
	if _, err = runLog(t, "verify", dir); err == nil {
		t.Fatal("a damaged snapshot is fine")
	}
	checkLogSays(t, err.Error(), file+" at offset 0")
}

func TestLogBadUsage(t *testing.T) {
	for _, args := range [][]string{{"info"}, {"verify", "a", "b"}, {"ls", t.TempDir(), "--last", "-1"}, {"ls", t.TempDir(), "--last", "2"}, {"info", filepath.Join(t.TempDir(), "absent")}} {
		if _, err := runLog(t, args...); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func TestLogOfADirectorySuggestsInfo(t *testing.T) {
	dir := t.TempDir()
	if _, stderr, exit := ctl(t, "", "log "+dir); exit != exitUsage || !strings.Contains(stderr, "raftctl log info "+dir) {
		t.Errorf("exit %d, %s", exit, stderr)
	}
}

func TestLogOfAMissingDirectoryNamesItOnce(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent")
	for _, command := range []string{"info", "verify", "ls"} {
		_, err := runLog(t, command, absent)
		if err == nil || strings.Count(err.Error(), absent) != 1 || !strings.Contains(err.Error(), "--data-dir") {
			t.Errorf("%s: %v", command, err)
		}
	}
}
