package sim

import "time"

// clock is a server's own: it may run fast or slow, and jump.
type clock struct {
	since int64         // virtual time
	shown time.Duration // what it showed then
	rate  int64         // per mille
}

// local is what the clock shows at virtual time now.
func (c *clock) local(now int64) time.Duration {
	return c.shown + time.Duration((now-c.since)*c.rate/1000)
}

// when is the first virtual time at which the clock shows local, or more.
func (c *clock) when(local time.Duration) int64 {
	if local <= c.shown {
		return c.since
	}
	return c.since + (int64(local-c.shown)*1000+c.rate-1)/c.rate
}

// change makes the clock go at another rate, or jump, from now on.
func (c *clock) change(now int64, rate int64, jump time.Duration) {
	c.since, c.shown, c.rate = now, max(c.local(now)+jump, 0), rate
}
