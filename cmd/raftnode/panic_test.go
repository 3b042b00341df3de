package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// A panic of a handler is our bug: the operator sees it in the log, and the server goes on.
func TestPanicOfAHandlerIsLogged(t *testing.T) {
	var out bytes.Buffer
	n := &node{log: hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info})}
	for value, logged := range map[any]bool{"our bug": true, http.ErrAbortHandler: false} {
		out.Reset()
		handler := n.reportPanics(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(value) }))
		func() {
			defer func() {
				if got := recover(); got != value {
					t.Errorf("net/http gets %v, not %v", got, value)
				}
			}()
			handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
		}()
		if strings.Contains(out.String(), "our bug") != logged {
			t.Errorf("%v: the log has %q", value, &out)
		}
	}
}
