package wal

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/raftnode/raft/raft/consensus"
)

func TestDirectoryOfAnotherNodeOrCluster(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, mustOpen(t, dir, testOptions))
	for _, test := range []struct {
		opts Options
		want []string
	}{
		{Options{Cluster: "c1", Node: "n2"}, []string{dir, `node "n1"`, `not to node "n2"`, neverEmpty}},
		{Options{Cluster: "c2", Node: "n1"}, []string{dir, `cluster "c1"`, `not to cluster "c2"`, neverEmpty}},
	} {
		_, err := Open(dir, test.opts)
		if err == nil {
			t.Fatalf("%+v: it was opened", test.opts)
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("the error does not say %q: %v", want, err)
			}
		}
	}
	mustClose(t, mustOpen(t, dir, testOptions)) // a refusal keeps nothing locked
}

func TestSecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	_, err := Open(dir, testOptions)
	if want := "in use by process " + strconv.Itoa(os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("second open: %v, want %q in it", err, want)
	}
	writeTestFile(t, dir, lockName, []byte("nonsense"))
	if _, err := Open(dir, testOptions); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("second open: %v", err)
	}
	mustClose(t, l)
	mustClose(t, mustOpen(t, dir, testOptions))
}

func TestBadOptions(t *testing.T) {
	long := strings.Repeat("x", maxIDBytes+1)
	for _, opts := range []Options{
		{Node: "n1"},
		{Cluster: "c1"},
		{Cluster: long, Node: "n1"},
		{Cluster: "c1", Node: consensus.ServerID(long)},
		{Cluster: "c1", Node: "n1", SegmentBytes: -1},
		{Cluster: "c1", Node: "n1", SegmentBytes: minSegmentBytes - 1},
		{Cluster: "c1", Node: "n1", SegmentBytes: maxSegmentBytes + 1},
	} {
		dir := filepath.Join(t.TempDir(), "x")
		if _, err := Open(dir, opts); err == nil || !strings.Contains(err.Error(), "give") {
			t.Errorf("%.40v: %v", opts, err)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Error("the directory was created all the same")
		}
	}
}

