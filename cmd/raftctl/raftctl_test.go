package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
	"github.com/raftnode/raft/kv/server"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

// oneNode commits at once: a cluster of one without disk or network.
type oneNode struct {
	store *kv.Store

	mu     sync.Mutex
	status raft.Status
	fail   error

	changes   []consensus.Change
	successor raft.ServerID // who leads after a transfer
	elsewhere string        // if set, where the leader serves clients
}

func (n *oneNode) Propose(_ context.Context, command any) (raft.Applied, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail != nil {
		return raft.Applied{}, n.fail
	}
	n.status.LastLogIndex++
	n.status.CommitIndex, n.status.LastApplied = n.status.LastLogIndex, n.status.LastLogIndex
	c := raft.Command{Index: n.status.LastLogIndex, Term: n.status.Term, Value: command}
	return raft.Applied{Index: c.Index, Term: c.Term, Result: n.store.Apply([]raft.Command{c})[0]}, nil
}

func (n *oneNode) ProposeAll(offers []raft.Offer) {
	for _, o := range offers {
		o.To.Done(n.Propose(context.Background(), o.Command))
	}
}

func (n *oneNode) ReadAsync(done func(raft.Index, error)) { done(n.Read(context.Background())) }

func (n *oneNode) Submit(any) (raft.Index, raft.Term, error) {
	return 0, 0, errors.New("raftctl always waits")
}

func (n *oneNode) Read(context.Context) (raft.Index, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status.LastApplied, n.fail
}

func (n *oneNode) Status() raft.Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status
}

// ChangeMembership answers as the algorithm would for a removal or addition.
func (n *oneNode) ChangeMembership(_ context.Context, changes ...consensus.Change) (raft.Index, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes = append(n.changes, changes...)
	return 21, n.fail
}

func (n *oneNode) TransferLeadership(_ context.Context, to raft.ServerID) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fail == nil {
		n.status.Leader, n.status.Role, n.status.Term = n.successor, consensus.Follower, 3
	}
	return n.fail
}

func (n *oneNode) Compact(_ context.Context, upTo raft.Index, snapshot []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status.Snapshot.Index, n.status.SnapshotBytes = upTo, len(snapshot)
	return n.fail
}

func (n *oneNode) failWith(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = err
}

