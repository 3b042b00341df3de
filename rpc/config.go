package rpc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// Config is what New needs. Cluster, ID and Peers must be set; for everything else the zero value
// is sensible.
type Config struct {
	Cluster string                        // identity of the cluster: both ends must name the same; up to 256 bytes
	ID      consensus.ServerID            // this server; up to 256 bytes
	Peers   map[consensus.ServerID]string // host:port at which to dial each other server; an entry for ID is ignored

	// Advertise is told to every server that this one connects to: see [Transport.Advertised]. It
	// means nothing to this package; an address for clients belongs here. Up to 1024 bytes.
	Advertise string
	// Address is where other servers can dial this one. It is told to them, so that those of which this server is
	// no peer yet can answer: see Unknown. Empty or host:port, up to 512 bytes.
	Address string
	// Store names the store in which this server keeps its votes and its log; another store has another name. Both ends
	// of a connection tell it. Up to 64 bytes.
	Store string
	// Incarnation, if set, gives what to tell a server of this server's start on its Store: both ends of a connection tell it. It means nothing to
	// this package. Up to 1024 bytes. It is called from several goroutines.
	Incarnation func(peer consensus.ServerID) string
	// Admit, if set, is asked at each end of each handshake whether that server may keep its promises in that store, and go on with them in
	// that incarnation. A server whose store was lost, or put back from an older copy, has forgotten votes and acknowledgements: whoever knew
	// better must refuse it. The error is told to both sides. It is called from several goroutines.
	Admit func(peer consensus.ServerID, store, incarnation string) error
	// AdmitEmpty, if set, is asked when a server asks for the cluster: it has no store yet. One that had one has forgotten as much as one with
	// another store, and must not be told where to begin anew: the error is, as a [LostError]. It is called from several goroutines.
	AdmitEmpty func(peer consensus.ServerID) error
	// Unknown, if set, is asked when a server connects that is no peer; nil from it lets the server in. A server that has not
	// heard yet of a change of membership is so reached by a new member or leader. While its connection lasts there is a link to the address that
	// it gave, for answers: see [Transport.Send]. At most 16 such servers, and a quarter of MaxConns, are connected at once. Admit is asked, too. The error
	// is told to both sides. Without Unknown, all but peers are refused. membership is what that server's Membership gave, or "" from version 2 of the
	// protocol. When the answer for some server may have changed, call [Transport.Reconsider]. It is called from several goroutines.
	Unknown func(id consensus.ServerID, address, store, membership string) error
	// Membership, if set, gives what to tell other servers of what this one knows of who is a member, for their Unknown. It means nothing to this
	// package. Up to 64 bytes. It is called from several goroutines.
	Membership func() string
	// TLS, if set, gives what each connection, dialed or accepted, is secured with. It is asked once for each, so that certificates can be exchanged
	// while the transport runs. Each end must verify the other, and ask for nothing less than what makes Identify true: without a host's name, by
	// VerifyConnection. Without TLS, connections are plain. A plain end and a secured one turn each other away.
	TLS func() *tls.Config
	// Identify tells which server a certificate is of that was verified. It must be set with TLS. Who connects must be that server, and whoever is
	// reached the one that was meant.
	Identify func(*x509.Certificate) (consensus.ServerID, error)
	// Codec is the name of the codec that this server writes: "msgpack" (the default), "json", "cbor" where
	// rpc/cborcodec is imported, or one given to [RegisterCodec]. Where the peer does not know it, another that both know is written. It reads any
	// that is registered.
	Codec string

	// Features are optional abilities of the host, by bit. Both ends of a connection tell theirs, and what both have may be used: see
	// [Transport.Features]. The bits from 48 on are this package's own.
	Features uint64

	// MaxFrameBytes bounds the payload of a frame, both ways, and so does that of the peer. A message that is longer is
	// dropped, so this must be above the largest AppendEntries that any host sends. Default 8 MiB.
	MaxFrameBytes int
	// MaxConns bounds the incoming connections, those still in the handshake among them. When all are taken, one that has not
	// finished its handshake makes room: the oldest from the address that has the most. So no number of connections from one address keeps
	// another out, and none is counted against a peer, whoever else has its address. Servers that were let in stay, one connection
	// each, and 16 more are always possible, so it follows the number of peers by itself. Default 512.
	MaxConns int
	// MaxQueueMessages and MaxQueueBytes bound what waits on one link. Default 4096, and 16 MiB.
	MaxQueueMessages int
	MaxQueueBytes    int

	// DialTimeout bounds one attempt to connect. Default 1s.
	DialTimeout time.Duration
	// HandshakeTimeout bounds one handshake, at either end. Default 2s.
	HandshakeTimeout time.Duration
	// KeepaliveInterval is how often each end of a connection lets itself be heard. Default 500ms.
	KeepaliveInterval time.Duration
	// IdleTimeout ends a link whose peer was not heard of, or took nothing, for so long. It should be the election timeout: who is silent
	// for longer does not count. At least twice KeepaliveInterval. A peer that goes on to answer was not gone but slow, or has a longer
	// KeepaliveInterval: it is given twice as long each time, up to 8 times. The peer's connection to this server may be silent for 8 times
	// as long: the next one takes its place, so that it keeps nobody out. Default 2s.
	IdleTimeout time.Duration
	// MinFrameRate is the least speed, in bytes a second, at which a frame must come that was begun: it must be there within IdleTimeout and the time that its
	// length takes at that speed. Default 64 KiB.
	MinFrameRate int
	// MinBackoff and MaxBackoff bound the pause between two attempts to connect; it doubles from one to the
	// other, and each is shortened by up to a half at random. Default 10ms and 1s.
	MinBackoff time.Duration
	MaxBackoff time.Duration

	// OnEvent, if set, is called with what is worth telling an operator. It is called from the
	// transport's goroutines, by several at once, and must not block.
	OnEvent func(Event)
	// Dial opens a connection to a peer's address. Default: TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// minFrameBytes is the least MaxFrameBytes.
const minFrameBytes = 1 << 10

// normalize gives a copy with the defaults filled in, or everything that is wrong with cfg.
func (cfg Config) normalize() (Config, error) {
	setDefault(&cfg.Codec, "msgpack")
	setDefault(&cfg.MaxFrameBytes, 8<<20)
	setDefault(&cfg.MaxConns, 512)
	setDefault(&cfg.MaxQueueMessages, 4096)
	setDefault(&cfg.MaxQueueBytes, 16<<20)
	setDefault(&cfg.DialTimeout, time.Second)
	setDefault(&cfg.HandshakeTimeout, 2*time.Second)
	setDefault(&cfg.KeepaliveInterval, 500*time.Millisecond)
	setDefault(&cfg.IdleTimeout, 2*time.Second)
	setDefault(&cfg.MinFrameRate, 64<<10)
	setDefault(&cfg.MinBackoff, 10*time.Millisecond)
	setDefault(&cfg.MaxBackoff, time.Second)
	if cfg.OnEvent == nil {
		cfg.OnEvent = func(Event) {}
	}
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address) // with TCP_NODELAY, as always in Go
		}
	}
	cfg.Peers = maps.Clone(cfg.Peers)
	delete(cfg.Peers, cfg.ID)
	err := errors.Join(append(cfg.checkNames(), cfg.checkLimits()...)...)
	cfg.Features |= featuresOfThis
	return cfg, err
}

