package consensus

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// modelLog is a log that nobody could get wrong.
type modelLog struct {
	base    Position
	entries []Entry
}

func (l *modelLog) check(t *testing.T, got *log, rnd *rand.Rand) {
	t.Helper()
	last := l.base.Index + Index(len(l.entries))
	if got.lastIndex() != last || got.bytes != sumBytes(l.entries) || got.base != l.base {
		t.Fatalf("it is %+v to %d with %d bytes, want %+v to %d with %d", got.base, got.lastIndex(), got.bytes, l.base, last, sumBytes(l.entries))
	}
	for range 5 {
		from := l.base.Index + 1 + Index(rnd.IntN(len(l.entries)+1))
		to := from + Index(rnd.IntN(int(last-from)+2)) - 1
		want := l.entries[from-l.base.Index-1 : to-l.base.Index]
		if entries := got.slice(from, to); !slices.EqualFunc(entries, want, sameEntry) || cap(entries) != len(entries) {
			t.Fatalf("entries %d to %d are not what was appended, or have room to be appended to", from, to)
		}
		if got.bytesIn(from, to) != sumBytes(want) {
			t.Fatalf("entries %d to %d have %d bytes, want %d", from, to, got.bytesIn(from, to), sumBytes(want))
		}
		l.checkBatch(t, got, from, last, rnd)
		l.checkTerms(t, got, from, last, rnd)
	}
}

func (l *modelLog) checkBatch(t *testing.T, got *log, from, last Index, rnd *rand.Rand) {
	t.Helper()
	if from > last {
		return
	}
	limit := rnd.IntN(20_000)
	batch, bytes := got.batch(from, limit)
	if len(batch) == 0 || batch[0].Index != from || bytes != sumBytes(batch) || len(batch) > 1 && bytes > limit {
		t.Fatalf("a batch from %d on of at most %d bytes has %d entries and %d bytes", from, limit, len(batch), bytes)
	}
	at := got.trailing(last, limit)
	if rest := sumBytes(l.entries[at-l.base.Index:]); rest > limit {
		t.Fatalf("behind %d there are %d bytes, not %d at most", at, rest, limit)
	}
	if at > l.base.Index && sumBytes(l.entries[at-l.base.Index-1:]) <= limit {
		t.Fatalf("behind %d there could be one more within %d bytes", at, limit)
	}
}

func (l *modelLog) checkTerms(t *testing.T, got *log, i, last Index, rnd *rand.Rand) {
	t.Helper()
	if term, ok := got.term(i); ok != (i <= last) || ok && term != l.entries[i-l.base.Index-1].Term {
		t.Fatalf("entry %d has term %d, %t", i, term, ok)
	}
	most := Term(rnd.IntN(30))
	want, ok := l.base, most >= l.base.Term
	for _, e := range l.entries[:min(i, last)-l.base.Index] {
		if e.Term <= most {
			want = Position{e.Index, e.Term}
		}
	}
	if at, found := got.lastWithTermAtMost(i, most); found != ok || ok && at != want {
		t.Fatalf("the last up to %d with a term of at most %d is %+v, %t, want %+v, %t", i, most, at, found, want, ok)
	}
}

func sameEntry(a, b Entry) bool {
	return a.Index == b.Index && a.Term == b.Term && string(a.Data) == string(b.Data)
}

