package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
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
}

// Client is a client. Close it when done.
type Client struct {
	cfg       Config
	endpoints []string // as URL, without a slash at the end
	current   atomic.Uint32
	scheme    string // of endpoints that have none
	sender    *api.Sender
	sessions  sessions
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
	c := &Client{cfg: cfg, sender: api.NewSender(nil), scheme: "http://"}
	if cfg.TLS != nil {
		c.sender, c.scheme = api.NewSender(func() *tls.Config { return cfg.TLS }), "https://"
	}
	for _, endpoint := range cfg.Endpoints {
		base, err := c.parseEndpoint(endpoint)
		if err != nil {
			return nil, err
		}
		c.endpoints = append(c.endpoints, base)
	}
	return c, nil
}

// Close closes the idle connections.
func (c *Client) Close() { c.sender.Close() }

// Endpoints gives the endpoints, as Status and Ready take them.
func (c *Client) Endpoints() []string { return slices.Clone(c.endpoints) }

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

// endpoint gives the one that is in favour.
func (c *Client) endpoint() (which uint32, base string) {
	which = c.current.Load()
	return which, c.endpoints[int(which)%len(c.endpoints)]
}

// passOver makes the next endpoint the one in favour, unless another call has done so already.
func (c *Client) passOver(which uint32) { c.current.CompareAndSwap(which, which+1) }
