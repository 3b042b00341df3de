package client

import (
	"strings"
	"time"
)

// endpoint gives the one that is in favour.
func (c *Client) endpoint() way {
	which := c.current.Load()
	return way{which: which, to: c.links[int(which)%len(c.links)]}
}

// choose gives the way for a call: to the leader, if a server said where that is.
func (c *Client) choose(call *call) way {
	w := c.endpoint()
	if leader := c.leader.Load(); leader != nil && call.kind != 0 {
		w.to, w.leader = leader, true
	}
	return w
}

// passOver makes the next endpoint the one in favour, unless another call has done so already. A way to the leader is given up first.
func (c *Client) passOver(w way) {
	if w.leader {
		c.leader.CompareAndSwap(w.to, nil)
		if w.to != c.links[int(w.which)%len(c.links)] {
			return
		}
	}
	c.current.CompareAndSwap(w.which, w.which+1)
}

// leads is told by a server where the leader serves clients. If that can be reached, calls go there: the server would pass them on, which costs more. It is not
// trusted to lead from TLS to where there is none.
func (c *Client) leads(address string) {
	base := address
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	base, err := c.parseEndpoint(base)
	if err != nil || c.cfg.NoRetry || strings.HasPrefix(c.links[0].base, "https://") && !strings.HasPrefix(base, "https://") {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	to := c.linkTo(base)
	if to == c.leader.Load() {
		return
	}
	c.running.Go(func() {
		if _, err := to.open(c.life, time.Now().Add(dialTime)); err == nil {
			c.leader.Store(to)
		}
	})
}

// linkTo gives the link to an endpoint, or makes one beside them, which takes the place of the one that was made last. Call it under mu.
func (c *Client) linkTo(base string) *link {
	for _, l := range c.links {
		if l.base == base {
			return l
		}
	}
	if c.aside != nil && c.aside.base == base {
		return c.aside
	}
	if c.aside != nil {
		c.leader.CompareAndSwap(c.aside, nil)
		c.running.Go(c.aside.retire)
	}
	c.aside = &link{client: c, base: base}
	return c.aside
}
