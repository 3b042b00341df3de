package readme

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

const root = "../.."

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func marked(t *testing.T, lang string) []block {
	t.Helper()
	all, err := blocks(readme(t))
	if err != nil {
		t.Fatalf("README.md: %v", err)
	}
	var chosen []block
	for _, b := range all {
		if b.lang == lang || b.lang == "" && lang == "sh" {
			chosen = append(chosen, b)
		}
	}
	if len(chosen) == 0 {
		t.Fatalf("README.md has no %s block that is marked to be run, so this test tries nothing", lang)
	}
	return chosen
}

func TestBlocks(t *testing.T) {
	text := "```sh\nno\n```\n```sh walk node=n1\nyes \\\n  more\n```\n<!-- walk: restart -->\n```sh walk leader=n1 want=a,b\nx\n```\n```go run\ny\n```\n"
	want := []block{
		{line: 4, lang: "sh", node: "n1", text: "yes \\\n  more\n"},
		{line: 8},
		{line: 9, lang: "sh", leader: "n1", want: []string{"a", "b"}, text: "x\n"},
		{line: 12, lang: "go", text: "y\n"},
	}
	if got, err := blocks(text); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("blocks gives %+v, %v; want %+v", got, err, want)
	}
	for _, wrong := range []string{"```sh walk\nx\n", "```sh wakl\n```\n", "```sh walk nod=n1\n```\n"} {
		if got, err := blocks(wrong); err == nil {
			t.Errorf("blocks of %q gives %v and no error", wrong, got)
		}
	}
}

func TestMakeTargetsExist(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?m)(?:`|^)make ([a-z]+)").FindAllSubmatch(text, -1) {
			if !regexp.MustCompile(`(?m)^` + string(m[1]) + `:`).Match(makefile) {
				t.Errorf("%s tells to type make %s, and the Makefile has no such target", name, m[1])
			}
		}
	}
}

func TestProgram(t *testing.T) {
	for _, b := range marked(t, "go") {
		name := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(name, []byte(b.text), 0o600); err != nil {
			t.Fatal(err)
		}
		vet := exec.CommandContext(t.Context(), "go", "vet", name)
		run := exec.CommandContext(t.Context(), "go", "run", name)
		for _, cmd := range []*exec.Cmd{vet, run} {
			cmd.Dir = root
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("README.md:%d: %v: %v\n%s", b.line, cmd.Args, err, out)
			}
			if cmd == run {
				b.check(t, string(out))
			}
		}
	}
}

func (b block) check(t *testing.T, out string) {
	t.Helper()
	for _, want := range b.want {
		if !strings.Contains(out, strings.Trim(want, `'"`)) {
			t.Errorf("README.md:%d: it prints %q, want %s in it", b.line, out, want)
		}
	}
}

// walkTime bounds the whole walk, so that a node that hangs is reported and not waited for.
const walkTime = 2 * time.Minute

func TestWalk(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three processes")
	}
	ctx, cancel := context.WithTimeout(t.Context(), walkTime)
	defer cancel()
	w := &walk{ctx: ctx, dir: t.TempDir(), places: places(t), nodes: map[string]*terminal{}, commands: map[string]block{}}
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(w.dir, "bin")+"/", "./cmd/raftnode", "./cmd/raftctl", "./cmd/raftdrill")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	defer w.end(t)
	for _, b := range marked(t, "sh") {
		w.step(t, b)
		if t.Failed() {
			w.say(t)
			return
		}
	}
	w.awaitCaughtUp(t)
}

// walk is what a reader has on the desk.
type walk struct {
	ctx      context.Context
	dir      string
	places   *strings.Replacer
	nodes    map[string]*terminal
	commands map[string]block // that started the nodes
	killed   string
}

// terminal is one in which a node runs.
type terminal struct {
	cmd   *exec.Cmd
	said  bytes.Buffer // read it after ended
	ended chan struct{}
}

