package load

import "time"

// sleeper sleeps until operations are due. The timers of the runtime may be a millisecond late where nothing else happens, which would count as latency
// of the target; those of newSleeper are not, where the system has better ones.
type sleeper interface {
	sleep(d time.Duration)
	close()
}

// longestSleep bounds how long the end of a run goes unnoticed at a low rate. shortestSleep keeps a high rate from being a busy loop: operations are
// then begun by the handful, each late by no more than that.
const (
	longestSleep  = 50 * time.Millisecond
	shortestSleep = 50 * time.Microsecond
)

// ticket is an operation of an open loop on its way.
type ticket struct {
	op  Op
	due time.Time
}

// pace begins operations at the rate. When too many are unanswered it waits, and those that are due meanwhile are begun late.
func (r *run) pace(began time.Time) {
	room := make(chan struct{}, r.cfg.InFlight)
	interval := float64(time.Second) / r.cfg.Rate
	for n := 0; ; n++ {
		due := began.Add(time.Duration(float64(n) * interval))
		if !r.sleepUntil(due) || !r.enter(room) {
			r.record.missed(due, time.Duration(interval))
			return
		}
		op, _ := r.source.next()
		r.begin(ticket{op: op, due: due}, room)
	}
}

func (r *run) begin(t ticket, room chan struct{}) {
	r.inFlight.Add(1)
	r.target.Start(r.ctx, t.op, func(err error) {
		r.record.add(t.op.Kind, t.due, time.Now(), err)
		<-room
		r.inFlight.Done()
	})
}

// sleepUntil returns false if the run ends first.
func (r *run) sleepUntil(due time.Time) bool {
	for !r.over.Load() {
		left := time.Until(due)
		if left <= 0 {
			return true
		}
		r.cfg.sleep.sleep(max(min(left, longestSleep), shortestSleep))
	}
	return false
}

// enter takes a place among those in flight, and returns false if the run ends before there is one.
func (r *run) enter(room chan struct{}) bool {
	for !r.over.Load() {
		select {
		case room <- struct{}{}:
			return true
		default:
		}
		timer := time.NewTimer(longestSleep)
		select {
		case room <- struct{}{}:
			timer.Stop()
			return true
		case <-timer.C:
		}
	}
	return false
}

// goSleeper is the sleeper that the runtime has.
type goSleeper struct{}

func (goSleeper) sleep(d time.Duration) { time.Sleep(d) }
func (goSleeper) close()                {}
