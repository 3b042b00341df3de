package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
)

// listen opens a TCP listener. flag is the setting to name in errors.
func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err == nil {
		return ln, nil
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = errno // without the words that repeat the address
	}
	_, port, _ := net.SplitHostPort(address)
	advice := "choose another address"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		advice = fmt.Sprintf("another process listens there (`ss -ltnp 'sport = :%s'` names it): stop that, or choose another address", port)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "this machine does not have that address: choose one that it has (`ip addr` lists them)"
	case errors.Is(err, syscall.EACCES):
		advice = "choose a port above 1023, or give the process the right to use that one"
	}
	return nil, fmt.Errorf("%s %s: %w: %s", flag, address, err, advice)
}

// addresses is what a running node says of itself in its data directory.
type addresses struct {
	PID    int    `json:"pid"`
	Peer   string `json:"peer"`   // where members are served
	Client string `json:"client"` // where clients are served
}

func addressesFile(dir string) string { return filepath.Join(dir, "addresses.json") }

// publish writes the file in one step: who reads it sees all of it or nothing. It need not survive a
// power cut, so it is not fsynced.
func (a addresses) publish(dir string) error {
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	name := addressesFile(dir)
	err = os.WriteFile(name+".tmp", append(text, '\n'), 0o600)
	if err == nil {
		err = os.Rename(name+".tmp", name)
	}
	if err != nil {
		_ = os.Remove(name + ".tmp") // a part of it helps nobody
		return fmt.Errorf("cannot say where this node listens: %w", err)
	}
	return nil
}

// withdraw removes the file, which may not be there. After a kill it is, and names a process that is gone.
func withdraw(dir string) error {
	if err := os.Remove(addressesFile(dir)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// reachable is the address that others are told to find a listener at. One that listens on all
// addresses is told by the host that the other members use for this node.
func reachable(listener net.Addr, ownMemberAddress string) string {
	host, port, err := net.SplitHostPort(listener.String())
	if err != nil {
		return listener.String()
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
		return listener.String()
	}
	if host, _, err = net.SplitHostPort(ownMemberAddress); err != nil {
		return listener.String()
	}
	return net.JoinHostPort(host, port)
}