// places replaces the addresses in the README by others that are free.
func places(t *testing.T) *strings.Replacer {
	t.Helper()
	var pairs []string
	for _, port := range []int{7001, 7002, 7003, 7004, 8001, 8002, 8003, 8004} {
		ln, err := net.Listen("tcp", host()+":0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close() // at the end, so that no port is given twice
		pairs = append(pairs, fmt.Sprintf("127.0.0.1:%d", port), ln.Addr().String())
	}
	return strings.NewReplacer(pairs...)
}

// host is a loopback address of our own where the system has more than one: a port that is free there stays
// free, since nobody else asks for it.
func host() string {
	pid := os.Getpid()
	own := fmt.Sprintf("127.%d.%d.%d", 64+pid>>14&63, pid>>7&127, 1+pid&127)
	ln, err := net.Listen("tcp", own+":0")
	if err != nil {
		return "127.0.0.1"
	}
	ln.Close()
	return own
}

// sh is a command as the reader would type it, in a process group of its own.
func (w *walk) sh(text string) *exec.Cmd {
	cmd := exec.CommandContext(w.ctx, "sh", "-euc", w.places.Replace(text))
	cmd.Dir = w.dir
	// raftctl's default endpoints are those of the README.
	cmd.Env = append(os.Environ(), "RAFTCTL_ENDPOINTS="+w.places.Replace("127.0.0.1:8001,127.0.0.1:8002,127.0.0.1:8003"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func (w *walk) step(t *testing.T, b block) {
	t.Helper()
	switch {
	case b.lang == "":
		w.start(t, w.commands[w.killed])
		return
	case b.node != "":
		w.commands[b.node] = b
		w.start(t, b)
		return
	case b.leader != "":
		w.killed = w.leader(t)
		// Whole words only: n1 is also in other words.
		b.text = regexp.MustCompile(`\b`+b.leader+`\b`).ReplaceAllString(b.text, w.killed)
	}
	out, err := w.sh(b.text).CombinedOutput()
	if err != nil {
		t.Errorf("README.md:%d: %v\n%s\n%s", b.line, err, b.text, out)
	}
	b.check(t, string(out))
	if b.leader != "" && err == nil {
		<-w.nodes[w.killed].ended
	}
}

// start starts a node, and waits until it says where it listens.
func (w *walk) start(t *testing.T, b block) {
	t.Helper()
	// The shell becomes the node, as if it had been typed there.
	node := &terminal{cmd: w.sh("exec " + b.text), ended: make(chan struct{})}
	node.cmd.Stdout, node.cmd.Stderr = &node.said, &node.said
	if err := node.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = node.cmd.Wait() // how it ended is in ProcessState
		close(node.ended)
	}()
	w.nodes[b.node] = node
	w.await(t, b.node+" says where it listens", func() bool {
		var at struct{ PID int }
		text, err := os.ReadFile(filepath.Join(w.dir, "data", b.node, "addresses.json"))
		return err == nil && json.Unmarshal(text, &at) == nil && at.PID == node.cmd.Process.Pid
	})
}

type status struct {
	ID, Leader      string
	Commit, Applied uint64
}

// status asks one node over HTTP; nil if it does not answer.
func (w *walk) status(id string) *status {
	out, err := w.sh("curl -sf http://127.0.0.1:800" + id[1:] + "/v1/status").Output()
	var s status
	if err != nil || json.Unmarshal(out, &s) != nil {
		return nil
	}
	return &s
}

func (w *walk) leader(t *testing.T) (leader string) {
	t.Helper()
	w.await(t, "a node leads", func() bool {
		for id := range w.nodes {
			if s := w.status(id); s != nil && s.Leader == s.ID {
				leader = id
			}
		}
		return leader != ""
	})
	return leader
}

// awaitCaughtUp waits until all nodes that run have applied the same.
func (w *walk) awaitCaughtUp(t *testing.T) {
	t.Helper()
	w.await(t, "all nodes have applied the same", func() bool {
		applied := map[uint64]bool{}
		for id, node := range w.nodes {
			select {
			case <-node.ended: // the reader ended it; how, is looked at in the end
				continue
			default:
			}
			s := w.status(id)
			if s == nil || s.Applied != s.Commit {
				return false
			}
			applied[s.Applied] = true
		}
		return len(applied) == 1
	})
}

// await asks until it is so.
func (w *walk) await(t *testing.T, what string, so func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !so() {
		select {
		case <-again.C:
		case <-w.ctx.Done():
			t.Errorf("it never came about that %s", what)
			w.say(t)
			t.FailNow()
		}
	}
}

// say shows what the nodes said. It ends them first.
func (w *walk) say(t *testing.T) {
	t.Helper()
	for id, node := range w.nodes {
		_ = node.cmd.Process.Kill() // it may have ended
		<-node.ended
		t.Logf("%s said:\n%s", id, node.said.String())
	}
}

// end types Ctrl-C in each terminal.
func (w *walk) end(t *testing.T) {
	t.Helper()
	for id, node := range w.nodes {
		_ = node.cmd.Process.Signal(os.Interrupt) // it may have ended
		<-node.ended
		if !t.Failed() && node.cmd.ProcessState.ExitCode() != 0 {
			t.Errorf("%s: %v after Ctrl-C, want exit 0:\n%s", id, node.cmd.ProcessState, node.said.String())
		}
	}
}
