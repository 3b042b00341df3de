package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"
)

// bothEnds are the uses that a node's certificate must allow: nodes dial each other. A client's certificate is not for servers, and so not for nodes.
var bothEnds = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}

// verifyNode gives the node that the first of the certificates is of, if it is one of that cluster. An empty cluster is any.
func verifyNode(chain []*x509.Certificate, roots *x509.CertPool, now time.Time, cluster string) (Name, error) {
	if len(chain) == 0 {
		return Name{}, errors.New("it shows no certificate")
	}
	leaf := chain[0]
	switch server, client := allows(leaf, bothEnds[0]), allows(leaf, bothEnds[1]); {
	case !server && client:
		return Name{}, fmt.Errorf("its certificate, of %q, is a client's: nodes need one of a node, with the uses server and client", subject(leaf))
	case server && !client:
		return Name{}, fmt.Errorf("its certificate, of %q, is a server's only: nodes dial each other, and need one with the uses server and client", subject(leaf))
	case !server:
		return Name{}, fmt.Errorf("its certificate, of %q, is for neither servers nor clients: nodes need one with both uses", subject(leaf))
	}
	for _, use := range bothEnds {
		if err := verifyChain(chain, roots, now, use); err != nil {
			return Name{}, err
		}
	}
	name, err := NameOf(leaf)
	if err != nil {
		return Name{}, fmt.Errorf("its certificate, of %q, is not a node's: %w", subject(leaf), err)
	}
	if cluster != "" && name.Cluster != cluster {
		return Name{}, fmt.Errorf("its certificate is of cluster %q, not of %q", name.Cluster, cluster)
	}
	return name, nil
}

// allows tells whether a certificate says that it may be used so. One that does not say is for nothing.
func allows(cert *x509.Certificate, use x509.ExtKeyUsage) bool {
	return slices.Contains(cert.ExtKeyUsage, use)
}

// subject names a certificate for people. Whoever made it chose the words: they are printed quoted.
func subject(cert *x509.Certificate) string {
	text := cert.Subject.String()
	return text[:min(len(text), 100)]
}

// verifyChain wants an unbroken, valid chain up to one of the roots.
func verifyChain(chain []*x509.Certificate, roots *x509.CertPool, now time.Time, use x509.ExtKeyUsage) error {
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{use},
	})
	return inWords(err, chain[0], now)
}

// inWords says what is wrong with a certificate, to people who know no X.509.
func inWords(err error, leaf *x509.Certificate, now time.Time) error {
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return fmt.Errorf("its certificate, of %q, was not signed by an authority that is trusted here", subject(leaf))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && now.Before(leaf.NotBefore):
		return fmt.Errorf("its certificate, of %q, is not valid before %s, and here it is %s: look at the clocks", subject(leaf), date(leaf.NotBefore), date(now))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && now.After(leaf.NotAfter):
		return fmt.Errorf("its certificate, of %q, expired on %s, and here it is %s", subject(leaf), date(leaf.NotAfter), date(now))
	}
	return fmt.Errorf("its certificate, of %q, is not accepted: %w", subject(leaf), err)
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

// nodeConfig is for both ends of a connection between nodes. crypto/tls itself compares a server's certificate with a host's name, and a client's not
// at all; here each end asks the same of the other, in verifyNode, and hosts have no say.
func nodeConfig(cert *tls.Certificate, roots *x509.CertPool, now func() time.Time, cluster string) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{*cert},
		ClientAuth:             tls.RequireAnyClientCert,
		InsecureSkipVerify:     true, // VerifyConnection does it
		SessionTicketsDisabled: true, // each connection shows its certificate
		VerifyConnection: func(state tls.ConnectionState) error {
			_, err := verifyNode(state.PeerCertificates, roots, now(), cluster)
			return err
		},
	}
}
