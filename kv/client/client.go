package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/raftnode/raft/kv/api"
)

// Config is what New needs. Endpoints must be set.
type Config struct {
	// Endpoints are the client addresses of the servers, as host:port, http://host:port or https://host:port. Any server will do; with
	// several, the next is asked when one fails. The first is asked first.
	Endpoints []string
	// Timeout bounds each call, attempts and pauses together. Default 5s. An earlier deadline of the
	// call's context counts. At most api.MaxTimeout.
	Timeout time.Duration
	// TLS is how servers are known, and how this client shows itself. With it, host:port means https://host:port; without, http://host:port,
	// and https is spoken with those that the system trusts.
	TLS *tls.Config
	// NoRetry makes each call one request to the first endpoint. Writes carry no client id then, unless
	// the call says WithSession.
	NoRetry bool
	// Protocol is how keys are read and written. Default Stream.
	Protocol Protocol
}

// Protocol is what a Client speaks with servers.
type Protocol string

// The protocols. Lists, and all that is not about a key, are asked over HTTP in any case.
const (
	// Stream is the native protocol, many calls at once on one connection; with servers that do not know it, HTTP.
	Stream Protocol = "stream"
	// HTTP is one request for each call.
	HTTP Protocol = "http"
)

// Client is a client. Close it when done.
type Client struct {
	cfg      Config
	links    []*link // to the endpoints
	current  atomic.Uint32
	scheme   string // of endpoints that have none
	sender   *api.Sender
	sessions sessions
	waiters  sync.Pool // of *waiter
	calls    sync.Pool // of *call
	starts   sync.Pool // of *start

	life    context.Context // ends with Close
	end     context.CancelFunc
	running sync.WaitGroup       // goroutines of links
	leader  atomic.Pointer[link] // where the leader is, as far as a server said so

	mu     sync.Mutex
	aside  *link // to a leader that is none of the endpoints
	closed bool
}

// New makes a Client. It connects to nobody yet.
func New(cfg Config) (*Client, error) {
	if len(cfg.Endpoints) == 0 {
		return nil, errors.New("kv/client: no endpoints: give the host:port of at least one server")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = api.DefaultTimeout
	}
	if cfg.Timeout < 0 || cfg.Timeout > api.MaxTimeout {
		return nil, fmt.Errorf("kv/client: the timeout %s is not above 0 and up to %s", cfg.Timeout, api.MaxTimeout)
	}
	if cfg.Protocol == "" {
		cfg.Protocol = Stream
	}
	if cfg.Protocol != Stream && cfg.Protocol != HTTP {
		return nil, fmt.Errorf("kv/client: the protocol %q is neither %s nor %s", cfg.Protocol, Stream, HTTP)
	}
	c := &Client{cfg: cfg, sender: api.NewSender(nil), scheme: "http://"}
	c.life, c.end = context.WithCancel(context.Background())
	c.waiters.New = func() any { return newWaiter() }
	c.calls.New = func() any { return new(call) }
	c.starts.New = func() any { return newStart(c) }
	if cfg.TLS != nil {
		c.sender, c.scheme = api.NewSender(func() *tls.Config { return cfg.TLS }), "https://"
	}
	for _, endpoint := range cfg.Endpoints {
		base, err := c.parseEndpoint(endpoint)
		if err != nil {
			return nil, err
		}
		c.links = append(c.links, &link{client: c, base: base})
	}
	return c, nil
}

// Close ends the connections. Calls that are under way fail.
func (c *Client) Close() {
	c.end()
	c.mu.Lock()
	c.closed = true
	links := slices.Clone(c.links)
	if c.aside != nil {
		links = append(links, c.aside)
	}
	c.mu.Unlock()
	for _, l := range links {
		l.close()
	}
	c.running.Wait()
	c.sender.Close()
}

// Endpoints gives the endpoints, as Status and Ready take them.
func (c *Client) Endpoints() (all []string) {
	for _, l := range c.links {
		all = append(all, l.base)
	}
	return all
}

// within gives the time by which a call ends.
func (c *Client) within(ctx context.Context) time.Time {
	deadline := time.Now().Add(c.cfg.Timeout)
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(deadline) {
		return earlier
	}
	return deadline
}

func (c *Client) parseEndpoint(endpoint string) (base string, err error) {
	base = strings.TrimSuffix(endpoint, "/")
	if !strings.Contains(base, "://") {
		base = c.scheme + base
	}
	u, err := url.Parse(base)
	if err == nil && (u.Scheme != "http" && u.Scheme != "https" || u.Path != "" || u.RawQuery != "" || u.User != nil) {
		err = errors.New("it has more, or other, than that")
	}
	if err == nil {
		err = checkPort(u.Host)
	}
	if err != nil {
		return "", fmt.Errorf("kv/client: the endpoint %q is not host:port, http://host:port or https://host:port: %w", endpoint, err)
	}
	return base, nil
}

func checkPort(hostPort string) error {
	_, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return err
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("the port %q is not a number from 1 to 65535", port)
	}
	return nil
}