func TestDirectoryThatIsAFile(t *testing.T) {
	dir := t.TempDir()
	writeTestFile(t, dir, "file", nil)
	if _, err := Open(filepath.Join(dir, "file"), testOptions); err == nil || !strings.Contains(err.Error(), "must be a directory") {
		t.Errorf("open: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "file", "below"), testOptions); err == nil {
		t.Error("a directory below a file was opened")
	}
}

// Names are free text: they come back as they were, whatever is in them.
func TestOddNames(t *testing.T) {
	for _, name := range []string{"\nchecksum: 00000000\n", `"`, "\x00\xff", "ä ö", strings.Repeat("\U0010ffff", maxIDBytes/4)} {
		dir := t.TempDir()
		opts := Options{Cluster: name, Node: consensus.ServerID(name)}
		mustClose(t, mustOpen(t, dir, opts))
		l := mustOpen(t, dir, opts)
		if r := l.Recovery(); r.Cluster != name || r.Node != consensus.ServerID(name) {
			t.Errorf("%q came back as %q and %q", name, r.Cluster, r.Node)
		}
	}
}

func TestIdentityOfANewerFormat(t *testing.T) {
	dir := t.TempDir()
	writeTestFile(t, dir, identityName, sealed("raft log\nformat: 4\nshape: round\n"))
	if _, err := Open(dir, testOptions); err == nil || !strings.Contains(err.Error(), "format of its files is 4") {
		t.Errorf("open: %v", err)
	}
	for _, text := range []string{"something else\n", "raft log\n", "raft log\nformat: 3\n", "raft log\nformat: 3\ncluster: \"c1\"\nnode: \"n1\"\nstore: 0\nextra: 1\n"} {
		writeTestFile(t, dir, identityName, sealed(text))
		if _, err := Open(dir, testOptions); err == nil || !strings.Contains(err.Error(), "identity at offset 0: expected") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A kill may come anywhere in the creation of the directory, and of a segment.
func TestInterruptedCreation(t *testing.T) {
	id := newIdentity(testOptions)
	identity, newest, first := sealed(id.text()), sealed(newestText(id, 1)), firstRecord(id)
	for _, test := range []struct {
		name  string
		files map[string][]byte
		isNew bool
	}{
		{"directory only", nil, true},
		{"locked", map[string][]byte{lockName: nil}, true},
		{"identity half written", map[string][]byte{identityName + tmpSuffix: identity[:20]}, true},
		{"identity written", map[string][]byte{identityName + tmpSuffix: identity}, true},
		{"identity renamed", map[string][]byte{identityName: identity}, false},
		{"segment created", map[string][]byte{identityName: identity, segmentName(1): nil}, false},
		{"first record half written", map[string][]byte{identityName: identity, segmentName(1): first[:4]}, false},
		{"first record not there yet", map[string][]byte{identityName: identity, segmentName(1): make([]byte, len(first))}, false},
		{"first record written", map[string][]byte{identityName: identity, segmentName(1): first}, false},
		{"newest half written", map[string][]byte{identityName: identity, segmentName(1): first, newestName + tmpSuffix: newest[:9]}, false},
		{"newest renamed", map[string][]byte{identityName: identity, segmentName(1): first, newestName: newest}, false},
		{"incarnation half written", map[string][]byte{identityName: identity, segmentName(1): first, newestName: newest, incarnationName + tmpSuffix: {1}}, false},
		{"litter of tidwall/wal", map[string][]byte{segmentName(7) + ".START.TEMP": nil, segmentName(7) + ".END.TEMP": {1}}, true},
		{"files of others", map[string][]byte{"addresses.json": []byte("{}"), "12345": nil}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := dirWith(t, test.files)
			l := mustOpen(t, dir, testOptions)
			if l.Recovery().NewDirectory != test.isNew {
				t.Errorf("new: %t, want %t", l.Recovery().NewDirectory, test.isNew)
			}
			checkSaved(t, mustLoad(t, l), consensus.Saved{})
			mustSave(t, l, story()...)
			mustClose(t, l)
			checkSaved(t, reopened(t, dir), shadow(story()))
			for name := range files(t, dir) {
				if strings.HasSuffix(name, tmpSuffix) || strings.HasSuffix(name, ".TEMP") {
					t.Errorf("%s is still there", name)
				}
			}
		})
	}
}

// firstRecord is what creation writes into the first segment, but for a mark.
func firstRecord(id identity) []byte {
	payload := id.salt().appendRecord(nil, &record{kind: recordStart, seq: 1, back: 1})
	return append([]byte{byte(len(payload))}, payload...)
}

// A new log has a record, so that one without any is known to have lost it.
func TestANewLogHasARecord(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, mustOpen(t, dir, testOptions))
	content := files(t, dir)
	if got, want := content[segmentName(1)], firstRecord(mustIdentity(t, content)); !bytes.HasPrefix(got, want) {
		t.Errorf("the first segment holds %x, want %x", got, want)
	}
	checkNewest(t, dir)
	mustClose(t, mustOpen(t, dir, testOptions))
	if got := files(t, dir)[segmentName(1)]; !bytes.Equal(got, content[segmentName(1)]) {
		t.Errorf("it was written again: %x", got)
	}
}

// The kill comes while the next segment is made: before it exists, and before "newest" names it.
func TestInterruptedCreationOfASegment(t *testing.T) {
	opts := testOptions
	opts.SegmentBytes = 4096
	content, names, want := longLog(t, opts)
	last := names[len(names)-1]
	before := newestText(mustIdentity(t, content), mustNumber(t, names[len(names)-2]))
	for _, kept := range []bool{false, true} {
		changed := map[string][]byte{}
		for name, data := range content {
			changed[name] = data
		}
		changed[newestName] = sealed(before)
		changed[newestName+tmpSuffix] = content[newestName][:5]
		if kept {
			changed[last] = nil
		} else {
			delete(changed, last)
		}
		dir := dirWith(t, changed)
		l := mustOpen(t, dir, opts)
		got := mustLoad(t, l)
		n := len(got.Entries)
		if n == 0 || n > len(want.Entries) || !equal(got, consensus.Saved{HardState: want.HardState, Entries: want.Entries[:n]}) {
			t.Fatalf("got %s", brief(got))
		}
		checkNewest(t, dir)
		mustSave(t, l, consensus.Save{Entries: want.Entries[n:]})
		checkNewest(t, dir)
		mustClose(t, l)
		checkSaved(t, reopened(t, dir), want)
	}
}

func mustIdentity(t *testing.T, content map[string][]byte) identity {
	t.Helper()
	id, err := readIdentity(dirWith(t, content))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func mustNumber(t *testing.T, name string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(name, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestRecoveryReport(t *testing.T) {
	content, list, states := smallLog(t, 20)
	dir := dirWith(t, content)
	l := mustOpen(t, dir, testOptions)
	r := l.Recovery()
	want := states[len(states)-1]
	if r.Cluster != "c1" || r.Node != "n1" || len(r.Store) != 32 || r.NewDirectory || r.Segments != 1 ||
		r.Bytes != int64(len(content[segmentName(1)])) || r.Records != list[len(list)-1].Seq || r.Written != 3+1+4+1+2+1+4 ||
		r.Entries != len(want.Entries) || r.LastIndex != 11 || r.LastTerm != 6 || r.Term != 6 || r.VotedFor != "n1" || r.Commit != 7 ||
		r.Repaired != nil || r.Duration <= 0 {
		t.Errorf("recovery: %+v", r)
	}
}

// Scan looks at the directory of a running node and changes nothing.
func TestScanBesideARunningNode(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir, testOptions)
	for i, save := range story() {
		mustSave(t, l, save)
		before := files(t, dir)
		list := records(t, dir)
		checkSaved(t, prefixStates(list)[len(list)], shadow(story()[:i+1]))
		report, err := Scan(dir, nil)
		if err != nil || report.Entries != len(shadow(story()[:i+1]).Entries) {
			t.Errorf("%+v, %v", report, err)
		}
		for name, data := range files(t, dir) {
			if !bytes.Equal(before[name], data) {
				t.Errorf("%s was changed", name)
			}
		}
	}
}

func TestScanOfNoLog(t *testing.T) {
	if _, err := Scan(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "no raft log") {
		t.Errorf("scan: %v", err)
	}
	if _, err := Scan(filepath.Join(t.TempDir(), "absent"), nil); err == nil {
		t.Error("a directory that does not exist was scanned")
	}
}

func TestScanEndsWhenTheVisitorSaysSo(t *testing.T) {
	content, _, _ := smallLog(t, 1)
	n := 0
	_, err := Scan(dirWith(t, content), func(Record) error { n++; return os.ErrClosed })
	if n != 1 || err == nil || !strings.Contains(err.Error(), os.ErrClosed.Error()) {
		t.Errorf("%d records visited, %v", n, err)
	}
}