// Whatever is done to it, a log in chunks is a list of entries, and what was handed out stays as it was.
func TestLogAgainstAModel(t *testing.T) {
	for seed := range uint64(60) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var model modelLog
		var l log
		var out, outWas []Entry // what was handed out last, and a copy
		term := Term(1)
		fresh := func(first Index) []Entry {
			entries := make([]Entry, 1+rnd.IntN(1500))
			for i := range entries {
				entries[i] = Entry{Index: first + Index(i), Term: term, Data: make([]byte, rnd.IntN(2000)/(1+rnd.IntN(50)))}
			}
			return entries
		}
		if seed%2 == 1 {
			entries := fresh(1)
			model.entries = slices.Clone(entries)
			l.load(entries)
		}
		for range 40 {
			n := len(model.entries)
			switch what := rnd.IntN(10); {
			case what < 5 || n == 0:
				news := fresh(model.base.Index + Index(n) + 1)
				model.entries = append(model.entries, news...)
				l.append(news...)
			case what < 8:
				term++
				keep := n - 1 - rnd.IntN(min(n, 1+rnd.IntN(3000)))
				news := fresh(model.base.Index + Index(keep) + 1)
				model.entries = append(slices.Clone(model.entries[:keep]), news...)
				l.truncateAndAppend(news)
			default:
				gone := 1 + rnd.IntN(n)
				e := model.entries[gone-1]
				model.base, model.entries = Position{e.Index, e.Term}, slices.Clone(model.entries[gone:])
				l.compact(model.base)
			}
			if !slices.EqualFunc(out, outWas, sameEntry) {
				t.Fatalf("seed %d: what was handed out has changed", seed)
			}
			out = l.slice(l.base.Index+1, l.lastIndex())
			if len(l.chunks) > 0 && rnd.IntN(2) == 0 {
				out = l.from(l.base.Index + 1 + Index(rnd.IntN(len(model.entries))))
			}
			outWas = slices.Clone(out)
			model.check(t, &l, rnd)
		}
	}
}

// However long a log is, an append costs the same: it allocates a chunk now and then.
func TestAppendDoesNotCopyTheLog(t *testing.T) {
	var l log
	entries := make([]Entry, 300_000)
	for i := range entries {
		entries[i] = Entry{Index: Index(i) + 1, Term: 1}
	}
	l.load(entries)
	next := l.lastIndex()
	appendOne := func() {
		next++
		l.append(Entry{Index: next, Term: 1})
	}
	roomy := append(make([]Entry, 0, 9), entries[:3]...)
	other := log{}
	other.load(roomy)
	other.append(Entry{Index: 4, Term: 1})
	if roomy[:4][3].Index != 0 {
		t.Error("an append wrote into what storage gave")
	}
	appendOne() // it begins a chunk
	if n := testing.AllocsPerRun(500, appendOne); n != 0 {
		t.Errorf("an append within a chunk takes %v allocations", n)
	}
	l.truncateAndAppend([]Entry{{Index: 200_000, Term: 2}})
	if &l.chunks[0].entries[0] != &entries[0] || len(l.chunks) != 2 {
		t.Errorf("what a truncation keeps was copied, or is in %d chunks", len(l.chunks)-1)
	}
}

// Compaction lets go of all chunks before the base, and of what else a loaded one had.
func TestCompactionFreesChunks(t *testing.T) {
	var l log
	loaded := make([]Entry, 10*chunkEntries)
	for i := range loaded {
		loaded[i] = Entry{Index: Index(i) + 1, Term: 1}
	}
	l.load(loaded)
	l.append(Entry{Index: l.lastIndex() + 1, Term: 1})
	l.compact(Position{Index: 9*chunkEntries + 10, Term: 1})
	if c := l.chunks[0]; len(l.chunks) != 2 || &c.entries[0] == &loaded[9*chunkEntries+10] || c.first != 9*chunkEntries+11 {
		t.Errorf("%d chunks; the first is of %d, and may still be a part of what was loaded", len(l.chunks), c.first)
	}
	l.compact(Position{Index: l.lastIndex(), Term: 1})
	if len(l.chunks) != 0 || l.bytes != 0 {
		t.Errorf("an empty log has %d chunks and %d bytes", len(l.chunks), l.bytes)
	}
	big := Entry{Index: l.lastIndex() + 1, Term: 1, Data: make([]byte, chunkBytes)}
	l.append(big, Entry{Index: big.Index + 1, Term: 1})
	if len(l.chunks) != 2 {
		t.Error("a large entry is kept as long as the next, since they share a chunk")
	}
}
