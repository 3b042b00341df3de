package consensus

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
)

// TestConversations plays the files in testdata: each is a conversation between servers that one can read. After a
// deliberate change, `go test ./raft/consensus -run TestConversations -rewrite` writes the new answers; read the diff.
//
// Commands. Everything not asked for does not happen:
//
//	cluster NAME... [noop] [prevote] [checkquorum] [lease=TIME] [trailing=BYTES] [chunk=BYTES] [newcomers=(NAME,...)]
//	                              servers that saved nothing; newcomers wait to be added
//	saved NAME term=T [vote=V] log=(T...)    what is on a server's disk, before it is first used
//	timeout NAME                  its election timeout elapses
//	heartbeat NAME                its heartbeat interval elapses
//	pass TIME [without=(NAME,...)] [stuck=NAME]    time passes; whoever has something to do does it when it is due; messages are
//	                              not shown; those from and to the named are lost; the disk of stuck does nothing
//	compact NAME                  it takes a snapshot of its state machine
//	change NAME OP=NAME...        the leader is asked to addlearner, addvoter, promote, demote or remove servers
//	transfer NAME [to=NAME]       the leader is asked to hand leadership over
//	nospace NAME                  its disk is nearly full
//	space NAME                    its disk has room again
//	propose NAME COMMAND...       commands come in, in one batch
//	read NAME                     a read comes in
//	save NAME                     its disk completes the oldest write
//	deliver FROM->TO [newest]     the oldest message on that link arrives, or the newest
//	lose FROM->TO                 the oldest message on that link is lost
//	repeat FROM->TO               the oldest message on that link will arrive once more
//	hold FROM->TO                 the oldest message on that link is held back, past any settle
//	release                       what was held back is under way again
//	settle [without=(NAME,...)]    disks and network complete everything; messages from and to the named are lost
//	crash NAME [whole=N] [parts=N]    it crashes; of its pending writes N whole ones and N parts of the next were done
//	restart NAME                  it comes back with what is on its disk
//	logs                          the terms of all logs; [n] is an entry that is not committed here
//	status                        roles and terms
func TestConversations(t *testing.T) {
	datadriven.Walk(t, "testdata/conversations", func(t *testing.T, path string) {
		conv := &conversation{t: t}
		datadriven.RunTest(t, path, conv.run)
	})
}

type conversation struct {
	t     *testing.T
	c     *cluster
	out   strings.Builder
	held  []Message
	reads ReadID
}

func (v *conversation) run(t *testing.T, d *datadriven.TestData) string {
	v.out.Reset()
	if d.Cmd == "cluster" {
		v.cluster(t, d)
		return "ok"
	}
	commands := map[string]func(*datadriven.TestData){
		"compact": v.compact, "change": v.change,
		"saved": v.saved, "propose": v.propose, "read": v.read, "settle": v.settle, "crash": v.crash, "pass": v.pass, "transfer": v.transfer,
		"timeout":   func(d *datadriven.TestData) { v.c.timeout(v.name(d, 0)) },
		"heartbeat": func(d *datadriven.TestData) { v.c.tick(v.name(d, 0)) },
		"save":      func(d *datadriven.TestData) { v.c.save(v.name(d, 0)) },
		"restart":   func(d *datadriven.TestData) { v.c.start(v.name(d, 0)) },
		"deliver":   func(d *datadriven.TestData) { v.c.deliver(v.find(d)) },
		"lose":      func(d *datadriven.TestData) { i := v.find(d); v.c.network = slices.Delete(v.c.network, i, i+1) },
		"repeat": func(d *datadriven.TestData) {
			i := v.find(d)
			v.c.network = slices.Insert(v.c.network, i, v.c.network[i])
		},
		"hold": func(d *datadriven.TestData) {
			i := v.find(d)
			v.held = append(v.held, v.c.network[i])
			v.c.network = slices.Delete(v.c.network, i, i+1)
		},
		"nospace": func(d *datadriven.TestData) { v.c.do(v.name(d, 0), func(m *Module) { m.SetNoSpace(true) }) },
		"space":   func(d *datadriven.TestData) { v.c.do(v.name(d, 0), func(m *Module) { m.SetNoSpace(false) }) },
		"release": func(*datadriven.TestData) { v.c.network, v.held = append(v.c.network, v.held...), nil },
		"logs":    v.logs, "status": v.status,
	}
	command, ok := commands[d.Cmd]
	if !ok {
		d.Fatalf(t, "unknown command %q", d.Cmd)
	}
	command(d)
	v.news()
	if v.out.Len() == 0 {
		return "ok"
	}
	return v.out.String()
}

