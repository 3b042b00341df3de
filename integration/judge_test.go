package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// story tells a history op by op: each takes the time from one mark to another, on a clock that only counts marks.
type story struct {
	h      *History
	finals Finals
}

func tell(ops ...Op) *story {
	s := &story{h: NewHistory(), finals: Finals{"n1": {}, "n2": {}, "n3": {}}}
	s.h.Add(Op{Client: 1000, Kind: Get, Key: "0, of no interest", Call: 0, Return: 1, Outcome: Ok}) // without any read, nothing is proven
	for _, op := range ops {
		if op.Outcome == "" {
			op.Outcome = Ok
		}
		s.h.Add(op)
	}
	return s
}

// ends says what all nodes hold of a key in the end.
func (s *story) ends(key string, final Final) *story {
	for _, values := range s.finals {
		values[key] = final
	}
	return s
}

func (s *story) judge() Judgement {
	return Judge(s.h, s.finals, Judging{Nodes: []string{"n1", "n2", "n3"}})
}

func mustFail(t *testing.T, s *story, reason string) {
	t.Helper()
	j := s.judge()
	if j.Verdict.Result != Broken || !strings.Contains(j.Verdict.Reason, reason) {
		t.Errorf("got %v, want FAIL with %q", j.Verdict, reason)
	}
}

func mustPass(t *testing.T, s *story) {
	t.Helper()
	if j := s.judge(); j.Verdict.Result != Passed {
		t.Errorf("got %v, want PASS; lost: %v", j.Verdict, j.Lost)
	}
}

// The planted violations: what a broken store would do, and the judge must see.

func TestJudgeSeesAStaleRead(t *testing.T) {
	mustFail(t, tell(
		Op{Client: 1, Kind: Put, Key: "a", Value: "1", Call: 0, Return: 10, Index: 5},
		Op{Client: 1, Kind: Put, Key: "a", Value: "2", Call: 20, Return: 30, Index: 6},
		Op{Client: 2, Kind: Get, Key: "a", Call: 40, Return: 50, Found: true, Got: "1", Index: 5},
	).ends("a", Final{true, "2", 6}), "get a: 1 @5 was asked after the answer to put a 2: @6")
	mustFail(t, tell( // of a key that is not there, no index tells how old the answer is
		Op{Client: 1, Kind: Put, Key: "a", Value: "1", Call: 0, Return: 10, Index: 5},
		Op{Client: 2, Kind: Get, Key: "a", Call: 40, Return: 50},
	).ends("a", Final{true, "1", 5}), "not linearizable: key a")
}

func TestJudgeAllowsAnOldValueWhileTheWriteIsUnderWay(t *testing.T) {
	mustPass(t, tell(
		Op{Client: 1, Kind: Put, Key: "a", Value: "1", Call: 0, Return: 10, Index: 5},
		Op{Client: 1, Kind: Put, Key: "a", Value: "2", Call: 20, Return: 60, Index: 6},
		Op{Client: 2, Kind: Get, Key: "a", Call: 40, Return: 50, Found: true, Got: "1", Index: 5},
	).ends("a", Final{true, "2", 6}))
}

func TestJudgeSeesALostWrite(t *testing.T) {
	put := func(value string, index uint64, from int64) Op {
		return Op{Kind: Put, Key: "a", Value: value, Call: from, Return: from + 5, Index: index}
	}
	mustFail(t, tell(put("1", 5, 0), put("2", 6, 10)).ends("a", Final{true, "1", 5}), "acknowledged (put a 2: @6) and not there")
	mustFail(t, tell(put("1", 5, 0)).ends("a", Final{}), "and not there: found nothing")
	mustFail(t, tell(put("1", 5, 0)).ends("a", Final{true, "1", 4}), "and not there")
	mustFail(t, tell(put("1", 5, 0), Op{Kind: Delete, Key: "a", Call: 10, Return: 20, Index: 6}).
		ends("a", Final{true, "1", 5}), "acknowledged (delete a: @6) and not there")
}

func TestJudgeSeesAWriteThatOneNodeLost(t *testing.T) {
	s := tell(Op{Kind: Put, Key: "a", Value: "1", Call: 0, Return: 10, Index: 5}).ends("a", Final{true, "1", 5})
	s.finals["n3"]["a"] = Final{}
	mustFail(t, s, "a is 1 @5 on n1 and nothing on n3")
	delete(s.finals["n3"], "a")
	mustFail(t, s, "a was not read on n3")
}

