package load

import (
	"context"
	"fmt"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// Store is the Target that a cluster of this service is, with linearizable reads.
func Store(c *client.Client) Target { return store{c} }

type store struct{ client *client.Client }

// Start begins the operation, without a goroutine of its own while nothing goes wrong.
func (s store) Start(ctx context.Context, op Op, done func(error)) {
	switch op.Kind {
	case Put:
		s.client.PutAsync(ctx, op.Key, op.Value, func(_ api.Written, err error) { done(err) })
	case Get:
		s.client.GetAsync(ctx, op.Key, func(_ client.Value, err error) { done(err) })
	case Delete:
		s.client.DeleteAsync(ctx, op.Key, func(_ api.Written, err error) { done(err) })
	}
}

// StoreOutcome is the Config.Outcome for Store: what is known of the operation, and the code of the error.
func StoreOutcome(err error) string {
	return fmt.Sprintf("%s (%s)", client.OutcomeOf(err), client.CodeOf(err))
}
