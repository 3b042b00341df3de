package client

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/raftnode/raft/kv/api"
)

// ChangeMembers changes who takes part in the cluster, and returns when that is in force. It is asked for once: a call whose outcome
// is unknown is not repeated, and Members or the status of any server shows what became of it.
func (c *Client) ChangeMembers(ctx context.Context, change api.MemberChange) (changed api.Changed, err error) {
	return changed, c.administer(ctx, "members", api.PathMembers, change, &changed)
}

// TransferLeadership makes a server the leader, or the one whose log is furthest if to is "". It tells who leads then, which may be
// another one, if an election came in between.
func (c *Client) TransferLeadership(ctx context.Context, to string) (transferred api.Transferred, err error) {
	return transferred, c.administer(ctx, "transfer-leader", api.PathTransferLeader, api.Transfer{To: to}, &transferred)
}

func (c *Client) administer(ctx context.Context, op, path string, asked, answer any) error {
	body, err := json.Marshal(asked)
	if err != nil {
		return &Error{Op: op, Code: api.CodeBadRequest, Outcome: api.Rejected, Detail: err.Error(), Err: err}
	}
	call := &call{op: op, method: http.MethodPost, path: path, header: http.Header{}, body: body, isWrite: true}
	deadline := c.within(ctx)
	c.favourWhoKnows(ctx, deadline)
	reply, failed := c.do(ctx, deadline, call)
	if failed != nil {
		return failed
	}
	if err := json.Unmarshal(reply.body, answer); err != nil {
		return reply.garbled(call, err)
	}
	return nil
}

// lookTime is what an endpoint gets at most to say whether it knows a leader.
const lookTime = time.Second

// favourWhoKnows puts an endpoint in favour that knows a leader, if there is one. A change gets all the time where it is sent, since it is sent once: it must not
// wait for a node that hangs, is cut off or was removed.
func (c *Client) favourWhoKnows(ctx context.Context, deadline time.Time) {
	if c.cfg.NoRetry || len(c.links) == 1 {
		return
	}
	share := min(time.Until(deadline)/time.Duration(2*len(c.links)), lookTime)
	for range c.links { // if none knows, that ends where it began
		way := c.endpoint()
		look, cancel := context.WithTimeout(ctx, share)
		status, err := c.Status(look, way.to.base)
		cancel()
		if err == nil && status.Leader != "" {
			return
		}
		c.passOver(way)
	}
}

// Members asks the leader who takes part, and how far each member is.
func (c *Client) Members(ctx context.Context) (api.Members, error) {
	call := newRead("members", api.PathMembers, map[string][]string{}, nil)
	reply, failed := c.do(ctx, c.within(ctx), call)
	if failed != nil {
		return api.Members{}, failed
	}
	var members api.Members
	if err := json.Unmarshal(reply.body, &members); err != nil {
		return api.Members{}, reply.garbled(call, err)
	}
	return members, nil
}

// Snapshot makes one server take a snapshot now, unless its newest one has all that was applied.
func (c *Client) Snapshot(ctx context.Context, endpoint string) (api.Snapshotted, error) {
	call := &call{op: "snapshot", method: http.MethodPost, path: api.PathSnapshot, header: http.Header{}, isWrite: true}
	reply, err := c.ask(ctx, endpoint, call)
	if err != nil {
		return api.Snapshotted{}, err
	}
	var taken api.Snapshotted
	if err := json.Unmarshal(reply.body, &taken); err != nil {
		return api.Snapshotted{}, reply.garbled(call, err)
	}
	return taken, nil
}