func (v *conversation) cluster(t *testing.T, d *datadriven.TestData) {
	v.c = newCluster(t, 0, func(c *cluster) {
		for _, arg := range d.CmdArgs {
			switch arg.Key {
			case "noop":
				c.noop = true
			case "prevote", "checkquorum", "trailing", "chunk", "lease":
			case "newcomers":
				for _, val := range arg.Vals {
					c.ids = append(c.ids, ServerID(val))
					c.newcomers = append(c.newcomers, ServerID(val))
				}
			default:
				c.ids = append(c.ids, ServerID(arg.Key))
			}
		}
		given := Config{PreVote: d.HasArg("prevote"), CheckQuorum: d.HasArg("checkquorum")} // d is gone at a restart
		d.MaybeScanArgs(t, "trailing", &given.TrailingBytes)
		d.MaybeScanArgs(t, "chunk", &given.MaxChunkBytes)
		var lease string
		if d.MaybeScanArgs(t, "lease", &lease) {
			given.LeaseDuration, _ = time.ParseDuration(lease)
		}
		c.limits = func(cfg *Config) {
			cfg.PreVote, cfg.CheckQuorum, cfg.LeaseDuration = given.PreVote, given.CheckQuorum, given.LeaseDuration
			cfg.TrailingBytes, cfg.MaxChunkBytes = given.TrailingBytes, given.MaxChunkBytes
		}
	})
	v.c.trace = func(format string, args ...any) { fmt.Fprintf(&v.out, format+"\n", args...) }
}

func (v *conversation) name(d *datadriven.TestData, i int) ServerID {
	id := ServerID(d.CmdArgs[i].Key)
	if v.c.servers[id] == nil {
		d.Fatalf(v.t, "there is no server %q", id)
	}
	return id
}

// find gives the place of the oldest message on the link FROM->TO, or of the newest.
func (v *conversation) find(d *datadriven.TestData) int {
	from, to, _ := strings.Cut(d.CmdArgs[0].Key, "->")
	found := -1
	for i, msg := range v.c.network {
		if h := msg.Head(); h.From == ServerID(from) && h.To == ServerID(to) && (found < 0 || d.HasArg("newest")) {
			found = i
		}
	}
	if found < 0 {
		d.Fatalf(v.t, "there is no message under way from %q to %q", from, to)
	}
	return found
}

func (v *conversation) saved(d *datadriven.TestData) {
	var term uint64
	var vote string
	d.ScanArgs(v.t, "term", &term)
	d.MaybeScanArgs(v.t, "vote", &vote)
	disk := Saved{HardState: HardState{Term: Term(term), VotedFor: ServerID(vote)}}
	for _, arg := range d.CmdArgs {
		for i, val := range arg.Vals {
			if arg.Key != "log" {
				continue
			}
			var t Term
			if _, err := fmt.Sscan(val, &t); err != nil {
				d.Fatalf(v.t, "log: %v", err)
			}
			disk.Entries = append(disk.Entries, Entry{Index: Index(i + 1), Term: t, Kind: EntryCommand, Data: []byte(val)})
		}
	}
	id := v.name(d, 0)
	v.c.servers[id].disk = disk
	v.c.start(id)
}

func (v *conversation) propose(d *datadriven.TestData) {
	v.c.do(v.name(d, 0), func(m *Module) {
		for _, arg := range d.CmdArgs[1:] {
			if _, _, err := m.Propose(EntryCommand, []byte(arg.Key)); err != nil {
				fmt.Fprintf(&v.out, "%s refuses %s: %v\n", m.cfg.ID, arg.Key, err)
			}
		}
	})
}

func (v *conversation) read(d *datadriven.TestData) {
	v.reads++
	id := v.name(d, 0)
	v.c.check.ask(id, v.reads)
	v.c.do(id, func(m *Module) {
		if err := m.Read(v.reads); err != nil {
			fmt.Fprintf(&v.out, "%s refuses the read: %v\n", id, err)
		}
	})
}

func (v *conversation) settle(d *datadriven.TestData) { v.c.settle(without(d)) }

