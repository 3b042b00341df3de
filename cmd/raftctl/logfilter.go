package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/wal"
)

// recordFilter is which records `raftctl log ls` lists.
type recordFilter struct {
	last     uint64 // how many; 0: all
	from, to uint64 // index of entries; 0: no limit
	term     uint64 // 0: any
	types    []string
	first    recordPlace // of the first one, for last
}

// recordPlace is where a record stands, or an entry of one.
type recordPlace struct{ seq, index uint64 }

func placeOf(r *wal.Record) recordPlace { return recordPlace{r.Seq, uint64(r.Entry.Index)} }

func (p recordPlace) before(q recordPlace) bool {
	return p.seq < q.seq || p.seq == q.seq && p.index < q.index
}

func recordTypes() []string { return []string{"hard", "entry", "mark", "snapshot", "start"} }

func (f *recordFilter) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.Uint64Var(&f.last, "last", 0, "list only the last N records and entries, of those that the other flags choose; 0 lists all")
	flags.Uint64Var(&f.from, "from", 0, "only entries from this index on")
	flags.Uint64Var(&f.to, "to", 0, "only entries up to this index")
	flags.Uint64Var(&f.term, "term", 0, "only records of this term; a mark has none")
	flags.StringSliceVar(&f.types, "type", nil, "only records of these types: "+strings.Join(recordTypes(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("type", cobra.FixedCompletions(recordTypes(), cobra.ShellCompDirectiveNoFileComp))
}

func (f *recordFilter) check(cmd *cobra.Command) error {
	for _, t := range f.types {
		if !slices.Contains(recordTypes(), t) {
			return usage(cmd, "--type %q is none of %s", t, strings.Join(recordTypes(), ", "))
		}
	}
	if f.to > 0 && f.from > f.to {
		return usage(cmd, "--from %d is behind --to %d", f.from, f.to)
	}
	return nil
}

// match tells whether to list r.
func (f *recordFilter) match(r *wal.Record) bool {
	index := uint64(r.Entry.Index)
	switch {
	case placeOf(r).before(f.first), len(f.types) > 0 && !slices.Contains(f.types, r.Type):
		return false
	case (f.from > 0 || f.to > 0) && r.Type != "entry", index < f.from, f.to > 0 && index > f.to:
		return false
	case f.term == 0:
		return true
	case r.Type == "snapshot":
		return uint64(r.Snapshot.Term) == f.term
	}
	return uint64(r.Term) == f.term
}

// findFirst reads the log once to know where the last ones begin.
func (f *recordFilter) findFirst(dir string) error {
	if f.last == 0 {
		return nil
	}
	var last []recordPlace // ones so far
	_, err := scanLog(dir, func(r wal.Record) error {
		if !f.match(&r) {
			return nil
		}
		if last = append(last, placeOf(&r)); uint64(len(last)) > f.last {
			last = last[1:]
		}
		return nil
	})
	if err == nil && len(last) > 0 {
		f.first = last[0]
	}
	return err
}
