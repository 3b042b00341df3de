package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/raftnode/raft/kv/api"
)

// mistrust says why a server and this client did not agree on TLS, in words for people, or nothing if that is not what went wrong. Such a request
// was certainly not read.
func mistrust(err error) string {
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, new(tls.RecordHeaderError)):
		return "the server does not speak TLS: use no certificates, or http:// there"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return "the server's certificate was not signed by an authority that is trusted here"
	case errors.As(err, &host):
		return fmt.Sprintf("the server's certificate is not for the host %q: %v", host.Host, host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate has expired or is not valid yet: " + invalid.Detail
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return fmt.Sprintf("the server's certificate is not accepted: %v", err)
	case api.Unwelcome(err) && strings.HasSuffix(err.Error(), "certificate required"):
		return "the server wants a certificate of this client"
	case api.Unwelcome(err):
		return fmt.Sprintf("the server does not accept this client's certificate: %v", err)
	}
	return ""
}

// speaksTLS tells whether an answer is what Go's server says to a request without TLS where it speaks TLS.
func speaksTLS(resp *http.Response, body []byte) bool {
	return resp.StatusCode == http.StatusBadRequest && resp.ProtoMajor == 1 && resp.ProtoMinor == 0 &&
		strings.HasPrefix(string(body), "Client sent an HTTP request to an HTTPS server")
}

// insecure is the error of a call that was not sent, or not read, because of TLS.
func (call *call) insecure(endpoint, why string, err error) *Error {
	return &Error{Op: call.op, Code: api.CodeTLS, Outcome: api.Rejected, Detail: why, Endpoint: endpoint, Err: err}
}