// start serves a node; between stands before the real handler, if set.
func start(t *testing.T, between func(http.Handler) http.Handler) (n *oneNode, addr string) {
	t.Helper()
	n = &oneNode{store: kv.NewStore()}
	n.status.ID, n.status.Leader, n.status.Role, n.status.Term = "n1", "n1", consensus.Leader, 2
	n.status.LastLogIndex = 10
	n.status.Now = 3e9
	n.status.Config = consensus.Voters("n1", "n2", "n3")
	n.status.Members = []consensus.MemberStatus{
		{ID: "n1", MatchIndex: 10, Suffrage: consensus.Voter, Address: "peer:1"},
		{ID: "n2", MatchIndex: 7, LastContact: 2_980_000_000, Suffrage: consensus.Learner, Address: "peer:2"},
		{ID: "n3", Suffrage: consensus.Joining, SendingSnapshot: true, SnapshotSent: 40},
	}
	n.status.SnapshotBytes = 160
	handler, err := server.New(server.Config{
		Raft: n, Store: n.store, Cluster: "c0ffee", Version: "v0",
		ClientAddress: func(id raft.ServerID) (string, bool) {
			if n.elsewhere != "" && id == n.status.Leader {
				return n.elsewhere, true
			}
			return "host:" + string(id[1:]), id != "n3"
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var h http.Handler = handler
	if between != nil {
		h = between(h)
	}
	ts := httptest.NewServer(h)
	t.Cleanup(func() { ts.Close(); handler.Close() })
	return n, ts.Listener.Addr().String()
}

// nobody is an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// ctl runs raftctl with the words of the line, and stdin.
func ctl(t *testing.T, stdin, line string, more ...string) (stdout, stderr string, exit int) {
	t.Helper()
	var out, talk bytes.Buffer
	exit = run(t.Context(), append(strings.Fields(line), more...), strings.NewReader(stdin), &out, &talk)
	return out.String(), talk.String(), exit
}

// The conversation of one user with one node: each line with what is printed and the exit code.
func TestAConversation(t *testing.T) {
	_, addr := start(t, nil)
	t.Setenv(endpointsEnv, addr)
	for _, test := range []struct {
		line   string
		stdin  string
		exit   int
		stdout string
		stderr string // a part of it; "": nothing at all
	}{
		{"get motd", "", 1, "", "there is no such key\n"},
		{"put motd hello", "", 0, "index 11, term 2\n", ""},
		{"get motd", "", 0, "hello", ""},
		{"get motd -o json", "", 0, `{"key":"motd","value":"hello","version":11,"index":11}` + "\n", ""},
		{"get --stale motd", "", 0, "hello", ""},
		{"put motd -", "from\nstdin", 0, "index 12, term 2\n", ""},
		{"append motd - -o json", "!", 0, `{"index":13,"term":2}` + "\n", ""},
		{"get motd", "", 0, "from\nstdin!", ""},
		{"put --create motd x", "", 1, "", "the key has version 13\n"},
		{"put --if-version 12 motd x", "", 1, "", "the key has version 13"},
		{"put --if-version 13 motd x", "", 0, "index 16, term 2\n", ""},
		{"put -- motd -5", "", 0, "index 17, term 2\n", ""},
		{"put big -", strings.Repeat("v", api.MaxValueBytes+1), 1, "", "at most 1048576 bytes"},
		{"put big -", strings.Repeat("v", api.MaxValueBytes), 0, "index 18, term 2\n", ""},
		{"append big x", "", 1, "", "at most 1048576 bytes are possible\nthe write was certainly not done\n"},
		{"put " + strings.Repeat("k", 1025) + " v", "", 1, "", "at most 1024 are possible"},
		{"ls", "", 0, "KEY   VERSION  SIZE\nbig   18       1048576\nmotd  17       2\n", ""},
		{"ls m -o json", "", 0, "{\"keys\":[\n{\"key\":\"motd\",\"version\":17,\"size\":2}\n]}\n", ""},
		{"ls none -o json", "", 0, "{\"keys\":[]}\n", ""},
		{"ls none", "", 0, "KEY  VERSION  SIZE\n", ""},
		{"ls --limit 1", "", 0, "KEY  VERSION  SIZE\nbig  18       1048576\n", ""},
		{"del --if-version 3 motd", "", 1, "", "nothing was changed: the key has version 17"},
		{"del big", "", 0, "index 21, term 2\n", ""},
		{"del big", "", 0, "index 22, term 2\n", ""},
		{
			"members", "", 0, "ID  LEADER  SUFFRAGE  MATCH         LAST CONTACT  DISK  PEER ADDRESS  CLIENT ADDRESS\nn1  yes     voter     10            -             ok    peer:1        host:1\n" +
				"n2  no      learner   7             20ms ago      ok    peer:2        host:2\nn3  no      joining   snapshot 25%  never         -     -             -\n", "",
		},
		{
			"members ls -o json", "", 0, `{"leader":"n1","term":2,"configuration_index":0,"joint":false,"members":[` +
				`{"id":"n1","suffrage":"voter","address":"peer:1","client_address":"host:1","match":10,"last_contact_ms":null},` +
				`{"id":"n2","suffrage":"learner","address":"peer:2","client_address":"host:2","match":7,"last_contact_ms":20},` +
				`{"id":"n3","suffrage":"joining","match":0,"snapshot_sent":40,"last_contact_ms":null}]}` + "\n", "",
		},
	} {
		stdout, stderr, exit := ctl(t, test.stdin, test.line)
		if exit != test.exit || stdout != test.stdout || !strings.Contains(stderr, test.stderr) || (test.stderr == "") != (stderr == "") {
			t.Errorf("raftctl %.60s: exit %d\nstdout %q\nstderr %q\nwant exit %d\nstdout %q\nstderr %q", test.line, exit, stdout, stderr, test.exit, test.stdout, test.stderr)
		}
	}
}

func TestStatusShowsEveryEndpoint(t *testing.T) {
	_, addr := start(t, nil)
	follower, second := start(t, nil)
	follower.mu.Lock()
	follower.status.ID, follower.status.Role, follower.status.Leader = "n2", consensus.Follower, ""
	follower.status.Snapshot.Index = 7
	follower.status.Members = slices.Delete(slices.Clone(follower.status.Members), 1, 2)
	follower.mu.Unlock()
	down := nobody(t)
	stdout, stderr, exit := ctl(t, "", "status --endpoints", addr+","+second+","+down)
	ports := strings.NewReplacer(addr, "A", second, "B", down, "C")
	var rows []string
	for _, line := range strings.Split(ports.Replace(stdout), "\n") {
		rows = append(rows, strings.Join(strings.Fields(line), " "))
	}
	want := "ENDPOINT ID ROLE TERM COMMIT APPLIED LAST SNAPSHOT LEADER FREE CERT\nA n1 leader 2 0 0 10 - n1 - -\nB n2 no member 2 0 0 10 7 - - -\nC - refused - - - - - - - -\n"
	if got := strings.Join(rows, "\n"); got != want || exit != 0 {
		t.Errorf("exit %d\n%s", exit, got)
	}
	if stderr != "raftctl: 1 of 3 endpoints did not answer\n" {
		t.Errorf("stderr does not close with one line: %q", stderr)
	}
	stdout, _, exit = ctl(t, "", "status -o json --endpoints", addr+","+down)
	if exit != 0 || !strings.Contains(stdout, `"status":{"id":"n1","cluster":"c0ffee"`) || !strings.Contains(stdout, `"error":"status at`) {
		t.Errorf("exit %d: %s", exit, stdout)
	}
	for _, line := range []string{"status", "members"} {
		if _, stderr, exit := ctl(t, "", line+" --endpoints", down); exit != exitNoQuorum || !strings.Contains(stderr, "no node answers: "+down+" refuses connections\n") {
			t.Errorf("%s of nobody: exit %d, %s", line, exit, stderr)
		}
	}
	stdout, stderr, exit = ctl(t, "", "members --endpoints", second)
	if exit != 0 || !strings.Contains(stderr, "no endpoint leads") || !strings.Contains(stdout, "n3  no      joining   ") {
		t.Errorf("members without a leader: exit %d, %s%s", exit, stdout, stderr)
	}
}

func TestExitCodesSayWhatIsKnown(t *testing.T) {
	for want, errs := range map[int][]*client.Error{
		exitNotDone: {
			{Code: api.CodeNotFound, Outcome: api.Rejected},
			{Code: api.CodePrecondition, Outcome: api.Rejected},
			{Code: api.CodeBusy, Outcome: api.Rejected},
		},
		exitUnknown: {
			{Code: api.CodeNoAnswer, Outcome: api.Unknown},
			{Code: api.CodeUnknown, Outcome: api.Unknown},
			{Code: api.CodeSessionUnknown, Outcome: api.Unknown},
			{Code: api.CodeNoLeader, Outcome: api.Unknown}, // the outcome counts, not the code
		},
		exitNoQuorum: {
			{Code: api.CodeNoLeader, Outcome: api.Rejected},
			{Code: api.CodeNoQuorum, Outcome: api.Rejected},
			{Code: api.CodeUnreachable, Outcome: api.Rejected},
			{Code: api.CodeNoAnswer, Outcome: api.Rejected}, // of a read
		},
	} {
		for _, err := range errs {
			if got := exitCodeOf(fmt.Errorf("wrapped: %w", err)); got != want {
				t.Errorf("%v: exit %d, want %d", err, got, want)
			}
		}
	}

	n, addr := start(t, nil)
	n.failWith(&raft.UnknownError{Index: 9, Term: 1, Err: context.DeadlineExceeded})
	_, stderr, exit := ctl(t, "", "put k v --timeout 500ms --endpoints", addr)
	if exit != exitUnknown || !strings.Contains(stderr, "may have been done") {
		t.Errorf("an unknown outcome: exit %d, %s", exit, stderr)
	}
	// A rejection in the last moment must not become a doubt.
	n.failWith(&raft.NotLeaderError{})
	for _, line := range []string{"put k v", "get k"} {
		if _, stderr, exit := ctl(t, "", line+" --timeout 2s --endpoints", addr); exit != exitNoQuorum {
			t.Errorf("%s without a leader: exit %d, %s", line, exit, stderr)
		}
	}
	if _, stderr, exit := ctl(t, "", "put k v --timeout 50ms --endpoints", nobody(t)); exit != 3 || !strings.Contains(stderr, "is a node running there?") {
		t.Errorf("put to nobody: exit %d, %s", exit, stderr)
	}
}

// What a person reads when the cluster cannot do the work: one line for all endpoints, whatever the command was.
func TestNoLeaderIsSaidOfEveryEndpoint(t *testing.T) {
	n, addr := start(t, nil)
	n.failWith(&raft.NotLeaderError{})
	n.mu.Lock()
	n.status.Role, n.status.Leader = consensus.Follower, ""
	n.mu.Unlock()
	down, gone := nobody(t), nobody(t)
	for _, line := range []string{"put k v", "get k", "append k v", "del k", "ls"} {
		_, stderr, exit := ctl(t, "", line+" --timeout 600ms --endpoints "+addr+","+down+","+gone)
		want := "raftctl: " + strings.Fields(line)[0] + ": no leader: " + addr + " answers but knows none; " + down + ", " + gone + " refuse connections\n"
		if exit != exitNoQuorum || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %q, want %q", line, exit, stderr, want)
		}
		isWrite := line != "get k" && line != "ls"
		if strings.Contains(stderr, "\nthe write was certainly not done\n") != isWrite {
			t.Errorf("%s: %q", line, stderr)
		}
	}
	_, stderr, exit := ctl(t, "", "get k -o json --timeout 600ms --endpoints "+addr)
	if exit != exitNoQuorum || !strings.Contains(stderr, "(no-leader, rejected)") {
		t.Errorf("with -o json: exit %d, %q, without the code", exit, stderr)
	}
}

func TestAnInterruptionIsCalledOne(t *testing.T) {
	asked := make(chan struct{})
	_, addr := start(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == api.PathStream {
				http.NotFound(w, r) // while a stream begins nothing is sent, and so nothing is in doubt
				return
			}
			close(asked)
			_, _ = io.Copy(io.Discard, r.Body) // the server sees that a client went away only once the body is read
			<-r.Context().Done()
		})
	})
	ctx, interrupt := context.WithCancel(t.Context())
	go func() {
		<-asked
		interrupt()
	}()
	var out, talk bytes.Buffer
	exit := run(ctx, []string{"put", "k", "v", "--endpoints", addr}, strings.NewReader(""), &out, &talk)
	if want := "raftctl: put: interrupted\nthe outcome is unknown: "; exit != exitUnknown || !strings.HasPrefix(talk.String(), want) {
		t.Errorf("exit %d, %q, want %q", exit, talk.String(), want)
	}
}

