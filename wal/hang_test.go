package wal

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/raftnode/raft/raft/consensus"
)

// While an fsync hangs, of whatever it is, nobody is told that anything is saved.
func TestHungFsync(t *testing.T) {
	saves := map[string]consensus.Save{
		"sync":     {Entries: entries(31, 1, 1)},
		"dir":      {Entries: entries(31, 1, 300)},
		"snapsync": {Snapshot: snapshotAt(20, 1), Base: position(20, 1)},
		"rename":   {Snapshot: snapshotAt(20, 1), Base: position(20, 1)},
	}
	for deed, save := range saves {
		synctest.Test(t, func(t *testing.T) {
			_, d, l, before := preparable(t)
			d.hang, d.goOn = deed, make(chan struct{})
			saved := make(chan error, 1)
			go func() { saved <- l.Save([]consensus.Save{save}) }()
			synctest.Wait()
			if len(saved) > 0 {
				t.Errorf("while %s hangs, Save returned %v", deed, <-saved)
			}
			if last := d.deeds[len(d.deeds)-1]; last != deed {
				t.Errorf("while %s hangs, it did %v", deed, d.deeds)
			}
			close(d.goOn)
			if err := <-saved; err != nil {
				t.Error(err)
			}
			mustClose(t, l)
			checkSaved(t, reopened(t, l.dir), shadow([]consensus.Save{before, save}))
		})
	}
	reportCount(t, len(saves), "kinds of fsync and rename that hung under a Save: none said that it was saved")
}

// The same at the door: Open returns when what it found is durable.
func TestHungFsyncOfRecovery(t *testing.T) {
	content, list, _ := smallLog(t, 1)
	content[segmentName(1)] = content[segmentName(1)][:list[len(list)-1].Offset]
	for _, deed := range []string{"rewrite", "sync", "dir"} {
		synctest.Test(t, func(t *testing.T) {
			d := &faultyDisk{hang: deed, goOn: make(chan struct{})}
			opened := make(chan error, 1)
			dir := dirWith(t, content)
			go func() {
				l, err := open(dir, testOptions, d.disk())
				if err == nil {
					err = l.Close()
				}
				opened <- err
			}()
			synctest.Wait()
			if len(opened) > 0 {
				t.Errorf("while %s hangs, Open returned %v", deed, <-opened)
			}
			close(d.goOn)
			if err := <-opened; err != nil {
				t.Error(err)
			}
		})
	}
}

// Each deed of a life with snapshots and removals fails in turn. The first error is final, and what was acknowledged is there.
func TestTortureEachErrorIsFinal(t *testing.T) {
	step := 4
	if torture() {
		step = 1
	}
	var count tally
	for _, kind := range []string{"write", "sync", "dir", "create", "snapwrite", "snapsync", "rename", "remove", "close"} {
		failed := 0
		for after := 0; failed*step == after; after += step {
			dir := t.TempDir()
			d := &faultyDisk{}
			l := openFaulty(t, dir, d)
			l.removed = maxRemoved - 2 // so that tidwall/wal is opened anew
			d.fail, d.after = kind, after
			acked := 0
			var err error
			for _, save := range scriptSaves() {
				if err = l.Save([]consensus.Save{save}); err != nil {
					break
				}
				acked++
			}
			what := fmt.Sprintf("%s %d", kind, after)
			if err != nil {
				failed++
				done := len(d.deeds)
				if again := l.Save(scriptSaves()[acked:]); !errors.Is(err, errDisk) || !errors.Is(again, errDisk) || !strings.Contains(again.Error(), "earlier") || len(d.deeds) > done {
					t.Errorf("%s: %v, and then %v; it did %v", what, err, again, d.deeds[done:])
				}
				d.fail = ""
			}
			abandon(t, l)
			count.judge(t, what, dir, scriptSaves(), acked)
		}
		if failed == 0 {
			t.Errorf("no %s failed", kind)
		}
	}
	count.report(t, "errors, each of another deed of a life")
}
