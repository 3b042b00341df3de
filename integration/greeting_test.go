package integration

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// greeting is a handshake that claims to come from n2 and go to n1, in the layout that package rpc documents.
type greeting struct {
	lowest, highest                                                                   byte
	cluster, sender, receiver, codec, store, address, incarnation, codecs, membership string
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// bytes gives the block.
func (g greeting) bytes() []byte {
	block := append([]byte("\x89raft\r\n\x1a"), g.lowest, g.highest, 0, 0)
	fields := []string{g.cluster, g.sender, g.receiver, g.codec, "", g.store, g.address, g.incarnation}
	if g.highest > 2 {
		fields = append(fields, g.codecs, strings.Repeat("\x00", 8), g.membership)
	}
	for _, f := range fields {
		block = append(binary.BigEndian.AppendUint16(block, uint16(len(f))), f...)
	}
	binary.BigEndian.PutUint16(block[greetingHead-2:], uint16(len(block)-greetingHead))
	return binary.BigEndian.AppendUint32(block, crc32.Checksum(block, castagnoli))
}

// laterTerm is a message of a later term: a server that processes it follows into that term.
func laterTerm() []byte {
	return frames(message{kindRequestVoteReply, `{"Term":1000,"VoteGranted":false}`})
}

// message is one in the codec json.
type message struct {
	kind    byte
	payload string
}

// frames gives the messages as they follow a handshake.
func frames(messages ...message) (stream []byte) {
	for i, m := range messages {
		stream = append(stream, frameOf(m.kind, uint64(i+1), uint32(len(m.payload)), []byte(m.payload))...)
	}
	return stream
}

// upheaval is all that could unseat a leader, or make a server stand, if it is heeded.
func upheaval() []byte {
	return frames(
		message{kindTimeoutNow, `{"Term":1000}`},
		message{kindAppendEntries, `{"Term":1000,"PrevLogIndex":0,"PrevLogTerm":0,"LeaderCommit":0,"Round":0,"Entries":[]}`},
		message{kindRequestVote, `{"Term":1000,"LastLogIndex":1000,"LastLogTerm":999,"Transfer":false}`},
		message{kindRequestVote, `{"Term":1000,"LastLogIndex":1000,"LastLogTerm":999,"Transfer":true}`},
		message{kindRequestPreVote, `{"Term":1000,"NextTerm":1001,"LastLogIndex":1000,"LastLogTerm":999}`},
		message{kindRequestVoteReply, `{"Term":1000,"VoteGranted":true}`},
		message{kindAppendEntriesReply, `{"Term":1000,"Success":false,"MatchIndex":0,"PrevLogIndex":0,"Round":0,"ConflictIndex":0,"ConflictTerm":0,"NoSpace":false}`},
		message{0xee, ""}, // there is no such message: when the connection is closed for it, those before it were taken
	)
}

// impostor has what n1 knows of n2, so that one thing at a time can be wrong with it.
func impostor(ctx context.Context, t *testing.T, c *Cluster) greeting {
	t.Helper()
	return impostorOf(ctx, t, c, c.Nodes()[1])
}

func impostorOf(ctx context.Context, t *testing.T, c *Cluster, n *Node) greeting {
	t.Helper()
	knowStart(ctx, t, c.Nodes()[0], `"`+n.ID+`"`)
	text, err := os.ReadFile(filepath.Join(c.Nodes()[0].DataDir, "stores.json"))
	if err != nil {
		t.Fatal(err)
	}
	var stores struct {
		Members map[string]struct{ Store string }
	}
	if err := json.Unmarshal(text, &stores); err != nil {
		t.Fatal(err)
	}
	starts, err := os.ReadFile(filepath.Join(n.DataDir, "incarnation"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(starts), "incarnation: ")
	start, _, _ := strings.Cut(rest, "\n")
	status, err := c.Status(ctx, c.Nodes()[0])
	if err != nil {
		t.Fatal(err)
	}
	return greeting{
		lowest: 2, highest: 3, cluster: status.Cluster, sender: n.ID, receiver: "n1", codec: "json", store: stores.Members[n.ID].Store,
		address: "127.0.0.1:1", incarnation: start, codecs: "\x04json", membership: "0",
	}
}

// sayTo sends bytes to a node's peer port, from an address of loopback, and gives what comes back until the node closes the connection.
func sayTo(t *testing.T, n *Node, from string, bytes []byte) string {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	address, _ := n.PeerAddr()
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, _ = conn.Write(bytes) // it may have closed the connection by then
	back, _ := io.ReadAll(conn)
	return string(back)
}

// terms gives what the nodes say of who leads, and in which term.
func terms(ctx context.Context, t *testing.T, c *Cluster, but ...*Node) map[string]uint64 {
	t.Helper()
	got := map[string]uint64{}
	for _, n := range c.Nodes() {
		if slices.Contains(but, n) {
			continue
		}
		status, err := c.Status(ctx, n)
		if err != nil {
			t.Fatal(err)
		}
		got[n.ID+" under "+status.Leader] = status.Term
	}
	return got
}

// wrongGreetings are handshakes of which each has one thing wrong, and what the node answers.
func wrongGreetings() map[string]struct {
	change func(g *greeting)
	want   string
} {
	return map[string]struct {
		change func(g *greeting)
		want   string
	}{
		"another cluster": {func(g *greeting) { g.cluster = "orders" }, `this server belongs to cluster "`},
		"the same list, founded twice": {
			func(g *greeting) { g.cluster = "0123456789abcdef" + g.cluster[16:] }, `, not to "0123456789abcdef-`,
		},
		"a question":                         {func(g *greeting) { g.cluster, g.sender = "?", "n9" }, `it asks for its cluster`},
		"a question of a node that had data": {func(g *greeting) { g.cluster = "?" }, `comes without a store, but it had store`},
		"swapped addresses":                  {func(g *greeting) { g.receiver = "n3" }, `this is server "n1", not "n3": check the address`},
		"itself":                             {func(g *greeting) { g.sender = "n1" }, `calls itself "n1", which is this server`},
		"an unknown node":                    {func(g *greeting) { g.sender, g.address = "n9", "" }, `server "n9" is not one of the peers of "n1", and does not say where`},
		"an unknown node with an address":    {func(g *greeting) { g.sender = "n9" }, `server "n9" is no member of the cluster: it is not in the configuration at index 0`},
		"an unknown node of protocol 2":      {func(g *greeting) { g.sender, g.highest = "n9", 2 }, `server "n9" is no member of the cluster`},
		"an unknown node that waits":         {func(g *greeting) { g.sender, g.membership = "n9", "waits" }, `server "n9" waits to be added to the cluster`},
		"a node without a name":              {func(g *greeting) { g.sender = "" }, `the peer's name "" must have`},
		"an address that is none":            {func(g *greeting) { g.sender, g.address = "n9", "here" }, `the address of peer "n9" must be host:port`},
		"a duplicate id":                     {func(g *greeting) { g.store = strings.Repeat("0", 32) }, `two processes call themselves "n2"`},
		"no store":                           {func(g *greeting) { g.store = "" }, `does not say in which store`},
		"no start":                           {func(g *greeting) { g.incarnation = "" }, `does not say which start`},
		"an older copy":                      {func(g *greeting) { g.incarnation = "1:00000000" }, `this is an older copy that was put back`},
		"a start too far":                    {func(g *greeting) { g.incarnation = "900:00000000" }, `nobody can tell whether it is an older copy`},
		"no common codec":                    {func(g *greeting) { g.codecs = "\x05morse" }, `no common codec: morse there, `},
		"only newer versions":                {func(g *greeting) { g.lowest, g.highest = 200, 201 }, `no common protocol version: 200 to 201 there`},
		"only older versions":                {func(g *greeting) { g.lowest, g.highest = 1, 1 }, `no common protocol version: 1 to 1 there`},
	}
}

// Whoever is wrong is told why before any of its messages is looked at; what is no handshake is told of in the log. No term moves.
func TestWhoIsWrongIsToldWhyAndMovesNothing(t *testing.T) {
	c, ctx := startReal(t, 3)
	put(ctx, t, c, "k", "v")
	n1 := c.Nodes()[0]
	g := impostor(ctx, t, c)
	before := terms(ctx, t, c)
	unmoved := func(t *testing.T) {
		t.Helper()
		for who, term := range terms(ctx, t, c) {
			if before[who] != term {
				t.Errorf("%s in term %d, before %v", who, term, before)
			}
		}
	}
	for name, wrong := range wrongGreetings() {
		t.Run(name, func(t *testing.T) {
			g := g
			wrong.change(&g)
			if back := sayTo(t, n1, "127.0.0.1", append(g.bytes(), upheaval()...)); !strings.Contains(back, wrong.want) {
				t.Errorf("it answers %q, want %q", back, wrong.want)
			}
			unmoved(t)
		})
	}
	flipped := g.bytes()
	flipped[len(flipped)/2] ^= 1
	for from, strange := range map[string]struct{ bytes, want string }{ // each address is told of once a minute
		"127.0.0.2": {"GET / HTTP/1.1\r\nHost: n1\r\n\r\n", "an HTTP request came to the peer port; the client port is "},
		"127.0.0.3": {"\x16\x03\x01\x02\x00\x01", "a TLS hello came to the peer port"},
		"127.0.0.4": {"\x00\x00\x00\x00", "garbage ("},
		"127.0.0.5": {string(flipped), "the handshake does not match its checksum"},
	} {
		t.Run(strange.want, func(t *testing.T) {
			if back := sayTo(t, n1, from, append([]byte(strange.bytes), upheaval()...)); back != "" {
				t.Errorf("it answers %q", back)
			}
			refused(ctx, t, n1, strange.want)
			unmoved(t)
		})
	}
	// With nothing wrong it would be let in, and heard: so the cases above fail for their reasons.
	address, _ := n1.PeerAddr()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(append(g.bytes(), laterTerm()...)); err != nil {
		t.Fatal(err)
	}
	if err := poll(ctx, "the later term", func() (bool, error) {
		status, err := c.Status(ctx, n1)
		return status.Term >= 1000, err
	}); err != nil {
		t.Fatal(err)
	}
}

// A process whose set-up is wrong ends, or waits, and says why; the cluster does not notice.
func TestProcessesWithAWrongSetUp(t *testing.T) {
	c, ctx := startReal(t, 3)
	put(ctx, t, c, "k", "v")
	n1, victim, other := c.Nodes()[0], c.Nodes()[1], c.Nodes()[2]
	if leader, _, err := c.WaitLeader(ctx, 0); err != nil {
		t.Fatal(err)
	} else if leader == victim {
		victim, other = other, victim
	}
	before := terms(ctx, t, c)
	if err := victim.Kill(); err != nil {
		t.Fatal(err)
	}
	refuses(t, with(n1, "--data-dir", victim.DataDir), 1, `belongs to node "`+victim.ID+`"`, "start that node on it")
	refuses(t, n1.Args(), 1, "in use by process")
	refuses(t, append(victim.Args(), "--cluster-id", "another"), 1, `--cluster-id is "another"`, "leave the flag out")
	refuses(t, with(victim, "--cluster", "n1=127.0.0.1:1,"+victim.ID+"=127.0.0.1:2"), 1, "founded with another list of members")

	empty := t.TempDir()
	refuses(t, with(victim, "--data-dir", filepath.Join(empty, "list"), "--cluster", "n1=127.0.0.1:1,n2=127.0.0.1:2,n3=127.0.0.1:9"), 1, "must not come back empty")
	n1At, _ := n1.PeerAddr()
	otherAt, _ := other.PeerAddr()
	waits(ctx, t, with(victim, "--data-dir", filepath.Join(empty, "swapped"), "--dial", other.ID+"="+n1At+",n1="+otherAt), other.ID+` (`+n1At+`) was asked for the cluster's id: the server there is "n1"`)
	refuses(t, append(with(victim, "--data-dir", filepath.Join(empty, "given")), "--cluster-id", "another"), 1, "knows this node", "must not come back empty")
	waits(ctx, t, append(with(victim, "--id", "n9", "--data-dir", filepath.Join(empty, "other"), "--listen-peer", anyPort), "--join", "--cluster-id", "another"), `belongs to cluster "`)
	refuses(t, with(victim, "--data-dir", filepath.Join(empty, "wiped")), 1, "its data directory was lost or exchanged", "must not come back empty")
	for who, term := range terms(ctx, t, c, victim) {
		if before[who] != term {
			t.Errorf("%s in term %d, before %v", who, term, before)
		}
	}
}

// waits runs raftnode with arguments with which it can do nothing, until it says so, and ends it.
func waits(ctx context.Context, t *testing.T, args []string, says string) {
	t.Helper()
	p, err := startProcess("raftnode", filepath.Join(t.TempDir(), "log"), raftnode(t), args)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.kill() }()
	if err := poll(ctx, "it to say "+says, func() (bool, error) { return strings.Contains(p.tail(1000), says), nil }); err != nil {
		t.Errorf("%v:\n%s", err, p.tail(20))
	}
}