// without tells of a message whether the argument without=(...) loses it.
func without(d *datadriven.TestData) func(from, to ServerID) bool {
	var lost []ServerID
	if arg, ok := d.Arg("without"); ok {
		for _, val := range arg.Vals {
			lost = append(lost, ServerID(val))
		}
	}
	return func(from, to ServerID) bool { return slices.Contains(lost, from) || slices.Contains(lost, to) }
}

func (v *conversation) pass(d *datadriven.TestData) {
	duration, err := time.ParseDuration(d.CmdArgs[0].Key)
	if err != nil {
		d.Fatalf(v.t, "pass: %v", err)
	}
	var stuck string
	d.MaybeScanArgs(v.t, "stuck", &stuck)
	trace := v.c.trace
	v.c.trace = func(format string, args ...any) {
		if _, isFact := args[len(args)-1].(Fact); isFact {
			trace(format, args...)
		}
	}
	v.c.stuck = ServerID(stuck)
	v.c.pass(duration, without(d))
	v.c.trace, v.c.stuck = trace, ""
}

func (v *conversation) compact(d *datadriven.TestData) {
	if err := v.c.compact(v.name(d, 0)); err != nil {
		fmt.Fprintf(&v.out, "%s refuses: %v\n", v.name(d, 0), err)
	}
}

func (v *conversation) change(d *datadriven.TestData) {
	ops := map[string]ChangeOp{"addlearner": AddLearner, "addvoter": AddVoter, "promote": Promote, "demote": Demote, "remove": Remove}
	var changes []Change
	for _, arg := range d.CmdArgs[1:] {
		changes = append(changes, Change{Op: ops[arg.Key], ID: ServerID(arg.Vals[0])})
	}
	v.c.do(v.name(d, 0), func(m *Module) {
		if _, _, err := m.ChangeMembership(changes...); err != nil {
			fmt.Fprintf(&v.out, "%s refuses: %v\n", m.cfg.ID, err)
		}
	})
}

func (v *conversation) transfer(d *datadriven.TestData) {
	var to string
	d.MaybeScanArgs(v.t, "to", &to)
	v.c.do(v.name(d, 0), func(m *Module) {
		if err := m.TransferLeadership(ServerID(to)); err != nil {
			fmt.Fprintf(&v.out, "%s refuses: %v\n", m.cfg.ID, err)
		}
	})
}

func (v *conversation) crash(d *datadriven.TestData) {
	var whole, parts int
	d.MaybeScanArgs(v.t, "whole", &whole)
	d.MaybeScanArgs(v.t, "parts", &parts)
	v.c.crash(v.name(d, 0), whole, parts)
}

// news tells what the servers applied and answered since the last command.
func (v *conversation) news() {
	for _, id := range v.c.ids {
		s := v.c.servers[id]
		if len(s.applied) > 0 {
			fmt.Fprintf(&v.out, "%s applied %s\n", id, describeEntries(s.applied))
		}
		for _, r := range s.reads {
			if r.Refused {
				fmt.Fprintf(&v.out, "%s refused read %d\n", id, r.ID)
			} else {
				fmt.Fprintf(&v.out, "%s may serve read %d from index %d\n", id, r.ID, r.Index)
			}
		}
		s.applied, s.reads = nil, nil
	}
}

func (v *conversation) logs(*datadriven.TestData) {
	for _, id := range v.c.ids {
		s := v.c.servers[id]
		fmt.Fprintf(&v.out, "%-6s |", id)
		entries, commit, base := s.disk.Entries, Index(0), s.disk.Base.Index
		if s.module != nil {
			entries, commit, base = s.module.log.slice(s.module.log.base.Index+1, s.module.log.lastIndex()), s.module.commitIndex, s.module.log.base.Index
		}
		v.out.WriteString(strings.Repeat("  . ", int(base)))
		for _, e := range entries {
			if e.Index <= commit {
				fmt.Fprintf(&v.out, "  %d ", e.Term)
			} else {
				fmt.Fprintf(&v.out, " [%d]", e.Term)
			}
		}
		if s.module == nil {
			v.out.WriteString("  (crashed)")
		}
		v.out.WriteString("\n")
	}
}

func (v *conversation) status(*datadriven.TestData) {
	for _, id := range v.c.ids {
		if m := v.c.module(id); m != nil {
			s := m.Status()
			fmt.Fprintf(&v.out, "%-6s %s of term %d, leader %q, commitIndex %d\n", id, s.Role, s.Term, s.Leader, s.CommitIndex)
			continue
		}
		fmt.Fprintf(&v.out, "%-6s crashed\n", id)
	}
}