func TestJudgeSeesADoubleAppend(t *testing.T) {
	one := Op{Kind: Append, Key: "l", Value: "1;", Call: 0, Return: 10, Index: 5}
	mustFail(t, tell(one).ends("l", Final{true, "1;1;", 6}), "twice there: append l 1;")
	one.Outcome, one.Index = Info, 0 // it may be there, but not twice
	mustFail(t, tell(one).ends("l", Final{true, "1;1;", 6}), "twice there")
}

func TestJudgeSeesAReorderedOrForeignAppend(t *testing.T) {
	one := Op{Client: 1, Kind: Append, Key: "l", Value: "1;", Call: 0, Return: 10, Index: 5}
	two := Op{Client: 1, Kind: Append, Key: "l", Value: "2;", Call: 20, Return: 30, Index: 6}
	mustPass(t, tell(one, two).ends("l", Final{true, "1;2;", 6}))
	mustFail(t, tell(one, two).ends("l", Final{true, "2;1;", 6}), "out of order, behind index 6: append l 1;")
	mustFail(t, tell(one, two).ends("l", Final{true, "1;3;2;", 6}), "nobody appended it")
	mustFail(t, tell(one, two).ends("l", Final{true, "2;", 6}), "acknowledged and not there: append l 1;")
}

func TestJudgeSeesWritesThatShareAnIndexOrGoBack(t *testing.T) {
	mustFail(t, tell(
		Op{Client: 1, Kind: Put, Key: "a", Value: "1", Call: 0, Return: 10, Index: 5},
		Op{Client: 2, Kind: Put, Key: "b", Value: "2", Call: 0, Return: 10, Index: 5},
	).ends("a", Final{true, "1", 5}).ends("b", Final{true, "2", 5}), "two writes have index 5")
	// No value tells the two orders apart, the indexes do.
	mustFail(t, tell(
		Op{Client: 1, Kind: Put, Key: "a", Value: "1", Call: 0, Return: 10, Index: 6},
		Op{Client: 1, Kind: Put, Key: "a", Value: "2", Call: 20, Return: 30, Index: 5},
	).ends("a", Final{true, "1", 6}), "put a 2: @5 was asked after the answer to put a 1: @6")
	// Nor does one key alone, where there are two.
	mustFail(t, tell(
		Op{Client: 1, Kind: Put, Key: "a", Value: "1", Call: 0, Return: 10, Index: 6},
		Op{Client: 1, Kind: Put, Key: "b", Value: "2", Call: 20, Return: 30, Index: 5},
	).ends("a", Final{true, "1", 6}).ends("b", Final{true, "2", 5}), "put b 2: @5 was asked after the answer to put a 1: @6")
}

// What only the model can see: nobody was asked after anybody's answer.
func TestJudgeSeesWhatNoOrderOfAnswersShows(t *testing.T) {
	first := Op{Client: 1, Kind: Put, Key: "a", Value: "1", Call: 0, Return: 10, Index: 6}
	second := Op{Client: 2, Kind: Put, Key: "a", Value: "2", Call: 0, Return: 10, Index: 5}
	won := Op{Client: 3, Kind: CAS, Key: "a", Value: "3", Expect: 5, Call: 20, Return: 30, Index: 7} // and yet 6 had replaced 5
	mustFail(t, tell(first, second, won).ends("a", Final{true, "3", 7}), "not linearizable: key a")
	won.Expect = 6
	mustPass(t, tell(first, second, won).ends("a", Final{true, "3", 7}))
	// Refused though the key was absent, and what was written since hides it.
	refused := Op{Client: 3, Kind: CAS, Key: "a", Value: "3", Call: 0, Return: 10, Refused: true}
	put := Op{Client: 1, Kind: Put, Key: "a", Value: "1", Call: 20, Return: 30, Index: 6}
	mustFail(t, tell(refused, put).ends("a", Final{true, "1", 6}), "not linearizable: key a")
	invented := Op{Client: 3, Kind: Get, Key: "a", Call: 20, Return: 30, Found: true, Got: "1", Index: 8} // a version that no write had
	mustFail(t, tell(first, second, invented).ends("a", Final{true, "1", 6}), "not linearizable: final get a: 1 @6 was asked after the answer to get a: 1 @8")
}

