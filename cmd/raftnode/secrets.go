package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/rpc/certs"
)

// secretOptions name the files of TLS.
func secretOptions() []option {
	file := func(name, help string, field func(c *config) *string) option {
		return option{name: name, kind: "file", help: help, set: func(c *config, text string) error { *field(c) = text; return nil }}
	}
	return []option{
		file("peer-tls-cert", "the certificate of this node, in PEM, which names it raft://CLUSTER/ID (raftctl certs init makes some); with the next two: "+
			"members speak TLS with each other, and nothing else", func(c *config) *string { return &c.peerTLS.Cert }),
		file("peer-tls-key", "its private key", func(c *config) *string { return &c.peerTLS.Key }),
		file("peer-tls-ca", "the authority that signs the certificates of all nodes", func(c *config) *string { return &c.peerTLS.CA }),
		file("client-tls-cert", "the certificate for clients, in PEM, which names this node's host; with the next: clients are served over TLS (HTTPS)",
			func(c *config) *string { return &c.clientTLS.Cert }),
		file("client-tls-key", "its private key; SIGHUP makes a node read all these files again", func(c *config) *string { return &c.clientTLS.Key }),
		file("client-tls-ca", "the authority that signs the certificates of clients and of nodes; with it, clients must have one. Without it, a node knows the others, to which it "+
			"passes requests on, by --peer-tls-ca or the system's authorities", func(c *config) *string { return &c.clientTLS.CA }),
	}
}

// together wants all files of a kind, or none.
func together(prefix string, files certs.Files, ca bool) error {
	given := map[string]string{prefix + "-cert": files.Cert, prefix + "-key": files.Key}
	if ca || files.CA != "" {
		given[prefix+"-ca"] = files.CA
	}
	var have, lack []string
	for _, flag := range []string{prefix + "-cert", prefix + "-key", prefix + "-ca"} {
		if name, asked := given[flag]; asked && name != "" {
			have = append(have, flag)
		} else if asked {
			lack = append(lack, flag)
		}
	}
	if len(have) == 0 || len(lack) == 0 {
		return nil
	}
	return fmt.Errorf("%s is given, but not %s: they go together", strings.Join(have, ", "), strings.Join(lack, ", "))
}

// secrets are this node's certificates. A part without TLS is nil.
type secrets struct {
	log     hclog.Logger
	peers   *certs.Keeper
	clients *certs.Keeper
	now     func() time.Time
	hup     chan os.Signal    // nil without TLS: then the signal does what it does to any process
	told    map[string]warned // by flag; of the goroutine of run, once that runs
}

// warned is what was said last of a certificate, and when.
type warned struct {
	text string
	at   time.Time
}

func openSecrets(log hclog.Logger, c *config) (s *secrets, err error) {
	s = &secrets{log: log, now: time.Now, told: map[string]warned{}}
	if c.peerTLS.Cert != "" {
		if s.peers, err = certs.OpenPeer(c.peerTLS, string(c.id), s.now); err != nil {
			return nil, inFlag("--peer-tls", c.peerTLS, err)
		}
		log.Info("members must show a certificate", "cluster", s.peers.Name().Cluster, "expires", s.peers.Expires())
	}
	if c.clientTLS.Cert != "" {
		if s.clients, err = certs.OpenServer(c.clientTLS, c.peerTLS.CA, s.now); err != nil {
			return nil, inFlag("--client-tls", c.clientTLS, err)
		}
		log.Info("clients are served over TLS", "certificate_asked", c.clientTLS.CA != "", "expires", s.clients.Expires())
	}
	s.warn()
	if s.peers != nil || s.clients != nil {
		s.hup = make(chan os.Signal, 1)
		signal.Notify(s.hup, syscall.SIGHUP)
	}
	return s, nil
}

// inFlag names the flag that names the file with which something is wrong. What is not of one file alone is the certificate's.
func inFlag(prefix string, files certs.Files, err error) error {
	var wrong *certs.FileError
	flag := prefix + "-cert"
	if errors.As(err, &wrong) && wrong.Name != files.Cert {
		switch wrong.Name {
		case files.Key:
			flag = prefix + "-key"
		case files.CA:
			flag = prefix + "-ca"
		}
	}
	return fmt.Errorf("%s: %w", flag, err)
}

// each calls do for the parts that there are, with the flag that people know them by.
func (s *secrets) each(do func(flag string, k *certs.Keeper)) {
	if s.peers != nil {
		do("--peer-tls-cert", s.peers)
	}
	if s.clients != nil {
		do("--client-tls-cert", s.clients)
	}
}

// warn tells of certificates that expire soon, each day, and when there are other words for it.
func (s *secrets) warn() {
	s.each(func(flag string, k *certs.Keeper) {
		now := warned{k.Warning(), s.now()}
		before := s.told[flag]
		if now.text == before.text && now.at.Sub(before.at) < 24*time.Hour {
			return
		}
		s.told[flag] = now
		if now.text != "" {
			s.log.Warn(flag + ": " + now.text + ". Put a new one in its place, and send this process SIGHUP")
		}
	})
}

// certificates is what the status says of them.
func (s *secrets) certificates() (all []api.Certificate) {
	uses := map[*certs.Keeper]string{s.peers: api.ForMembers, s.clients: api.ForClients}
	s.each(func(_ string, k *certs.Keeper) {
		all = append(all, api.Certificate{Use: uses[k], NotAfter: k.Expires().UTC(), DaysLeft: k.DaysLeft(), Warning: k.Warning()})
	})
	return all
}

// lookAgain is how often the time that certificates have left is looked at.
const lookAgain = time.Hour

// run reads the files again when the process gets SIGHUP, and warns of certificates that expire soon.
func (s *secrets) run(ctx context.Context) {
	if s.hup == nil {
		return
	}
	defer signal.Stop(s.hup)
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.hup:
			s.reload()
		case <-again.C:
			s.warn()
		}
	}
}

// reload takes new files for connections that begin from now on. Those that stand are left alone.
func (s *secrets) reload() {
	s.each(func(flag string, k *certs.Keeper) {
		if err := k.Reload(); err != nil {
			s.log.Error(flag+": cannot be taken: what was there before stays in use", "error", oneLine(err))
			return
		}
		delete(s.told, flag)
		s.log.Info(flag+": read again, for new connections", "expires", k.Expires())
	})
	s.warn()
}

// betweenPeers is what connections to and from other members are made with.
func (s *secrets) betweenPeers() func() *tls.Config {
	if s.peers == nil {
		return nil
	}
	return s.peers.Config
}

// identify tells which node a certificate is of.
func (s *secrets) identify() func(*x509.Certificate) (raft.ServerID, error) {
	if s.peers == nil {
		return nil
	}
	return func(cert *x509.Certificate) (raft.ServerID, error) {
		name, err := certs.NameOf(cert)
		return raft.ServerID(name.Node), err
	}
}

// toOthers is what connections to other members' ports for clients are made with.
func (s *secrets) toOthers() func() *tls.Config {
	if s.clients == nil {
		return nil
	}
	return s.clients.DialConfig
}

// scheme is what is put before the address at which clients are told to find this node; http:// goes without saying.
func (s *secrets) scheme() string {
	if s.clients == nil {
		return ""
	}
	return "https://"
}

// forClients is the listener for clients.
func (s *secrets) forClients(ln net.Listener) net.Listener {
	if s.clients == nil {
		return ln
	}
	return tls.NewListener(ln, s.clients.Listen())
}
