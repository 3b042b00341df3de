package integration

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/raftnode/raft/raft/lab"
)

// weather is how all links of a cluster treat the bytes that nodes send each other, and what they count.
type weather struct {
	mu     sync.Mutex
	rng    *rand.Rand
	now    lab.Network
	counts lab.Counts
}

func newWeather(seed uint64) *weather {
	return &weather{rng: rand.New(rand.NewPCG(seed, 7))}
}

func (w *weather) set(n lab.Network) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = n
}

func (w *weather) counted() lab.Counts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.counts
}

// The fate of one chunk of bytes, which has one frame or some. TCP loses nothing, so what is lost is the connection: with it goes
// all that is under way.
const (
	chunkJitter  = 26 * time.Millisecond
	resetsOneIn  = 200
	heldBackAt   = 200 * time.Millisecond
	heldBackMore = 2 * time.Second
)

// chunk counts what passes, and says how long it is held back and whether the connection breaks instead.
func (w *weather) chunk(kinds []byte, bytes int) (delay time.Duration, reset bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.counts.Bytes += bytes
	replies := false
	for _, kind := range kinds {
		if isRequest(kind) {
			w.counts.RPCs++
		}
		replies = replies || isReply(kind)
	}
	if w.now.Unreliable {
		if w.rng.IntN(resetsOneIn) == 0 {
			return 0, true
		}
		delay = time.Duration(w.rng.Int64N(int64(chunkJitter)))
	}
	if w.now.LongReordering && replies && w.rng.IntN(3) < 2 {
		delay += heldBackAt + time.Duration(w.rng.Int64N(int64(heldBackMore)))
	}
	return delay, false
}