func TestJudgeSeesARejectedWrite(t *testing.T) {
	mustFail(t, tell(
		Op{Client: 1, Kind: Put, Key: "a", Value: "1", Call: 0, Return: 10, Index: 5},
		Op{Client: 1, Kind: Put, Key: "a", Value: "2", Call: 20, Return: 30, Outcome: Fail},
		Op{Client: 2, Kind: Get, Key: "a", Call: 40, Return: 50, Found: true, Got: "2", Index: 6},
		Op{Client: 1, Kind: Put, Key: "a", Value: "3", Call: 60, Return: 70, Index: 7},
	).ends("a", Final{true, "3", 7}), "not linearizable: key a")
}

func TestJudgeSeesTwoWinnersOfOneCompareAndSet(t *testing.T) {
	put := Op{Client: 1, Kind: Put, Key: "a", Value: "1", Call: 0, Return: 10, Index: 5}
	won := Op{Client: 1, Kind: CAS, Key: "a", Value: "2", Expect: 5, Call: 20, Return: 30, Index: 6}
	also := Op{Client: 2, Kind: CAS, Key: "a", Value: "3", Expect: 5, Call: 20, Return: 30, Index: 7}
	mustFail(t, tell(put, won, also).ends("a", Final{true, "3", 7}), "not linearizable: key a")
	also.Refused, also.Index = true, 0
	mustPass(t, tell(put, won, also).ends("a", Final{true, "2", 6}))
	won.Refused, won.Index = true, 0 // nobody won, though the version was right
	mustFail(t, tell(put, won).ends("a", Final{true, "1", 5}), "not linearizable: key a")
}

func TestJudgeLeavesUnknownOutcomesOpen(t *testing.T) {
	put := Op{Client: 1, Kind: Put, Key: "a", Value: "1", Call: 0, Return: 10, Index: 5}
	maybe := Op{Client: 2, Kind: Put, Key: "a", Value: "2", Call: 20, Return: 30, Outcome: Info}
	see := func(value string, index uint64, from int64) Op {
		return Op{Client: 3, Kind: Get, Key: "a", Call: from, Return: from + 5, Found: true, Got: value, Index: index}
	}
	mustPass(t, tell(put, maybe).ends("a", Final{true, "1", 5}))
	mustPass(t, tell(put, maybe).ends("a", Final{true, "2", 7}))
	mustPass(t, tell(put, maybe, see("1", 5, 100), see("2", 9, 200)).ends("a", Final{true, "2", 9})) // it came late
	mustFail(t, tell(put, maybe, see("2", 9, 100), see("1", 5, 200)).ends("a", Final{true, "2", 9}), "not linearizable")
	mustFail(t, tell(put, maybe, see("2", 9, 100), see("2", 8, 200)).ends("a", Final{true, "2", 9}), "not linearizable")
	mustFail(t, tell(put, maybe).ends("a", Final{true, "2", 4}), "and not there") // before what was acknowledged
	gone := Op{Client: 2, Kind: Delete, Key: "a", Call: 20, Return: 30, Outcome: Info}
	mustPass(t, tell(put, gone).ends("a", Final{}))
	mustPass(t, tell(put, gone).ends("a", Final{true, "1", 5}))
}

func TestJudgeDoesNotPassWhatProvesNothing(t *testing.T) {
	if j := tell().judge(); j.Verdict.Result != Undecided || !strings.Contains(j.Verdict.String(), "UNKNOWN 0 writes") {
		t.Errorf("an empty history: %v", j.Verdict)
	}
	// Thirty writes at once that all may have been done, and one read that none explains: too much to try in no time.
	var ops []Op
	for i := range 30 {
		ops = append(ops, Op{Client: i, Kind: Put, Key: "a", Value: fmt.Sprintf("%d;", i), Call: 0, Return: 10, Outcome: Info})
	}
	ops = append(ops, Op{Client: 99, Kind: Get, Key: "a", Call: 20, Return: 30, Found: true, Got: "nobody;", Index: 99})
	s := tell(ops...).ends("a", Final{})
	j := Judge(s.h, s.finals, Judging{Limit: time.Millisecond})
	if j.Verdict.Result != Undecided || !slices.Contains(j.Late, "a") || !strings.Contains(j.Verdict.Reason, "not decided in 1ms") {
		t.Errorf("an undecided history: %v", j.Verdict)
	}
}

