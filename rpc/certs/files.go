package certs

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Files are the names of files in PEM.
type Files struct {
	Cert string // the certificate, and behind it those between it and the authority, if any
	Key  string // its private key
	CA   string // the certificates of the authorities that are trusted
}

// FileError is what is wrong with one of the files.
type FileError struct {
	Name string // of the file
	Err  error
}

func (e *FileError) Error() string {
	if errors.Is(e.Err, fs.ErrNotExist) {
		return e.Name + ": there is no such file"
	}
	return e.Err.Error()
}

func (e *FileError) Unwrap() error { return e.Err }

func about(name, format string, args ...any) error {
	return &FileError{Name: name, Err: fmt.Errorf(format, args...)}
}

// maxFile bounds what is read of a file.
const maxFile = 1 << 20

func read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, &FileError{name, err}
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, &FileError{name, err}
	case len(text) > maxFile:
		return nil, about(name, "%s is longer than %d bytes: is it in PEM?", name, maxFile)
	}
	return text, nil
}

// pair reads the certificate and its key.
func (f Files) pair() (*tls.Certificate, error) {
	if info, err := os.Stat(f.Key); err != nil {
		return nil, &FileError{f.Key, err}
	} else if info.Mode().Perm()&0o007 != 0 {
		return nil, about(f.Key, "the key %s is open to everybody on this machine: chmod 600 %s, and if others may have read it, make another", f.Key, f.Key)
	}
	key, err := read(f.Key)
	if err != nil {
		return nil, err
	}
	cert, err := read(f.Cert)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s are not a certificate in PEM and its key: %w", f.Cert, f.Key, err)
	}
	return &pair, nil
}

// roots reads the authorities.
func (f Files) roots() ([]*x509.Certificate, error) {
	certs, err := ReadCertificates(f.CA)
	if err != nil {
		return nil, err
	}
	for _, c := range certs {
		if !c.IsCA {
			return nil, about(f.CA, "%s has the certificate of %q, which is no authority: is it the right file?", f.CA, c.Subject)
		}
	}
	return certs, nil
}

// ReadCertificates reads all certificates of a file, at least one.
func ReadCertificates(name string) ([]*x509.Certificate, error) {
	rest, err := read(name)
	if err != nil {
		return nil, err
	}
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, about(name, "%s: %w", name, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, about(name, "%s has no certificate in PEM", name)
	}
	return certs, nil
}

// missing tells which of the files that belong together was not named.
func (f Files) missing(ca bool) error {
	if f.Cert == "" || f.Key == "" || ca && f.CA == "" {
		return errors.New("certificate, key and authority must be given together")
	}
	return nil
}
