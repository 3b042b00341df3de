package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/raft/consensus"
	"github.com/raftnode/raft/rpc"
	"github.com/raftnode/raft/rpc/certs"
)

// other plays a member that answers who asks it for its cluster, after it said nonsense to as many as it is rude to. It says in asked who came.
func other(t *testing.T, id raft.ServerID, cluster string, rudeTo int, judge func(raft.ServerID) error) (address string, asked chan rpc.Event) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := &rude{Listener: listener, left: rudeTo}
	asked = make(chan rpc.Event, 1000)
	cfg := rpc.Config{ID: id, Cluster: cluster, AdmitEmpty: judge, OnEvent: func(e rpc.Event) { asked <- e }}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	if cluster == "" {
		go func() { ended <- rpc.Decline(ctx, ln, cfg) }()
	} else {
		transport, err := rpc.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- transport.Run(ctx, ln, func(...consensus.Message) {}) }()
	}
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String(), asked
}

// rude is a listener that says nonsense to those who come first.
type rude struct {
	net.Listener
	left int
}

func (r *rude) Accept() (net.Conn, error) {
	for {
		conn, err := r.Listener.Accept()
		if err != nil || r.left == 0 {
			return conn, err
		}
		r.left--
		_, _ = conn.Read(make([]byte, 4<<10)) // else the close is a reset
		_, _ = conn.Write([]byte("what?"))
		conn.Close()
	}
}

// The first founder that is asked to stop while it asks the others founds nothing.
func TestAFirstFounderThatIsAskedToStopFoundsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "n1")
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p := member(t, "n1", dir, "127.0.0.1:0", "n1="+freeAddress(t)+",n2="+silent.Addr().String())
	conn, err := silent.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p.stop()
	p.end(t, 0)
	if _, err := os.Stat(dir); !os.IsNotExist(err) || strings.Contains(p.said.String(), "founds the cluster") {
		t.Errorf("it founded a cluster: %v\n%s", err, p.said)
	}
}

// asker is a node that has not begun to ask.
func asker(cluster map[raft.ServerID]string) (n *node, said *bytes.Buffer) {
	said = new(bytes.Buffer)
	log := hclog.New(&hclog.LoggerOptions{Output: said})
	cluster["n1"] = "127.0.0.1:1"
	return &node{config: &config{id: "n1", cluster: cluster, codec: "msgpack"}, log: log, secrets: &secrets{log: log}}, said
}

// Where the others are not there, or know nothing either, the first founder does not ask for long.
func TestFoundersThatStartTogetherLoseNoTime(t *testing.T) {
	waiting, asked := other(t, "n2", "", 0, nil)
	n, said := asker(map[raft.ServerID]string{"n2": waiting, "n3": freeAddress(t)})
	began := time.Now()
	if id, err := n.askFounder(t.Context()); id != "" || err != nil || said.Len() > 0 {
		t.Errorf("id %q, error %v\n%s", id, err, said)
	}
	if took := time.Since(began); took < 2*askAgain {
		t.Errorf("it asked for %v only", took)
	}
	if len(asked) == 0 {
		t.Error("who waits was not asked")
	}
}

// Where somebody is there and has not told yet, it goes on to ask, and says once what is the matter.
func TestTheFirstFounderAsksForAsLongAsSomebodyMayKnow(t *testing.T) {
	cluster := (&config{}).newClusterID()
	n, said := asker(map[raft.ServerID]string{})
	cluster = cluster[:17] + n.config.listSum()
	address, _ := other(t, "n2", cluster, quietRounds+2, nil)
	n.config.dial = map[raft.ServerID]string{"n2": address}
	if id, err := n.askFounder(t.Context()); id != cluster || err != nil {
		t.Errorf("id %q, want %q, error %v\n%s", id, cluster, err, said)
	}
	if strings.Count(said.String(), "n2 ("+address+`) was asked for the cluster's id: handshake: garbage ("what`) != 1 {
		t.Errorf("it says %s", said)
	}
}

// A founder alone, wiped, does not found a second cluster beside those whom it is told to dial.
func TestALoneFounderAsksThoseItDials(t *testing.T) {
	n, said := asker(map[raft.ServerID]string{})
	cluster := n.config.newClusterID()
	address, _ := other(t, "n2", cluster, 0, nil)
	n.config.dial = map[raft.ServerID]string{"n2": address}
	n.config.dataDir = filepath.Join(t.TempDir(), "n1")
	if id, err := n.identify(t.Context()); id != cluster || err != nil {
		t.Errorf("id %q, want %q, error %v\n%s", id, cluster, err, said)
	}
}

