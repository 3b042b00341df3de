package raft

import "slices"

// waiting has the proposals that the log took and whose fate is not known yet. They come in the order of their indexes, but for one
// case: this server led, lost its log's end to another leader, and led again. Then a new run begins.
type waiting struct{ runs [][]*proposal }

// add takes one more.
func (w *waiting) add(p *proposal) {
	last := len(w.runs) - 1
	if last < 0 || w.runs[last][len(w.runs[last])-1].at.index >= p.at.index {
		w.runs = append(w.runs, []*proposal{p})
		return
	}
	w.runs[last] = append(w.runs[last], p)
}

// upTo gives away those up to and including index, to each.
func (w *waiting) upTo(index Index, each func(*proposal)) {
	emptied := false
	for i, run := range w.runs {
		for len(run) > 0 && run[0].at.index <= index {
			each(run[0])
			run[0] = nil
			run = run[1:]
		}
		w.runs[i] = run
		emptied = emptied || len(run) == 0
	}
	if emptied {
		w.runs = slices.DeleteFunc(w.runs, func(run []*proposal) bool { return len(run) == 0 })
	}
}