// incarnation gives what to tell a peer. What is too long would make the handshake one that nobody understands.
func (cfg *Config) incarnation(peer consensus.ServerID) string {
	if cfg.Incarnation == nil {
		return ""
	}
	text := cfg.Incarnation(peer)
	return text[:min(len(text), maxIncarnation)]
}

// membership gives what to tell a server of what is known here of the members.
func (cfg *Config) membership() string {
	if cfg.Membership == nil {
		return ""
	}
	text := cfg.Membership()
	return text[:min(len(text), maxMembership)]
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (cfg *Config) checkNames() []error {
	var errs []error
	name := func(what, value string) {
		if value == "" || len(value) > maxName {
			errs = append(errs, fmt.Errorf("%s %q must have 1 to %d bytes", what, value, maxName))
		}
	}
	name("the cluster's name", cfg.Cluster)
	name("the server's name", string(cfg.ID))
	for id, address := range cfg.Peers {
		name("the peer's name", string(id))
		if _, _, err := net.SplitHostPort(address); err != nil {
			errs = append(errs, fmt.Errorf("the address of peer %q must be host:port: %w", id, err))
		}
	}
	if len(cfg.Store) > maxStore {
		errs = append(errs, fmt.Errorf("Store has %d bytes, at most %d are allowed", len(cfg.Store), maxStore))
	}
	if cfg.Address != "" {
		if _, _, err := net.SplitHostPort(cfg.Address); err != nil || len(cfg.Address) > maxAddress {
			errs = append(errs, fmt.Errorf("Address %.100q must be host:port, of at most %d bytes", cfg.Address, maxAddress))
		}
	}
	if len(cfg.Advertise) > maxAdvertise {
		errs = append(errs, fmt.Errorf("Advertise has %d bytes, at most %d are allowed", len(cfg.Advertise), maxAdvertise))
	}
	if (cfg.TLS == nil) != (cfg.Identify == nil) {
		errs = append(errs, errors.New("TLS and Identify must be set together: an end that is not known is not secure"))
	}
	if lookup(cfg.Codec) == nil {
		errs = append(errs, fmt.Errorf("there is no codec %q; known are %q", cfg.Codec, Codecs()))
	}
	return errs
}

func (cfg *Config) checkLimits() []error {
	var errs []error
	require := func(holds bool, format string, args ...any) {
		if !holds {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	require(cfg.MaxFrameBytes >= minFrameBytes && cfg.MaxFrameBytes <= 1<<30,
		"MaxFrameBytes %d must be between 1 KiB and 1 GiB", cfg.MaxFrameBytes)
	require(cfg.Features&packageFeatures&^featuresOfThis == 0, "Features %#x must have no bit from 48 on: those are the package's", cfg.Features)
	require(cfg.MaxConns > 0, "MaxConns %d must be positive", cfg.MaxConns)
	require(cfg.MinFrameRate > 0, "MinFrameRate %d must be positive", cfg.MinFrameRate)
	require(cfg.MaxQueueMessages > 0, "MaxQueueMessages %d must be positive", cfg.MaxQueueMessages)
	require(cfg.MaxQueueBytes > 0, "MaxQueueBytes %d must be positive", cfg.MaxQueueBytes)
	require(cfg.DialTimeout > 0, "DialTimeout %v must be positive", cfg.DialTimeout)
	require(cfg.HandshakeTimeout > 0, "HandshakeTimeout %v must be positive", cfg.HandshakeTimeout)
	require(cfg.KeepaliveInterval > 0, "KeepaliveInterval %v must be positive", cfg.KeepaliveInterval)
	require(cfg.IdleTimeout >= 2*cfg.KeepaliveInterval,
		"IdleTimeout %v must be at least twice KeepaliveInterval %v", cfg.IdleTimeout, cfg.KeepaliveInterval)
	require(cfg.MinBackoff > 0, "MinBackoff %v must be positive", cfg.MinBackoff)
	require(cfg.MaxBackoff >= cfg.MinBackoff, "MaxBackoff %v must not be below MinBackoff %v", cfg.MaxBackoff, cfg.MinBackoff)
	return errs
}