// A run in which nothing was looked at must not pass, however many writes were acknowledged.
func TestJudgeDoesNotPassWhatNobodyLookedAt(t *testing.T) {
	blind := func() *story {
		s := tell()
		for i := range 50 {
			at := int64(10 * i)
			s.h.Add(Op{Client: 1, Kind: Put, Key: "a", Value: fmt.Sprint(i), Call: at, Return: at + 5, Outcome: Ok, Index: uint64(i + 1)})
			s.h.Add(Op{Client: 2, Kind: Get, Key: "a", Call: at, Return: at + 5, Outcome: Fail, Error: "timeout"})
		}
		return s.ends("a", Final{true, "49", 50})
	}
	nodes := []string{"n1", "n2", "n3"}
	for name, c := range map[string]struct {
		finals func(Finals) Finals
		how    Judging
		want   string
	}{
		"too few reads":        {nil, Judging{Nodes: nodes, Reads: 2}, "UNKNOWN 1 reads were answered, and fewer than 2 prove nothing"},
		"too few writes":       {nil, Judging{Nodes: nodes, Writes: 51}, "UNKNOWN 50 writes were acknowledged, and fewer than 51 prove nothing"},
		"no final state":       {func(Finals) Finals { return nil }, Judging{}, "UNKNOWN no node's state was read in the end"},
		"a node not read":      {func(f Finals) Finals { delete(f, "n2"); return f }, Judging{Nodes: nodes}, "UNKNOWN n2's state was not read in the end"},
		"a node not in ours":   {nil, Judging{Nodes: append(nodes, "n4")}, "UNKNOWN n4's state was not read in the end"},
		"all was looked at":    {nil, Judging{Nodes: nodes, Writes: 50, Reads: 1}, "PASS"},
		"nodes are not known":  {nil, Judging{}, "PASS"},
		"nodes without a key":  {func(Finals) Finals { return Finals{"n1": {}, "n2": {}, "n3": {}} }, Judging{Nodes: nodes}, "FAIL a was not read on n1 in the end"},
		"no node and no reads": {func(Finals) Finals { return Finals{} }, Judging{Reads: 9}, "UNKNOWN no node's state was read in the end"},
	} {
		s := blind()
		if c.finals != nil {
			s.finals = c.finals(s.finals)
		}
		if j := Judge(s.h, s.finals, c.how); !strings.HasPrefix(j.Verdict.String(), c.want) {
			t.Errorf("%s: %v, want %s", name, j.Verdict, c.want)
		}
	}
	allFailed := NewHistory() // and with no read at all, also where nobody asks for more
	for _, op := range blind().h.Ops() {
		if op.writes() || op.Outcome == Fail {
			allFailed.Add(op)
		}
	}
	if j := Judge(allFailed, blind().finals, Judging{Nodes: nodes}); j.Verdict.Result != Undecided || !strings.Contains(j.Verdict.Reason, "0 reads") {
		t.Errorf("every read failed: %v", j.Verdict)
	}
}

// "rejected" is a promise too: the write is not done and never will be.
func TestJudgeSeesARejectedWriteThatStands(t *testing.T) {
	other := Op{Client: 1, Kind: Put, Key: "b", Value: "x", Call: 0, Return: 10, Index: 4}
	for _, op := range []Op{
		{Client: 2, Kind: Put, Key: "a", Value: "1;", Call: 20, Return: 30, Outcome: Fail},
		{Client: 2, Kind: Append, Key: "a", Value: "1;", Call: 20, Return: 30, Outcome: Fail},
		{Client: 2, Kind: CAS, Key: "a", Value: "1;", Expect: 3, Call: 20, Return: 30, Outcome: Ok, Refused: true},
	} {
		s := tell(other, op).ends("b", Final{true, "x", 4})
		mustPass(t, s.ends("a", Final{}))
		mustFail(t, s.ends("a", Final{true, "1;", 5}), "answered as not done, and there: "+op.String())
		if j := s.judge(); !slices.Equal(j.Illegal, []string{"a"}) {
			t.Errorf("%v: the model does not see it: illegal are %v", &op, j.Illegal)
		}
	}
	// Where another write explains a value of the key, but not this one.
	put := Op{Client: 1, Kind: Put, Key: "a", Value: "1", Call: 0, Return: 10, Index: 5}
	rejected := Op{Client: 2, Kind: Put, Key: "a", Value: "2", Call: 20, Return: 30, Outcome: Fail}
	mustFail(t, tell(put, rejected).ends("a", Final{true, "2", 6}), "answered as not done, and there: put a 2: fail")
	one := Op{Client: 1, Kind: Append, Key: "l", Value: "1;", Call: 0, Return: 10, Index: 5}
	two := Op{Client: 2, Kind: Append, Key: "l", Value: "2;", Call: 20, Return: 30, Outcome: Fail}
	mustFail(t, tell(one, two).ends("l", Final{true, "1;2;", 6}), "answered as not done, and there: append l 2;: fail")
}

