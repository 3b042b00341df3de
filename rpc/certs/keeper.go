package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Keeper has what the files held when they were read last and were good.
type Keeper struct {
	open    func() (*opened, error)
	now     func() time.Time
	current atomic.Pointer[opened]
}

// opened is what is made of the files.
type opened struct {
	config  *tls.Config // for this end of a connection; of a Keeper of OpenPeer, for both
	dial    *tls.Config // for connections to other servers for clients
	name    Name        // of a node
	expires time.Time
	soon    time.Duration // how long before that people are told of it
}

func keep(open func() (*opened, error), now func() time.Time) (*Keeper, error) {
	k := &Keeper{open: open, now: now}
	return k, k.Reload()
}

// Reload reads the files again, for connections that begin from now on. With an error, everything stays as it is.
func (k *Keeper) Reload() error {
	next, err := k.open()
	if err != nil {
		return err
	}
	if before := k.current.Load(); before != nil && before.name != next.name {
		return fmt.Errorf("the certificate was of %s and is now of %s: a running node cannot become another", before.name, next.name)
	}
	k.current.Store(next)
	return nil
}

// Config is for the next connection.
func (k *Keeper) Config() *tls.Config { return k.current.Load().config }

// DialConfig is for the next connection to another server for clients, of a Keeper of OpenServer. Its ServerName must be set, in a copy.
func (k *Keeper) DialConfig() *tls.Config { return k.current.Load().dial }

// Listen is for a listener, whose connections each get what is then the newest Config.
func (k *Keeper) Listen() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12, // that of the one it gives counts
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return k.Config(), nil },
	}
}

// Name is that in the own certificate, of a Keeper of OpenPeer.
func (k *Keeper) Name() Name { return k.current.Load().name }

// Expires is when the first certificate of the chain that this end shows expires.
func (k *Keeper) Expires() time.Time { return k.current.Load().expires }

// soonest is how long before the end of a certificate people are told of it, if that is not more than a tenth of the time for which it is valid: one that is
// exchanged every week would be warned of for ever.
const soonest = 30 * day

// Warning says that the own certificate expires soon, or has expired; or it is "". It says it in other words each day, and on the last two days each hour.
func (k *Keeper) Warning() string {
	now, current := k.now(), k.current.Load()
	end := current.expires
	switch left := end.Sub(now); {
	case left <= 0:
		return "the certificate expired on " + date(end) + ": new connections fail"
	case left >= current.soon:
		return ""
	case left < 2*day:
		return fmt.Sprintf("the certificate expires in %d hours, on %s", left/time.Hour, date(end))
	default:
		return fmt.Sprintf("the certificate expires in %d days, on %s", left/day, date(end))
	}
}

// DaysLeft is how many whole days the own certificate is valid for yet; below 0 when it has expired.
func (k *Keeper) DaysLeft() int {
	left := k.Expires().Sub(k.now())
	if left <= 0 {
		return -1
	}
	return int(left / day)
}

// OpenPeer reads the files with which a node shows itself to other nodes, and knows them.
func OpenPeer(files Files, node string, now func() time.Time) (*Keeper, error) {
	return keep(func() (*opened, error) {
		if err := files.missing(true); err != nil {
			return nil, err
		}
		cert, chain, roots, err := files.identity()
		if err != nil {
			return nil, err
		}
		name, err := verifyNode(chain, roots, now(), "")
		if err != nil {
			return nil, fmt.Errorf("%s would be refused by other nodes that have this %s: %w", files.Cert, files.CA, err)
		}
		if name.Node != node {
			return nil, fmt.Errorf("%s is the certificate of node %q, and this is node %q: give each node its own", files.Cert, name.Node, node)
		}
		end, soon := firstEnd(chain)
		return &opened{config: nodeConfig(cert, roots, now, name.Cluster), name: name, expires: end, soon: soon}, nil
	}, now)
}

