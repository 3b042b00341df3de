package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// The names of an authority's files in its directory; see CertFiles for those of who it signs.
const (
	authorityCert = "ca.pem"
	authorityKey  = "ca-key.pem"
)

// Clock differences must not make a new certificate invalid.
const backdate = time.Hour

// Authority is a certificate authority of one cluster, in a directory. It is for development, and for those who have no other.
type Authority struct {
	dir     string
	cluster string
	cert    *x509.Certificate
	key     any
	now     time.Time
}

// CertFiles names the files of a node's certificate in an authority's directory, or of another's.
func CertFiles(dir, name string) Files {
	return Files{
		Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+"-key.pem"), CA: filepath.Join(dir, authorityCert),
	}
}

// NewAuthority makes an authority and its two files. It is valid from now for so long.
func NewAuthority(dir, cluster string, now time.Time, validFor time.Duration) (*Authority, error) {
	if err := CheckWord(cluster); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "development authority of cluster " + short(cluster)},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(validFor),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign,
		URIs:                  []*url.URL{Name{Cluster: cluster}.uri()},
	}
	if err := issue(Files{Cert: filepath.Join(dir, authorityCert), Key: filepath.Join(dir, authorityKey)}, template, nil, nil); err != nil {
		return nil, err
	}
	return OpenAuthority(dir, now)
}

// OpenAuthority finds an authority that NewAuthority made.
func OpenAuthority(dir string, now time.Time) (*Authority, error) {
	files := Files{Cert: filepath.Join(dir, authorityCert), Key: filepath.Join(dir, authorityKey)}
	pair, err := files.pair()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no authority in %s: %w", dir, err)
	} else if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, err
	}
	for _, u := range cert.URIs {
		if u.Scheme == scheme && cert.IsCA && CheckWord(u.Host) == nil {
			return &Authority{dir: dir, cluster: u.Host, cert: cert, key: pair.PrivateKey, now: now}, nil
		}
	}
	return nil, fmt.Errorf("%s does not say of which cluster it is the authority: only one made by this program can be used", files.Cert)
}

// Cluster is the name in all its certificates.
func (a *Authority) Cluster() string { return a.cluster }

// Expires is when nothing that it signed is valid any more.
func (a *Authority) Expires() time.Time { return a.cert.NotAfter }

// Node makes a certificate for a node, good for other nodes, and for clients that reach it at one of the hosts.
func (a *Authority) Node(node string, hosts []string, validFor time.Duration) (Files, error) {
	if err := CheckWord(node); err != nil {
		return Files{}, err
	}
	template := a.template("node "+node, validFor)
	template.ExtKeyUsage = bothEnds
	template.URIs = []*url.URL{Name{Cluster: a.cluster, Node: node}.uri()}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if err := CheckWord(host); err != nil {
			return Files{}, fmt.Errorf("the host of %s: %w", node, err)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return a.sign(node, template)
}

// Client makes a certificate for a client.
func (a *Authority) Client(name string, validFor time.Duration) (Files, error) {
	if err := CheckWord(name); err != nil {
		return Files{}, err
	}
	template := a.template("client "+name, validFor)
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return a.sign(name, template)
}

func (a *Authority) template(name string, validFor time.Duration) *x509.Certificate {
	end := a.now.Add(validFor)
	if end.After(a.cert.NotAfter) {
		end = a.cert.NotAfter
	}
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: short(name), Organization: []string{short(a.cluster)}},
		NotBefore: a.now.Add(-backdate), NotAfter: end, KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
}

// short keeps a common name within what X.509 allows.
func short(name string) string { return name[:min(len(name), 64)] }

func (a *Authority) sign(name string, template *x509.Certificate) (Files, error) {
	files := CertFiles(a.dir, name)
	return files, issue(files, template, a.cert, a.key)
}

// issue makes a key and a certificate, signed by parent, or by itself if that is nil, and writes both.
func issue(files Files, template, parent *x509.Certificate, signer any) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)); err != nil {
		return err
	}
	if parent == nil {
		parent, signer = template, key
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := Absent(files); err != nil {
		return err
	}
	if err := create(files.Key, 0o600, "PRIVATE KEY", secret); err != nil {
		return err
	}
	if err := create(files.Cert, 0o644, "CERTIFICATE", cert); err != nil {
		return err
	}
	if _, err := tls.LoadX509KeyPair(files.Cert, files.Key); err != nil {
		return fmt.Errorf("what was written is not what was meant: %w", err)
	}
	return nil
}

// create writes a new file.
func create(name string, mode os.FileMode, kind string, der []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	return errors.Join(pem.Encode(f, &pem.Block{Type: kind, Bytes: der}), f.Sync(), f.Close())
}

// Absent tells of a file that is there already: keys are never overwritten.
func Absent(files Files) error {
	for _, name := range []string{files.Cert, files.Key} {
		if _, err := os.Lstat(name); err == nil {
			return fmt.Errorf("%s is there already, and is not overwritten: move it away, or choose another directory or name", name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
