package integration

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/raftnode/raft/kv/client"
	"github.com/raftnode/raft/rpc/certs"
)

// secrets are the certificates of a cluster: an authority, one for each node, and one for all clients.
type secrets struct {
	dir       string
	authority *certs.Authority
	client    *tls.Config
}

// secretFor is how long they are valid: longer than anything that is done to a cluster here.
const secretFor = 24 * time.Hour

func newSecrets(dir string, nodes int) (*secrets, error) {
	authority, err := certs.NewAuthority(dir, "integration", time.Now(), secretFor)
	if err != nil {
		return nil, fmt.Errorf("integration: certificates: %w", err)
	}
	for i := range nodes {
		if _, err := authority.Node(fmt.Sprintf("n%d", i+1), []string{"127.0.0.1"}, secretFor); err != nil {
			return nil, fmt.Errorf("integration: certificates: %w", err)
		}
	}
	files, err := authority.Client("client", secretFor)
	if err != nil {
		return nil, fmt.Errorf("integration: certificates: %w", err)
	}
	config, err := certs.ClientConfig(files)
	return &secrets{dir: dir, authority: authority, client: config}, err
}

// args tell a node where its certificates are.
func (s *secrets) args(id string) []string {
	f := certs.CertFiles(s.dir, id)
	return []string{
		"--peer-tls-cert", f.Cert, "--peer-tls-key", f.Key, "--peer-tls-ca", f.CA,
		"--client-tls-cert", f.Cert, "--client-tls-key", f.Key, "--client-tls-ca", f.CA,
	}
}

// client makes a client that the nodes know.
func (c *Cluster) client(cfg client.Config) (*client.Client, error) {
	if c.secrets != nil {
		cfg.TLS = c.secrets.client
	}
	return client.New(cfg)
}

func (c *Cluster) scheme() string {
	if c.secrets != nil {
		return "https://"
	}
	return "http://"
}