func TestANodeThatDoesNotAnswer(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	addr := silent.Addr().String()
	stdout, stderr, exit := ctl(t, "", "status --timeout 200ms --endpoints "+addr)
	if exit != exitNoQuorum || !strings.Contains(stdout, "no answer") || stderr != "raftctl: no node answers: "+addr+" does not answer\n" {
		t.Errorf("exit %d\n%s%s", exit, stdout, stderr)
	}
	stdout, _, _ = ctl(t, "", "status -o json --timeout 200ms --endpoints "+addr)
	if !strings.Contains(stdout, "no answer within 200ms") {
		t.Error(stdout)
	}
}

func TestHelpOfASwitch(t *testing.T) {
	if stdout, _, _ := ctl(t, "", "get --help"); strings.Contains(stdout, "=true") || !strings.Contains(stdout, "--stale ") {
		t.Error(stdout)
	}
}

func TestAWrongCommandLine(t *testing.T) {
	for line, says := range map[string]string{
		"pt k v":                             "did you mean",
		"members ad":                         `unknown command "ad"`,
		"log frob":                           `unknown command "frob"`,
		"completion frob":                    `unknown command "frob"`,
		"put k":                              "usage: raftctl put KEY VALUE|-",
		"get":                                "usage: raftctl get KEY",
		"log ls":                             "usage: raftctl log ls DIR",
		"status x":                           "usage: raftctl status",
		"put --frob k v":                     "unknown flag: --frob",
		"get --timeout 5 k":                  "invalid argument",
		"get --timeout -5s k":                "not above 0",
		"get --timeout 61s k":                "up to 1m0s",
		"get -o yaml k":                      "neither table nor json",
		"get --endpoints nowhere k":          "not host:port",
		"ls --limit -1":                      "below 0",
		"put --if-version 0 k v":             "begin at 1",
		"put --if-version x k v":             "invalid argument",
		"put --if-version 1 --create k v":    "exclude each other",
		"append --create k v":                "unknown flag",
		"version x":                          "usage: raftctl version",
		"status --endpoints http://h:1/v1":   "not host:port",
		"status --endpoints 127.0.0.1:80011": "from 1 to 65535",
		"help frob":                          `unknown command "frob"`,
		"help put frob":                      `unknown command "frob"`,
		"put temperature -5":                 "write: put -- temperature -5",
	} {
		stdout, stderr, exit := ctl(t, "", line)
		if exit != exitUsage || stdout != "" || !strings.Contains(stderr, says) || !strings.Contains(stderr, "--help") {
			t.Errorf("raftctl %s: exit %d, stdout %q, stderr %q; want %d and %q", line, exit, stdout, stderr, exitUsage, says)
		}
	}
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	var walk func(path []string)
	walk = func(path []string) {
		cmd, _, err := newRootCommand().Find(path)
		if err != nil {
			t.Fatal(err)
		}
		if cmd.Name() != "completion" && !cmd.HasParent() || cmd.HasParent() && cmd.Parent().Name() != "completion" && cmd.Name() != "completion" {
			stdout, _, exit := ctl(t, "", "", append(path, "--help")...)
			if exit != 0 || !strings.Contains(stdout, "Examples:\n  raftctl") {
				t.Errorf("%v --help: exit %d, without an example", path, exit)
			}
		}
		for _, sub := range cmd.Commands() {
			walk(append(path[:len(path):len(path)], sub.Name()))
		}
	}
	walk(nil)
	for _, line := range []string{"version", "version -o json", "completion bash", "help put"} {
		if stdout, _, exit := ctl(t, "", line); exit != 0 || stdout == "" {
			t.Errorf("%s: exit %d, %q", line, exit, stdout)
		}
	}
}

