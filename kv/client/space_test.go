package client

import (
	"testing"
	"time"

	"github.com/raftnode/raft/kv/api"
)

// A leader whose disk is nearly full hands over, which takes a moment: the write waits for who has room.
func TestAWriteWaitsForRoom(t *testing.T) {
	s := serve(t, problem(api.CodeNoSpace), problem(api.CodeNoSpace), written(17))
	if got, err := connect(t, Config{}, s.addr).Put(t.Context(), "k", []byte("v")); err != nil || got.Index != 17 || len(s.got()) != 3 {
		t.Errorf("got %+v, %v after %d requests", got, err, len(s.got()))
	}
}

// Where nobody has room the words of the server are the answer, and until then it is asked ever more rarely.
func TestAFullClusterIsNotPressed(t *testing.T) {
	s := serve(t, problem(api.CodeNoSpace))
	_, err := connect(t, Config{Timeout: 700 * time.Millisecond}, s.addr).Put(t.Context(), "k", []byte("v"))
	isError(t, err, api.CodeNoSpace, api.Rejected)
	if n := len(s.got()); n < 2 || n > 10 {
		t.Errorf("asked %d times", n)
	}
}
