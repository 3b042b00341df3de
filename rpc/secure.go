package rpc

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/raftnode/raft/raft/consensus"
)

// secured is a connection over TLS. Its Close does not wait to say good-bye: frames tell where they end, so nothing hangs on how the stream does.
type secured struct {
	*tls.Conn
}

func (s secured) Close() error { return s.NetConn().Close() }

// prove ends the TLS handshake and gives the server that the other end's certificate is of.
func (cfg *Config) prove(conn *tls.Conn) (consensus.ServerID, error) {
	if err := conn.Handshake(); err != nil { //nolint:noctx // the connection's deadline bounds it
		return "", err
	}
	state := conn.ConnectionState()
	if len(state.PeerCertificates) == 0 {
		return "", errors.New("the other end showed no certificate")
	}
	return cfg.Identify(state.PeerCertificates[0])
}

// secure secures an accepted connection, if that is to be, and gives the server that its other end proved to be.
func (c *inConn) secure(cfg *Config) (consensus.ServerID, error) {
	if cfg.TLS == nil {
		return "", nil
	}
	conn := tls.Server(c.conn, cfg.TLS())
	peer, err := cfg.prove(conn)
	if err != nil {
		return "", inWords(err, c.turnAway)
	}
	c.stream = secured{conn}
	return peer, nil
}

// turnAway tells a caller without TLS, in its own way, why it is not let in. There is nothing of this server in the answer but that.
func (c *inConn) turnAway(first []byte) error {
	if !strings.HasPrefix(magic, string(first)) {
		return notPeer(first)
	}
	reason := "that server speaks TLS with its peers, and this one does not: it must be configured on all servers or on none"
	a := answer{version: highestVersion, reason: reason}
	_, _ = c.conn.Write(a.append(nil)) // if it fails the caller learns less, and that is all
	return strangeError{what: "a server without TLS"}
}

// secure secures a dialed connection, if that is to be. Its other end must prove to be the peer before a word is said.
func (l *Link) secure(raw net.Conn) (net.Conn, error) {
	if l.cfg.TLS == nil {
		return raw, nil
	}
	conn := tls.Client(raw, l.cfg.TLS())
	peer, err := l.cfg.prove(conn)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return nil, errors.New("TLS: closed by the other end: does it speak TLS?")
	case err != nil:
		return nil, inWords(err, func(first []byte) error {
			return fmt.Errorf("what answers there does not speak TLS: %w", notPeer(first))
		})
	case peer != l.id:
		return nil, fmt.Errorf("the server there has the certificate of %q: check its address", peer)
	}
	return secured{conn}, nil
}

// inWords says why a TLS handshake failed. plain does for what is no TLS at all, and gets how that begins.
func inWords(err error, plain func(first []byte) error) error {
	var strange tls.RecordHeaderError
	switch {
	case errors.As(err, &strange):
		return plain(bytes.Clone(strange.RecordHeader[:]))
	case strings.Contains(err.Error(), "unsupported versions"):
		return errors.New("TLS: the other end offers only old versions: TLS 1.3 is needed")
	case strings.Contains(err.Error(), "didn't provide a certificate"):
		return errors.New("TLS: the other end showed no certificate: it needs that of a server of this cluster")
	}
	return fmt.Errorf("TLS: %w", alert(err))
}

// alert makes a refusal of what the other end says against this one in TLS. What the matter is, it does not say: who it does not know might learn from
// that. A dialer hears of it only where it waits for the answer: to it the handshake of TLS 1.3 is over before its certificate is looked at.
func alert(err error) error {
	var remote *net.OpError
	if errors.As(err, &remote) && remote.Op == "remote error" {
		return refusedError{fmt.Sprintf("the other end refuses the connection (%v); its log says why", remote.Err)}
	}
	return err
}