// All answers of a round count: one that tells another id, and one that knows this node.
func TestAllAnswersCount(t *testing.T) {
	n, said := asker(map[raft.ServerID]string{})
	one, two := n.config.newClusterID(), n.config.newClusterID()
	first, _ := other(t, "n2", one, 0, nil)
	second, _ := other(t, "n3", two, 0, nil)
	n.config.dial = map[raft.ServerID]string{"n2": first, "n3": second}
	if id, err := n.askFounder(t.Context()); id != "" || err == nil {
		t.Errorf("id %q, error %v", id, err)
	}
	if want := fmt.Sprintf("n2 (%s) belongs to cluster %q, and n3 (%s) belongs to cluster %q: they were founded apart", first, one, second, two); !strings.Contains(said.String(), want) {
		t.Errorf("it says %s, want %s", said, want)
	}
	told, asked := other(t, "n2", one, 0, nil)
	knows, _ := other(t, "n4", one, 0, func(raft.ServerID) error {
		<-asked // n2 has told the cluster
		return errors.New("it had a store")
	})
	n.config.dial = map[raft.ServerID]string{"n2": told, "n4": knows}
	if id, err := n.askOn(t.Context()); id != "" || err == nil || !strings.Contains(err.Error(), "n4 ("+knows+") knows this node: it had a store") {
		t.Errorf("id %q, error %v", id, err)
	}
}

// A node that is given the id asks the others too. One that had it does not let it begin anew; that nobody answers, or they are of different clusters, is no reason
// to wait.
func TestANodeThatIsGivenTheIDAsksWhetherItWasKnown(t *testing.T) {
	n, said := asker(map[raft.ServerID]string{})
	mine, another := n.config.newClusterID(), n.config.newClusterID()
	same, asked := other(t, "n2", mine, 0, nil)
	apart, _ := other(t, "n3", another, 0, nil)
	knows, _ := other(t, "n4", mine, 0, func(raft.ServerID) error { return errors.New("it had a store") })
	n.config.clusterID = mine
	for name, c := range map[string]struct {
		others    map[raft.ServerID]string
		join      bool
		err, says string
	}{
		"alone":               {nil, false, "", ""},
		"nobody runs":         {map[raft.ServerID]string{"n2": freeAddress(t), "n3": freeAddress(t)}, false, "", "asks the others"},
		"they do not know it": {map[raft.ServerID]string{"n2": same}, false, "", "asks the others"},
		"another cluster":     {map[raft.ServerID]string{"n3": apart}, false, "", fmt.Sprintf("belong to cluster %q, but --cluster-id is %q", another, mine)},
		"two clusters":        {map[raft.ServerID]string{"n2": same, "n3": apart}, false, "", "they were founded apart"},
		"one knows it":        {map[raft.ServerID]string{"n2": same, "n4": knows}, false, "n4 (" + knows + ") knows this node: it had a store", ""},
		"one knows it, joins": {map[raft.ServerID]string{"n2": same, "n4": knows}, true, "n4 (" + knows + ") knows this node: it had a store", ""},
	} {
		said.Reset()
		n.config.dial, n.config.join, n.config.dataDir = c.others, c.join, filepath.Join(t.TempDir(), "n1")
		id, err := n.identify(t.Context())
		if c.err == "" && (err != nil || id != mine) || c.err != "" && (err == nil || err.Error() != c.err) || !strings.Contains(strings.ReplaceAll(said.String(), `\"`, `"`), c.says) {
			t.Errorf("%s: id %q, error %v, said %s", name, id, err, said)
		}
	}
	if len(asked) == 0 {
		t.Error("nobody was asked")
	}
}

func TestWhatPassesByItselfIsNotTold(t *testing.T) {
	op := func(what string, err error) error {
		return fmt.Errorf("handshake: %w", &net.OpError{Op: what, Err: err})
	}
	for _, c := range []struct {
		err     error
		passes  bool
		inShort string
	}{
		{op("dial", syscall.ECONNREFUSED), true, "dial: connection refused"},
		{op("read", syscall.ECONNRESET), true, "read: connection reset by peer"},
		{fmt.Errorf("handshake: %w", io.EOF), true, "handshake: EOF"},
		{op("dial", os.ErrDeadlineExceeded), true, "dial: i/o timeout"},
		{rpc.ErrNoClusterYet, true, rpc.ErrNoClusterYet.Error()},
		{op("read", os.ErrDeadlineExceeded), false, "read: i/o timeout"},
		{op("dial", syscall.EHOSTUNREACH), false, "dial: no route to host"},
		{op("dial", &net.DNSError{Err: "no such host", Name: "n2", IsNotFound: true}), false, "dial: lookup n2: no such host"},
		{errors.New("the other end refuses the connection"), false, "the other end refuses the connection"},
	} {
		if notUp(c.err) != c.passes || inShort(c.err) != c.inShort {
			t.Errorf("%v passes: %v, in short %q", c.err, notUp(c.err), inShort(c.err))
		}
	}
}

// A node that waits for the id reads new certificates when it gets SIGHUP, and has said that it is not protected.
func TestANodeThatWaitsHearsOfNewCertificates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	ca, err := certs.NewAuthority(dir, "demo", time.Now(), 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	files, err := ca.Node("n2", []string{"127.0.0.1"}, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	p := member(t, "n2", filepath.Join(t.TempDir(), "n2"), "0.0.0.0:0", "n1="+freeAddress(t)+",n2="+freeAddress(t),
		"--peer-tls-cert", files.Cert, "--peer-tls-key", files.Key, "--peer-tls-ca", files.CA)
	p.await(t, "waits to learn")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	giveUp := time.AfterFunc(patience, p.stop)
	p.await(t, "--peer-tls-cert: read again")
	giveUp.Stop()
	p.stop()
	p.end(t, 0)
	if !strings.Contains(p.said.String(), "NOT PROTECTED: --listen-client") {
		t.Errorf("it says %s", p.said)
	}
}
