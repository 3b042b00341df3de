package load

import (
	"context"
	"fmt"

	"github.com/raftnode/raft/kv/client"
)

// Store is the Target that a cluster of this service is, with linearizable reads.
func Store(c *client.Client) Target {
	return Blocking(func(ctx context.Context, op Op) error {
		var err error
		switch op.Kind {
		case Put:
			_, err = c.Put(ctx, op.Key, op.Value)
		case Get:
			_, err = c.Get(ctx, op.Key)
		case Delete:
			_, err = c.Delete(ctx, op.Key)
		}
		return err
	})
}

// StoreOutcome is the Config.Outcome for Store: what is known of the operation, and the code of the error.
func StoreOutcome(err error) string {
	return fmt.Sprintf("%s (%s)", client.OutcomeOf(err), client.CodeOf(err))
}
