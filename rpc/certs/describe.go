package certs

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// Describe says what a certificate is for, to people, in a few lines.
func Describe(cert *x509.Certificate, now time.Time) string {
	var b strings.Builder
	line := func(what, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s %s\n", what, fmt.Sprintf(format, args...))
	}
	line("for", "%s", purpose(cert))
	if name, err := NameOf(cert); err == nil {
		line("name", "%s", name)
	}
	line("subject", "%q", subject(cert))
	var hosts []string
	for _, ip := range cert.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	if hosts = append(hosts, cert.DNSNames...); len(hosts) > 0 {
		line("hosts", "%q", hosts)
	}
	line("issuer", "%q", cert.Issuer.String())
	line("valid", "from %s to %s: %s", date(cert.NotBefore), date(cert.NotAfter), validity(cert, now))
	return b.String()
}

// purpose says who may use a certificate for what.
func purpose(cert *x509.Certificate) string {
	name, err := NameOf(cert)
	server, client := allows(cert, bothEnds[0]), allows(cert, bothEnds[1])
	switch {
	case cert.IsCA:
		return "an authority: it signs others"
	case server && client && err == nil:
		return fmt.Sprintf("node %s of cluster %s: between nodes, and for clients that reach it at its hosts", name.Node, name.Cluster)
	case server && client:
		return "a server and a client, but no node: " + err.Error()
	case server:
		return "a server, for clients only: nodes refuse it among themselves"
	case client:
		return "a client: nodes refuse it among themselves"
	}
	return "neither servers nor clients"
}

const day = 24 * time.Hour

func validity(cert *x509.Certificate, now time.Time) string {
	switch {
	case now.Before(cert.NotBefore):
		return "not yet"
	case now.After(cert.NotAfter):
		return "expired"
	}
	days := (cert.NotAfter.Sub(now) + day - 1) / day // what was made a moment ago for a year has a year
	if days == 1 {
		return "1 more day"
	}
	return fmt.Sprintf("%d more days", days)
}
