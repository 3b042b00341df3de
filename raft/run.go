package raft

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// Run lets the server take part, until ctx ends or Close is called (then it returns nil), or until it must stop:
// the Persister failed, a promise of the algorithm was found broken, or a command in the log cannot be
// decoded. When it returns, all its goroutines have ended; what was asked of it and not answered is
// answered with an error. It can be called once. A Save that hangs holds it up: it cannot be taken back.
func (r *Raft) Run(ctx context.Context) error {
	if !r.started.CompareAndSwap(false, true) {
		return errors.New("raft: Run was called twice, or after Close")
	}
	defer close(r.done)
	owners := []func() error{r.run, r.saver.run, r.applier.run, r.snapshots.run}
	ended := make(chan error, len(owners))
	for _, owner := range owners {
		go func() { ended <- owner() }()
	}
	running := len(owners)
	select {
	case <-ctx.Done():
	case <-r.stop:
	case r.err = <-ended: // before anybody asked for it: it failed
		running--
	}
	r.askToStop()
	r.closeDoors()
	for range running {
		if err := <-ended; r.err == nil {
			r.err = err
		}
	}
	r.answerAll()
	r.peers.close()
	if r.err != nil {
		r.cfg.Logger.Error("stopped", "error", r.err)
	}
	return r.err
}

// askToStop tells all goroutines to end.
func (r *Raft) askToStop() { r.stopOnce.Do(func() { close(r.stop) }) }

// run lets time pass, and takes what waits when nobody else does. Then it keeps the turn for good.
func (r *Raft) run() error {
	defer r.timer.Stop()
	r.peers.follow(r.module.Status().Config)
	r.turn.Unlock() // since New; from now on whoever brings an event may have the turn
	defer r.turn.Lock()
	for {
		select {
		case <-r.stop:
			return nil
		case err := <-r.broken:
			return err
		case <-r.mailbox.wake:
		case <-r.timer.C:
		}
		r.turn.Lock()
		r.round()
		r.yield()
	}
}

// gather takes all that waits, and then the time. In this order: a read must not be judged by a time from before it came, or it could be
// answered by a lease that had run out by then; and a heartbeat keeps this server quiet for an election timeout from when it came.
func (r *Raft) gather(events []event) (_ []event, now time.Duration) {
	events = r.mailbox.takeSome(events)
	if !r.held() {
		r.offered = r.proposals.takeUpTo(maxRoundBytes, (*event).proposed, r.offered)
		events = append(events, r.offered...)
		for i := range r.offered {
			r.heldBytes.Add(-int64(r.offered[i].proposed()))
		}
	}
	now = r.clock()
	return events, now
}

func (r *Raft) takeIn(now time.Duration, e event) {
	switch {
	case e.msg != nil:
		r.module.Step(now, e.msg)
	case e.proposal != nil:
		r.takeProposal(e.proposal)
	case e.offers != nil:
		for i := range e.offers {
			r.unoffered = e.offers[i+1:]
			r.takeProposal(&e.offers[i])
		}
	case e.read != nil:
		r.takeRead(e.read)
	case e.handover != nil:
		r.takeHandover(e.handover)
	case e.noSpace != nil:
		r.module.SetNoSpace(*e.noSpace)
	case e.compaction != nil:
		r.takeCompaction(e.compaction)
	}
}

// carryOut does what the module wants, in the order that consensus.Effects asks for.
func (r *Raft) carryOut(effects consensus.Effects) {
	r.followConfiguration(effects.Facts)
	r.send(effects.Send)
	r.publish()
	if !effects.Save.Empty() || len(effects.AfterSave) > 0 {
		r.saver.submit(work{effects.Save, effects.AfterSave})
	}
	if len(r.accepted)+len(effects.Apply)+len(effects.Reads) > 0 || effects.Restore != nil {
		r.applier.queue.put(delivery{r.accepted, effects.Restore, effects.Apply, r.served(effects.Reads)})
		r.accepted = nil
	}
	for _, fact := range effects.Facts {
		r.tell(fact)
	}
}

// send hands messages to the network; those to this server itself go back through the mailbox.
func (r *Raft) send(messages []Message) {
	for _, msg := range messages {
		if msg.Head().To == r.cfg.ID {
			r.post(event{msg: msg})
		} else {
			r.peers.send(msg)
		}
	}
}

// followConfiguration makes ways to new members, before anything is sent there.
func (r *Raft) followConfiguration(facts []consensus.Fact) {
	for _, fact := range facts {
		if changed, ok := fact.(consensus.ConfigurationChanged); ok {
			r.peers.follow(changed.Config)
		}
	}
}

// publish lets Status and GetState see the module as it is now.
func (r *Raft) publish() {
	status := r.module.Status()
	r.status.Store(&status)
}

// tell logs a fact: changes of role at Info, votes at Debug.
func (r *Raft) tell(fact consensus.Fact) {
	r.followHandover(fact)
	if _, ok := fact.(consensus.VoteGranted); ok {
		r.cfg.Logger.Debug(fact.String())
	} else {
		r.cfg.Logger.Info(fact.String())
	}
	if r.cfg.OnFact != nil {
		r.cfg.OnFact(fact)
	}
}

// closeDoors refuses everything that comes from now on, and lets those go who wait at the doors.
func (r *Raft) closeDoors() { r.unread = append(r.mailbox.shut(), r.proposals.close()...) }

// answerAll tells all who still wait that no answer will come. All goroutines have ended.
func (r *Raft) answerAll() {
	for _, e := range slices.Concat(r.inHand, r.unread) {
		switch {
		case e.proposal != nil && e.proposal.taken.CompareAndSwap(false, true):
			e.proposal.refuse(ErrClosed)
		case e.offers != nil:
			refuseAll(e.offers, ErrClosed)
		case e.read != nil:
			e.read.refuse(ErrClosed)
		case e.handover != nil:
			e.handover.answer <- ErrClosed
		}
	}
	refuseAll(r.unoffered, ErrClosed)
	if p := r.offering; p != nil && p.accepted != nil { // the module did not come back from it
		p.accepted <- p.unknown(ErrClosed)
	} else if p != nil {
		p.abandon()
	}
	if r.handover != nil {
		r.handover.answer <- ErrClosed
	}
	for _, request := range r.reading {
		request.refuse(ErrClosed)
	}
	for _, p := range r.accepted {
		p.abandon()
	}
	r.applier.abandon()
	r.snapshots.abandon()
	r.saver.queue.close()
}
