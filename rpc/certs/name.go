package certs

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// scheme is that of the URI in a node's certificate.
const scheme = "raft"

// Name is whose certificate it is: raft://Cluster/Node. A certificate authority made by this package has the cluster alone.
type Name struct {
	Cluster string
	Node    string
}

// String gives the URI.
func (n Name) String() string { return n.uri().String() }

func (n Name) uri() *url.URL {
	u := &url.URL{Scheme: scheme, Host: n.Cluster}
	if n.Node != "" {
		u.Path = "/" + n.Node
	}
	return u
}

// maxName bounds a part of a name: longer ones fit into no handshake.
const maxName = 256

// CheckWord wants a word that stands in a URI, and in a file's name, as it is.
func CheckWord(word string) error {
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
	}
	if word == "" || len(word) > maxName || strings.Trim(word, ".") != word || strings.Contains(word, "..") || strings.ContainsFunc(word, odd) {
		return fmt.Errorf("the name %.200q must have 1 to %d letters, digits, '-', '_' or single '.' within", word, maxName)
	}
	return nil
}

var errNoName = errors.New("it names no node, by a URI raft://CLUSTER/NODE")

// NameOf gives the node that a certificate names. It must name exactly one.
func NameOf(cert *x509.Certificate) (Name, error) {
	var found []Name
	for _, u := range cert.URIs {
		if u.Scheme != scheme {
			continue
		}
		name := Name{Cluster: u.Host, Node: strings.TrimPrefix(u.Path, "/")}
		if CheckWord(name.Cluster) != nil || CheckWord(name.Node) != nil || name.String() != u.String() {
			return Name{}, fmt.Errorf("its URI %.300q is not raft://CLUSTER/NODE", u)
		}
		found = append(found, name)
	}
	switch len(found) {
	case 0:
		return Name{}, errNoName
	case 1:
		return found[0], nil
	}
	return Name{}, fmt.Errorf("it names %s and %s, and must name one node", found[0], found[1])
}
