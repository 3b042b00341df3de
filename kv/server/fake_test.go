package server

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeRaft is a log without a cluster: it commits at once, or fails as told.
type fakeRaft struct {
	store *kv.Store

	mu      sync.Mutex
	status  raft.Status
	fail    func(ctx context.Context) error // if set, asked before each Propose and Read
	index   raft.Index
	commits int

	changes []consensus.Change
	elected *raft.ServerID     // who leads after a transfer, whoever was to
	looked  func(*raft.Status) // changes the status whenever somebody looks at it
}

func newFakeRaft(id raft.ServerID) *fakeRaft {
	f := &fakeRaft{store: kv.NewStore(), index: 10}
	f.status.ID = id
	f.status.Term = 2
	f.status.Config = consensus.Voters("n1", "n2", "n3")
	f.status.Members = []consensus.MemberStatus{
		{ID: "n1", Address: "h:1", Suffrage: consensus.Voter, MatchIndex: 9, LastContact: 1},
		{ID: "n2", Address: "h:2", Suffrage: consensus.Learner, CaughtUp: true, MatchIndex: 8, LastContact: 4_000_000},
		{ID: "n3", Address: "h:3", Suffrage: consensus.Joining, SendingSnapshot: true, SnapshotSent: 7},
	}
	f.status.Now = 9_000_000
	f.follow(id)
	return f
}

// follow makes the fake believe that the server leads; "": nobody does.
func (f *fakeRaft) follow(leader raft.ServerID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.Leader = leader
	f.status.Role = consensus.Follower
	f.fail = func(context.Context) error { return &raft.NotLeaderError{Leader: leader} }
	if leader == f.status.ID {
		f.status.Role = consensus.Leader
		f.fail = nil
	}
}

func (f *fakeRaft) failWith(fail func(ctx context.Context) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func (f *fakeRaft) check(ctx context.Context) error {
	f.mu.Lock()
	fail := f.fail
	f.mu.Unlock()
	if fail != nil {
		return fail(ctx)
	}
	return nil
}

// Submit takes a command in that is never committed.
func (f *fakeRaft) Submit(any) (raft.Index, raft.Term, error) {
	if err := f.check(context.Background()); err != nil {
		return 0, 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.index++
	return f.index, f.status.Term, nil
}

func (f *fakeRaft) Propose(ctx context.Context, command any) (raft.Applied, error) {
	if err := f.check(ctx); err != nil {
		return raft.Applied{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.index++
	f.commits++
	c := raft.Command{Index: f.index, Term: f.status.Term, Value: command}
	return raft.Applied{Index: c.Index, Term: c.Term, Result: f.store.Apply([]raft.Command{c})[0]}, nil
}

func (f *fakeRaft) Read(ctx context.Context) (raft.Index, error) {
	if err := f.check(ctx); err != nil {
		return 0, err
	}
	return f.store.Applied().Index, nil
}

// ProposeAll does each command by itself, at once.
func (f *fakeRaft) ProposeAll(offers []raft.Offer) {
	for _, o := range offers {
		o.To.Done(f.Propose(context.Background(), o.Command))
	}
}

func (f *fakeRaft) ReadAsync(done func(raft.Index, error)) { done(f.Read(context.Background())) }

func (f *fakeRaft) Status() raft.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.looked != nil {
		f.looked(&f.status)
	}
	st := f.status
	st.LastApplied, st.CommitIndex, st.LastLogIndex = f.index, f.index, f.index
	return st
}

// ChangeMembership notes the changes, and that is all.
func (f *fakeRaft) ChangeMembership(ctx context.Context, changes ...consensus.Change) (raft.Index, error) {
	if err := f.check(ctx); err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.index++
	f.changes = append(f.changes, changes...)
	return f.index, nil
}

// TransferLeadership makes the successor lead, or n3 if nobody is named.
func (f *fakeRaft) TransferLeadership(ctx context.Context, to raft.ServerID) error {
	if err := f.check(ctx); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if to == "" {
		to = "n3"
	}
	if f.elected != nil {
		to = *f.elected
	}
	f.status.Leader, f.status.Role, f.status.Term = to, consensus.Follower, f.status.Term+1
	return nil
}

func (f *fakeRaft) Compact(ctx context.Context, upTo raft.Index, snapshot []byte) error {
	f.mu.Lock()
	fail := f.fail
	f.status.Snapshot.Index, f.status.SnapshotBytes = upTo, len(snapshot)
	f.mu.Unlock()
	if fail != nil {
		return fail(ctx)
	}
	return nil
}

func (f *fakeRaft) elects(id raft.ServerID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.elected = &id
}

// changed gives what was changed since it was asked last.
func (f *fakeRaft) changed() []consensus.Change {
	f.mu.Lock()
	defer f.mu.Unlock()
	changes := f.changes
	f.changes = nil
	return changes
}

// set changes the status.
func (f *fakeRaft) set(change func(*raft.Status)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.status)
}

func (f *fakeRaft) committed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.commits
}

// node is a Server on a real port.
type node struct {
	t    *testing.T
	raft *fakeRaft
	kv   *Server

	stop     func()
	passedOn atomic.Int32 // requests that another node passed on to this one

	http *httptest.Server
	addr string
}

// cluster starts nodes n1, n2, ... that know each other's client addresses.
func cluster(t *testing.T, size int, change ...func(*Config)) []*node {
	t.Helper()
	addresses := map[raft.ServerID]string{}
	var mu sync.Mutex
	nodes := make([]*node, 0, size)
	for i := range size {
		id := raft.ServerID("n" + string(rune('1'+i)))
		n := &node{t: t, raft: newFakeRaft(id)}
		cfg := Config{
			Raft: n.raft, Store: n.raft.store, Cluster: "c0ffee", Version: "test",
			ClientAddress: func(id raft.ServerID) (string, bool) {
				mu.Lock()
				defer mu.Unlock()
				addr, ok := addresses[id]
				return addr, ok
			},
		}
		for _, c := range change {
			c(&cfg)
		}
		server, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		n.kv = server
		n.http = httptest.NewUnstartedServer(nil)
		n.http.Config = NewHTTPServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get(api.HeaderForwarded) != "" {
				n.passedOn.Add(1)
			}
			server.ServeHTTP(w, r)
		}), 0)
		n.http.Start()
		n.addr = n.http.Listener.Addr().String()
		mu.Lock()
		addresses[id] = n.addr
		mu.Unlock()
		t.Cleanup(func() { server.Close(); n.http.Close() })
		nodes = append(nodes, n)
	}
	return nodes
}

