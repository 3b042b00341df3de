package sim

import (
	"fmt"
	"time"

	"github.com/raftnode/raft/raft/consensus"
)

// Note is something that happened, for people.
type Note struct {
	At     time.Duration
	Server int // slot: 0 is n1; -1: the whole cluster
	Text   string
}

func (c *cluster) note(server int, format string, args ...any) {
	if c.trace != nil {
		c.trace(Note{At: time.Duration(c.now), Server: server, Text: fmt.Sprintf(format, args...)})
	}
}

func (c *cluster) noteMessage(s *server, msg consensus.Message) {
	c.note(s.slot, "gets %T from %s", msg, msg.Head().From)
}
