package rpc_test

import (
	"testing"

	"github.com/raftnode/raft/rpc"
	"github.com/raftnode/raft/rpc/codectest"
)

func TestCodecs(t *testing.T) {
	for _, name := range []string{"msgpack", "json"} {
		t.Run(name, func(t *testing.T) {
			c, ok := rpc.LookupCodec(name)
			if !ok || c.Name() != name {
				t.Fatalf("it is not there, or another: %v", c)
			}
			codectest.Run(t, c)
		})
	}
	t.Run("msgpack by reflection", func(t *testing.T) { codectest.Run(t, rpc.Reflected) })
}