func TestJudgeSeesAValueThatNobodyWrote(t *testing.T) {
	put := Op{Client: 1, Kind: Put, Key: "a", Value: "1", Call: 0, Return: 10, Index: 5}
	s := tell(put).ends("a", Final{true, "1", 5})
	mustPass(t, s.ends("never asked for", Final{}))
	mustFail(t, s.ends("never asked for", Final{true, "x", 6}), "nobody wrote it: found x @6")
	s = tell(put).ends("a", Final{true, "1", 5})
	s.finals["n3"]["b"] = Final{true, "x", 6} // one node only
	mustFail(t, s, "b was not read on n1")
	gone := Op{Client: 2, Kind: Delete, Key: "a", Call: 20, Return: 30, Outcome: Info}
	mustFail(t, tell(put, gone).ends("a", Final{true, "2", 6}), "and not there: found 2 @6")
}

// A key that was both appended to and written otherwise: only the model knows what it must hold.
func TestJudgeHoldsTheFinalStateAgainstTheModel(t *testing.T) {
	put := Op{Client: 1, Kind: Put, Key: "a", Value: "1;", Call: 0, Return: 10, Index: 5}
	more := Op{Client: 1, Kind: Append, Key: "a", Value: "2;", Call: 20, Return: 30, Index: 6}
	mustPass(t, tell(put, more).ends("a", Final{true, "1;2;", 6}))
	mustFail(t, tell(put, more).ends("a", Final{true, "1;", 5}), "not linearizable: final get a: 1; @5 was asked after the answer to append a 2;: @6")
	mustFail(t, tell(put, more).ends("a", Final{true, "1;", 6}), "not linearizable: key a")
	mustFail(t, tell(put, more).ends("a", Final{true, "1;2;", 7}), "not linearizable: key a")
	mustFail(t, tell(put, more).ends("a", Final{true, "1;2;2;", 6}), "not linearizable: key a")
	mustFail(t, tell(put, more).ends("a", Final{}), "not linearizable: key a")
	more.Outcome, more.Index = Info, 0
	mustPass(t, tell(put, more).ends("a", Final{true, "1;2;", 6}))
	mustPass(t, tell(put, more).ends("a", Final{true, "1;", 5}))
	mustFail(t, tell(put, more).ends("a", Final{true, "2;", 6}), "not linearizable: key a")
}

// What was seen of a write of unknown outcome counts as if its client had learned it.
func TestJudgeUsesEvidence(t *testing.T) {
	appended := func(value string, index uint64, from int64) Op {
		return Op{Client: int(from), Kind: Append, Key: "l", Value: value, Call: from, Return: from + 5, Index: index}
	}
	maybe := func(value string, from int64) Op {
		return Op{Client: int(from), Kind: Append, Key: "l", Value: value, Call: from, Return: from + 5, Outcome: Info}
	}
	see := func(value string, index uint64, from int64) Op {
		return Op{Client: int(from), Kind: Get, Key: "l", Call: from, Return: from + 5, Found: true, Got: value, Index: index}
	}
	one, two := appended("1;", 5, 0), maybe("2;", 10)
	final := Final{true, "1;2;3;", 9}
	mustPass(t, tell(one, two, appended("3;", 9, 100), see("1;2;3;", 9, 200)).ends("l", final))
	mustPass(t, tell(one, two, see("1;2;", 7, 50), see("1;2;", 7, 60)).ends("l", Final{true, "1;2;", 7}))
	mustFail(t, tell(one, two, see("1;2;", 7, 50), see("1;", 5, 60)).ends("l", Final{true, "1;2;", 7}), "not linearizable")
	mustFail(t, tell(one, two, see("1;2;", 7, 50), see("2;1;", 7, 60)).ends("l", Final{true, "1;2;", 7}), "not linearizable: key l")
	mustFail(t, tell(one, see("1;2;", 7, 2), two).ends("l", Final{true, "1;2;", 7}), "not linearizable: key l") // before it was asked for
	mustFail(t, tell(one, two, appended("3;", 9, 100), see("1;3;2;", 12, 200), appended("4;", 11, 300)).
		ends("l", Final{true, "1;3;2;4;", 13}), "append l 4;: @11 was asked after")

	// Twice a dozen at once, of which half are seen: without evidence, no time would be enough to try their orders.
	ops, want := []Op{one}, "1;"
	for i := range int64(24) {
		op := maybe(fmt.Sprintf("m%d;", i), 10)
		op.Client = int(100 + i)
		if ops = append(ops, op); i%2 == 0 {
			want += op.Value
		}
	}
	ops = append(ops, see(want, 90, 50), see(want, 90, 60))
	mustPass(t, tell(ops...).ends("l", Final{true, want, 90}))
	mustFail(t, tell(append(ops, see("1;", 5, 70))...).ends("l", Final{true, want, 90}), "not linearizable: get l")
}

