package main

import (
	"crypto/tls"
	"strings"

	"github.com/raftnode/raft/rpc/certs"
)

// tlsFlag is one of the flags that name the files of TLS.
type tlsFlag struct {
	name, help string
	value      *string
}

func (f tlsFlag) variable() string {
	return "RAFTCTL_" + strings.ToUpper(strings.ReplaceAll(f.name, "-", "_"))
}

func (g *globals) tlsFlags() []tlsFlag {
	return []tlsFlag{
		{"tls-ca", "file of the authority that signs the nodes' certificates; endpoints are then https", &g.tls.CA},
		{"tls-cert", "file of the certificate that shows the nodes who you are, where they ask", &g.tls.Cert},
		{"tls-key", "file of its private key", &g.tls.Key},
	}
}

// secure is how nodes are known; nil if nothing was said of that.
func (g *globals) secure() (*tls.Config, error) {
	if g.tls == (certs.Files{}) {
		return nil, nil
	}
	return certs.ClientConfig(g.tls)
}