// forgetful does what it is asked, but loses the first answers to writes.
func forgetful(losses int) func(http.Handler) http.Handler {
	var mu sync.Mutex
	return func(real http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			lose := r.Method == http.MethodPost && losses > 0
			if lose {
				losses--
			}
			mu.Unlock()
			if !lose {
				real.ServeHTTP(w, r)
				return
			}
			real.ServeHTTP(httptest.NewRecorder(), r)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				conn.Close()
			}
		})
	}
}

// Client, server and store together: answers are lost, the write is sent again, and is done once.
func TestALostAnswerDoesNotDoAWriteTwice(t *testing.T) {
	_, addr := start(t, forgetful(3))
	if stdout, stderr, exit := ctl(t, "", "append k x --endpoints", addr); exit != 0 || stdout != "index 11, term 2\n" {
		t.Fatalf("exit %d, %s%s; want the first answer", exit, stdout, stderr)
	}
	if stdout, _, _ := ctl(t, "", "get k --endpoints", addr); stdout != "x" {
		t.Errorf("the value is %q, want one x", stdout)
	}
}

func TestListsOfManyPages(t *testing.T) {
	n, addr := start(t, nil)
	var want []string
	for i := range 2*api.MaxListLimit + 5 {
		key := "k" + string([]byte{byte('a' + i/676), byte('a' + i/26%26), byte('a' + i%26)})
		encoded, err := kv.Command{Op: kv.Put, Key: key}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Propose(t.Context(), encoded); err != nil {
			t.Fatal(err)
		}
		want = append(want, key)
	}
	stdout, _, exit := ctl(t, "", "ls --endpoints", addr)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")[1:]
	if exit != 0 || len(lines) != len(want) {
		t.Fatalf("exit %d, %d lines, want %d", exit, len(lines), len(want))
	}
	for i, line := range lines {
		if !strings.HasPrefix(line, want[i]+" ") {
			t.Fatalf("line %d is %q, want %s", i, line, want[i])
		}
	}
	if stdout, _, _ := ctl(t, "", "ls --limit 1003 --endpoints", addr); strings.Count(stdout, "\n") != 1004 {
		t.Errorf("a limit of 1003 printed %d lines", strings.Count(stdout, "\n"))
	}
}