// imagined makes a history as a correct store would, with clients at the same time, unknown outcomes and rejections.
func imagined(seed uint64) *story {
	rng := rand.New(rand.NewPCG(seed, 0))
	s := tell()
	state, index := map[string]register{}, uint64(0)
	busy := make([]int64, 6) // until when each client is
	for i := range 600 {
		client, call := rng.IntN(len(busy)), int64(2*i)
		if busy[client] >= call {
			continue
		}
		op := Op{Client: client, Key: fmt.Sprintf("r%d", rng.IntN(3)), Call: call, Return: call + 1 + rng.Int64N(16), Outcome: Ok}
		busy[client] = op.Return
		op.Kind = []Kind{Get, Get, Put, Delete, CAS, Append}[rng.IntN(6)]
		if op.Kind == Append {
			op.Key = "l"
		}
		if op.writes() && op.Kind != Delete {
			op.Value = fmt.Sprintf("%d%s", i, tokenEnd)
		}
		op.Client += 100 * i // what follows an unknown outcome is another client: here always
		switch rng.IntN(12) {
		case 0:
			op.Outcome = Fail
		case 1:
			op.Outcome = Info
		}
		if op.Outcome == Ok || op.Outcome == Info && rng.IntN(2) == 0 {
			index++
			carryOut(&op, state, index, rng)
		}
		s.h.Add(op)
	}
	for key, r := range state {
		final := Final{r.exists, r.value, r.version}
		if !r.exists {
			final.Version = 0
		}
		s.ends(key, final)
	}
	for _, key := range []string{"r0", "r1", "r2", "l"} {
		if _, touched := state[key]; !touched {
			s.ends(key, Final{})
		}
	}
	return s
}

// carryOut does what the store would, between the call and the return of the op; here that is at once, so the order of calls.
func carryOut(op *Op, state map[string]register, index uint64, rng *rand.Rand) {
	r := state[op.Key]
	switch op.Kind {
	case Get:
		op.Found, op.Got, op.Index = r.exists, r.value, r.version
		if !r.exists {
			op.Index = 0
		}
		r.exact = r.exact || op.Outcome == Ok
		state[op.Key] = r
		return
	case CAS:
		if rng.IntN(2) == 0 && r.exists && r.exact { // a version that nobody saw, nobody expects
			op.Expect = r.version
		}
		if holds := op.Expect == 0 && !r.exists || r.exists && op.Expect == r.version; !holds {
			op.Refused = op.Outcome == Ok
			return
		}
	}
	value := op.Value
	if op.Kind == Append {
		value = r.value + op.Value
	}
	state[op.Key] = register{exists: op.Kind != Delete, value: value, version: index, exact: op.Outcome == Ok}
	if op.Outcome == Ok {
		op.Index = index
	}
}

func TestJudgePassesWhatACorrectStoreDoes(t *testing.T) {
	for seed := range uint64(50) {
		if j := imagined(seed).judge(); j.Verdict.Result != Passed || j.Tally.Unknown == 0 {
			t.Fatalf("seed %d: %v, lost %v, %+v", seed, j.Verdict, j.Lost, j.Tally)
		}
	}
}

