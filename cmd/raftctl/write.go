package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// condition is the flags that make a write conditional.
type condition struct {
	version uint64
	create  bool
}

func (c *condition) addVersion(cmd *cobra.Command) {
	cmd.Flags().Uint64Var(&c.version, "if-version", 0, "write only if the key has this version, as get -o json and ls show it (default: whatever it has)")
}

func (c *condition) addCreate(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&c.create, "create", false, "write only if the key is not there (default: whether or not)")
}

func (c *condition) options(cmd *cobra.Command) ([]client.WriteOption, error) {
	byVersion := cmd.Flags().Changed("if-version")
	switch {
	case byVersion && c.create:
		return nil, usage(cmd, "--if-version and --create exclude each other")
	case byVersion && c.version == 0:
		return nil, usage(cmd, "--if-version 0: versions begin at 1; --create writes only what is not there")
	case byVersion:
		return []client.WriteOption{client.IfVersion(c.version)}, nil
	case c.create:
		return []client.WriteOption{client.IfAbsent()}, nil
	}
	return nil, nil
}

// valueWrite is a method of the client that writes a value to a key.
type valueWrite func(cl *client.Client, ctx context.Context, key string, value []byte, options ...client.WriteOption) (api.Written, error)

// writeValue runs a command whose arguments are a key and a value.
func (g *globals) writeValue(c *condition, write valueWrite) func(cmd *cobra.Command, args []string) error {
	return func(cmd *cobra.Command, args []string) error {
		value, err := readValue(cmd, args[1])
		if err != nil {
			return err
		}
		return g.write(cmd, c, func(ctx context.Context, cl *client.Client, options []client.WriteOption) (api.Written, error) {
			return write(cl, ctx, args[0], value, options...)
		})
	}
}

func newPutCommand(g *globals) *cobra.Command {
	var c condition
	cmd := &cobra.Command{
		Use:     "put KEY VALUE|-",
		Short:   "Set a key to a value, or to what stands on stdin",
		Example: "  raftctl put motd hello\n  raftctl put config - < config.json\n  raftctl put --create lock mine\n  raftctl put --if-version 17 motd 'hello again'\n  raftctl put -- temperature -5",
		Args:    cobra.ExactArgs(2), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: g.writeValue(&c, (*client.Client).Put),
	}
	c.addVersion(cmd)
	c.addCreate(cmd)
	return cmd
}

func newAppendCommand(g *globals) *cobra.Command {
	var c condition
	cmd := &cobra.Command{
		Use:     "append KEY VALUE|-",
		Short:   "Add a value, or what stands on stdin, to the end of what a key has",
		Example: "  raftctl append log 'one more line'\n  date | raftctl append log -",
		Args:    cobra.ExactArgs(2), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: g.writeValue(&c, (*client.Client).Append),
	}
	c.addVersion(cmd)
	return cmd
}

func newDelCommand(g *globals) *cobra.Command {
	var c condition
	cmd := &cobra.Command{
		Use:     "del KEY",
		Short:   "Remove a key, whether or not it is there",
		Example: "  raftctl del motd\n  raftctl del --if-version 17 motd",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.write(cmd, &c, func(ctx context.Context, cl *client.Client, options []client.WriteOption) (api.Written, error) {
				return cl.Delete(ctx, args[0], options...)
			})
		},
	}
	c.addVersion(cmd)
	return cmd
}

func (g *globals) write(cmd *cobra.Command, c *condition, write func(context.Context, *client.Client, []client.WriteOption) (api.Written, error)) error {
	options, err := c.options(cmd)
	if err != nil {
		return err
	}
	cl, err := g.connect(cmd)
	if err != nil {
		return err
	}
	defer cl.Close()
	written, err := write(cmd.Context(), cl, options)
	if err != nil {
		return g.explain(cmd, cl, aWrite, err)
	}
	if g.json() {
		return printJSON(cmd, written)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "index %d, term %d\n", written.Index, written.Term)
	return err
}

// readValue gives the argument itself, or stdin for "-", up to the limit.
func readValue(cmd *cobra.Command, arg string) ([]byte, error) {
	if arg != "-" {
		return []byte(arg), nil
	}
	value, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), api.MaxValueBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the value from stdin, nothing was written: %w", err)
	case len(value) > api.MaxValueBytes:
		return nil, errors.New("the value on stdin is too large, nothing was written; at most " + fmt.Sprint(api.MaxValueBytes) + " bytes are possible")
	}
	return value, nil
}