func TestWhatWouldGarbleATerminal(t *testing.T) {
	for key, want := range map[string]string{"plain/ä key": "plain/ä key", "a\nb": `"a\nb"`, "\x1b[2J": `"\x1b[2J"`, "\xff": `"\xff"`, `"q"`: `"\"q\""`} {
		if got := printable(key); got != want {
			t.Errorf("%q is printed as %s, want %s", key, got, want)
		}
	}
	_, addr := start(t, nil)
	if _, stderr, exit := ctl(t, "\xff\x00", "put --endpoints", addr, "\xfe", "-"); exit != 0 {
		t.Fatal(stderr)
	}
	stdout, _, _ := ctl(t, "", "get -o json --endpoints", addr, "\xfe")
	if stdout != `{"key_base64":"/g==","value":"","value_base64":"/wA=","version":11,"index":11}`+"\n" {
		t.Errorf("bytes that are no UTF-8 are printed as %s", stdout)
	}
}

func TestStdinThatFails(t *testing.T) {
	var out, talk bytes.Buffer
	broken := io.MultiReader(strings.NewReader("half"), brokenReader{})
	exit := run(t.Context(), []string{"put", "k", "-", "--endpoints", nobody(t)}, broken, &out, &talk)
	if exit != exitNotDone || !strings.Contains(talk.String(), "nothing was written") {
		t.Errorf("exit %d, %s", exit, talk.String())
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