// OpenServer reads the files with which a server shows itself to clients. With an authority, clients must show a certificate that it signed. Other
// servers are known by that authority; without one, by those that trust names, and those that the system trusts.
func OpenServer(files Files, trust string, now func() time.Time) (*Keeper, error) {
	return keep(func() (*opened, error) {
		if err := files.missing(false); err != nil {
			return nil, err
		}
		cert, err := files.pair()
		if err != nil {
			return nil, err
		}
		chain, err := parse(cert)
		if err != nil {
			return nil, err
		}
		if err := usable(files, chain, now()); err != nil {
			return nil, err
		}
		config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*cert}, Time: now}
		dial := &tls.Config{MinVersion: tls.VersionTLS12, Time: now}
		if allows(chain[0], x509.ExtKeyUsageClientAuth) {
			dial.Certificates = config.Certificates
		}
		if files.CA != "" {
			if dial.Certificates == nil {
				return nil, fmt.Errorf("%s is not for clients, and nodes are clients of each other, when they pass a request on: with an authority for clients, "+
					"it needs the uses server and client", files.Cert)
			}
			if config.ClientCAs, err = pool(files.CA); err != nil {
				return nil, err
			}
			config.ClientAuth, dial.RootCAs = tls.RequireAndVerifyClientCert, config.ClientCAs
		} else if dial.RootCAs, err = systemAnd(trust); err != nil {
			return nil, err
		}
		end, soon := firstEnd(chain)
		return &opened{config: config, dial: dial, expires: end, soon: soon}, nil
	}, now)
}

// usable tells why clients would refuse a server's certificate, as far as can be told without knowing whom they trust.
func usable(files Files, chain []*x509.Certificate, now time.Time) error {
	leaf := chain[0]
	switch {
	case !allows(leaf, x509.ExtKeyUsageServerAuth):
		return fmt.Errorf("%s, of %q, is not for servers", files.Cert, subject(leaf))
	case now.After(leaf.NotAfter):
		return fmt.Errorf("%s expired on %s, and here it is %s: make a new one", files.Cert, date(leaf.NotAfter), date(now))
	case now.Before(leaf.NotBefore):
		return fmt.Errorf("%s is not valid before %s, and here it is %s: look at the clock", files.Cert, date(leaf.NotBefore), date(now))
	case len(leaf.DNSNames)+len(leaf.IPAddresses) == 0:
		return fmt.Errorf("%s names no host: clients compare the host that they asked for", files.Cert)
	}
	return nil
}

// ClientConfig is how a client knows servers, and shows itself if it has a certificate. Without an authority, those count that the system trusts.
func ClientConfig(files Files) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if (files.Cert == "") != (files.Key == "") {
		return nil, errors.New("a client's certificate and its key must be given together")
	}
	if files.Cert != "" {
		pair, err := files.pair()
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{*pair}
	}
	if files.CA != "" {
		roots, err := pool(files.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = roots
	}
	return config, nil
}

// identity reads all three files.
func (f Files) identity() (*tls.Certificate, []*x509.Certificate, *x509.CertPool, error) {
	cert, err := f.pair()
	if err != nil {
		return nil, nil, nil, err
	}
	chain, err := parse(cert)
	if err != nil {
		return nil, nil, nil, err
	}
	roots, err := pool(f.CA)
	return cert, chain, roots, err
}

func parse(cert *tls.Certificate) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for _, der := range cert.Certificate {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		chain = append(chain, c)
	}
	return chain, nil
}

func pool(ca string) (*x509.CertPool, error) {
	roots, err := Files{CA: ca}.roots()
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	for _, c := range roots {
		pool.AddCert(c)
	}
	return pool, nil
}

// systemAnd is whom the system trusts, and those in a file, if there is one.
func systemAnd(ca string) (*x509.CertPool, error) {
	if ca == "" {
		return nil, nil // crypto/tls takes the system's
	}
	all, err := x509.SystemCertPool()
	if err != nil {
		all = x509.NewCertPool()
	}
	roots, err := Files{CA: ca}.roots()
	for _, c := range roots {
		all.AddCert(c)
	}
	return all, err
}

// firstEnd is when the first certificate of a chain expires, and how long before that people are told.
func firstEnd(chain []*x509.Certificate) (end time.Time, soon time.Duration) {
	first := chain[0]
	for _, c := range chain[1:] {
		if c.NotAfter.Before(first.NotAfter) {
			first = c
		}
	}
	return first.NotAfter, min(soonest, first.NotAfter.Sub(first.NotBefore)/10)
}