func single(t *testing.T, change ...func(*Config)) *node { return cluster(t, 1, change...)[0] }

// answer is what a client sees.
type seen struct {
	status  int
	header  http.Header
	body    string
	problem api.Problem
}

// do sends a request as it stands: method, target, then "Name: value" headers.
func (n *node) do(method, target, body string, headers ...string) seen {
	n.t.Helper()
	var text strings.Builder
	text.WriteString(method + " " + target + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
	for _, header := range headers {
		text.WriteString(header + "\r\n")
	}
	if method == http.MethodPut || method == http.MethodPost {
		text.WriteString("Content-Length: " + itoa(len(body)) + "\r\n")
	}
	return n.raw(text.String()+"\r\n"+body, false)
}

// raw writes bytes to a new connection, stops sending there if told so, and reads the answer.
func (n *node) raw(text string, cut bool) seen {
	n.t.Helper()
	conn, err := net.Dial("tcp", n.addr)
	if err != nil {
		n.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		n.t.Fatal(err)
	}
	if cut {
		conn.(*net.TCPConn).CloseWrite()
	}
	method, _, _ := strings.Cut(text, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		n.t.Fatalf("no answer: %v", err)
	}
	return n.see(resp)
}

func (n *node) see(resp *http.Response) seen {
	n.t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		n.t.Fatalf("the answer broke off: %v", err)
	}
	got := seen{status: resp.StatusCode, header: resp.Header, body: string(body)}
	if resp.Header.Get("Content-Type") == api.ContentTypeProblem && len(body) > 0 {
		if err := json.Unmarshal(body, &got.problem); err != nil {
			n.t.Fatalf("a problem that is no JSON: %s", body)
		}
		p := got.problem
		if p.Status != got.status || p.Type != "urn:raftnode:problem:"+string(p.Code) || p.Title == "" || p.Detail == "" || p.Outcome == "" {
			n.t.Errorf("the problem is not whole: %s", body)
		}
	}
	return got
}

// is checks the status and, for an error, the code and outcome.
func (n *node) is(got seen, status int, want ...string) {
	n.t.Helper()
	if got.status != status || len(want) > 0 && string(got.problem.Code) != want[0] || len(want) > 1 && string(got.problem.Outcome) != want[1] {
		n.t.Fatalf("got %d %s, want %d %v", got.status, got.body, status, want)
	}
	for _, name := range []string{api.HeaderIndex, api.HeaderTerm, api.HeaderLeader} {
		if _, ok := got.header[name]; !ok {
			n.t.Errorf("the answer %d %s has no %s", got.status, got.body, name)
		}
	}
}

func (n *node) dial() net.Conn {
	n.t.Helper()
	conn, err := net.Dial("tcp", n.addr)
	if err != nil {
		n.t.Fatal(err)
	}
	return conn
}
