package raft

import (
	"context"

	"github.com/raftnode/raft/raft/consensus"
)

// maxPendingReads bounds the reads that wait for a majority's word.
const maxPendingReads = 1 << 16

// readRequest is one Read.
type readRequest struct {
	done func(Index, error) // is called once
}

type readAnswer struct {
	index Index
	err   error
}

func (q *readRequest) finish(served servedRead) {
	if served.read.Refused {
		q.refuse(&NotLeaderError{Leader: served.leader})
		return
	}
	q.done(served.read.Index, nil)
}

func (q *readRequest) refuse(err error) { q.done(0, err) }

// Read makes a linearizable read possible without a log entry (ReadIndex, thesis 6.4): when it returns without an
// error, this server's state machine has applied everything that was committed at some moment after the call, up to the index
// it gives. Read the state machine now.
//
// A leader makes sure that it still leads. A follower, learners among them, asks its leader for the index, one request for all reads that wait, and waits
// until it has applied that: so reads can be spread over all servers. It gives a NotLeaderError when it cannot ask or the leader refuses, at once, and
// when there is no answer, or it does not come so far, within an election timeout (two if it has to wait for reads before it): then the leader
// may be faster.
//
// All errors are harmless: a read changes nothing. The Rejected ones may succeed elsewhere.
func (r *Raft) Read(ctx context.Context) (Index, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	answer := make(chan readAnswer, 1)
	r.ReadAsync(func(index Index, err error) { answer <- readAnswer{index, err} })
	select {
	case a := <-answer:
		return a.index, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// ReadAsync is Read without a goroutine that waits: done is called once, with what Read would have given. Where there is no error it is called
// by the goroutine that applies, which must not be blocked, so the state machine may be read there; an error may also come from within ReadAsync.
func (r *Raft) ReadAsync(done func(Index, error)) {
	request := &readRequest{done}
	if !r.post(event{read: request}) {
		request.refuse(ErrClosed)
	}
}

// takeRead asks the module. It needs the turn.
func (r *Raft) takeRead(request *readRequest) {
	if len(r.reading) >= maxPendingReads {
		request.refuse(ErrBusy)
		return
	}
	if leader := r.module.Asks(); leader != "" && !r.peers.carries(leader, &consensus.ReadIndex{}) {
		request.refuse(&NotLeaderError{Leader: leader})
		return
	}
	r.lastRead++
	if err := r.module.Read(r.lastRead); err != nil {
		request.refuse(r.refusal(err))
		return
	}
	r.reading[r.lastRead] = request
}

// served matches the module's answers with the requests.
func (r *Raft) served(reads []consensus.Read) []servedRead {
	if len(reads) == 0 {
		return nil
	}
	served, leader := make([]servedRead, 0, len(reads)), r.status.Load().Leader
	for _, read := range reads {
		served = append(served, servedRead{r.reading[read.ID], read, leader})
		delete(r.reading, read.ID)
	}
	return served
}