func TestJudgeSeesOneStaleReadAmongMany(t *testing.T) {
	planted := 0
	for seed := range uint64(50) {
		s := imagined(seed)
		ops := s.h.Ops()
		// The last read of r0 shows what an acknowledged write that was over before an earlier read had already replaced.
		var old, last *Op
		for i := range ops {
			if op := &ops[i]; op.Key == "r0" && op.Kind == Get && op.Outcome == Ok && op.Found {
				if old == nil {
					old = op
				}
				last = op
			}
		}
		if old == nil || old.Index == last.Index || slices.ContainsFunc(ops, func(op Op) bool {
			return op.Index == last.Index && op.writes() && op.Return > last.Call
		}) || !slices.ContainsFunc(ops, func(op Op) bool {
			return op.acknowledged() && op.Key == "r0" && op.Index > old.Index && op.Return < last.Call
		}) {
			continue
		}
		planted++
		last.Got, last.Index = old.Got, old.Index
		lying := tell(ops...)
		lying.finals = s.finals
		mustFail(t, lying, "not linearizable: get r0")
	}
	if planted < 20 {
		t.Fatalf("only %d stale reads could be planted", planted)
	}
}

func TestDrawShowsTheIllegalKeyAndTheFaults(t *testing.T) {
	s := tell(
		Op{Client: 1, Kind: Put, Key: "a", Value: "1", Call: 0, Return: 10, Index: 5},
		Op{Client: 2, Kind: Get, Key: "a", Call: 40, Return: 50},
	).ends("a", Final{true, "1", 5})
	s.h.Mark("n2 killed")
	j := s.judge()
	paths, err := j.Draw(t.TempDir(), s.h.Events())
	if err != nil || len(paths) != 1 {
		t.Fatalf("drew %v, %v", paths, err)
	}
	page, err := os.ReadFile(paths[0])
	if err != nil || !bytes.Contains(page, []byte("put a 1")) || !bytes.Contains(page, []byte("n2 killed")) {
		t.Fatalf("the page lacks the operation or the fault: %v", err)
	}
}

func TestHistoryAsJSONLines(t *testing.T) {
	h := NewHistory()
	want := Op{Client: 3, Node: "n1", Kind: CAS, Key: "a", Value: "v", Expect: 4, Call: 1, Return: 2, Outcome: Info, Error: "why"}
	h.Add(want)
	h.Mark("n%d killed", 1)
	var out bytes.Buffer
	if err := h.WriteJSON(&out, Finals{"n1": {"a": {true, "v", 4}}}); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(&out)
	var first struct{ Op Op }
	var second struct{ Event Event }
	if err := dec.Decode(&first); err != nil || first.Op != want {
		t.Errorf("the operation came back as %+v, %v", first.Op, err)
	}
	if err := dec.Decode(&second); err != nil || second.Event.What != "n1 killed" {
		t.Errorf("the event came back as %+v, %v", second.Event, err)
	}
	var third struct {
		Final struct {
			Node, Key string
			Final
		}
	}
	if err := dec.Decode(&third); err != nil || third.Final.Node != "n1" || third.Final.Key != "a" || third.Final.Final != (Final{true, "v", 4}) {
		t.Errorf("the final state came back as %+v, %v", third.Final, err)
	}
}

func BenchmarkJudge(b *testing.B) {
	for _, unknown := range []int{0, 20} {
		b.Run(fmt.Sprintf("10 clients, 2000 ops on a key, %d unknown", unknown), func(b *testing.B) {
			s := crowded(10, 2000, unknown)
			for b.Loop() {
				if j := Judge(s.h, s.finals, Judging{}); j.Verdict.Result != Passed {
					b.Fatal(j.Verdict)
				}
			}
		})
	}
}

// crowded has all clients at one key, all the time.
func crowded(clients, count, unknown int) *story {
	rng := rand.New(rand.NewPCG(1, 1))
	s := tell()
	var r register
	for i := range count {
		at := int64(i * 10)
		op := Op{Client: i, Key: "k", Call: at - rng.Int64N(int64(clients)*10), Return: at + rng.Int64N(int64(clients)*10), Outcome: Ok}
		op.Kind = []Kind{Get, Put}[rng.IntN(2)]
		if op.Kind == Get {
			op.Found, op.Got, op.Index = r.exists, r.value, r.version
		} else {
			r = register{exists: true, value: fmt.Sprint(i), version: uint64(i + 1)}
			op.Value, op.Index = r.value, r.version
			if unknown > 0 && rng.IntN(count/2/unknown) == 0 {
				op.Outcome, op.Index = Info, 0
			}
		}
		s.h.Add(op)
	}
	return s.ends("k", Final{r.exists, r.value, r.version})
}
