package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/client"
)

// got is what get -o json prints. Bytes that are not UTF-8 stand in base64.
type got struct {
	Key        string `json:"key,omitempty"`
	KeyBytes   []byte `json:"key_base64,omitempty"`
	Value      string `json:"value"`
	ValueBytes []byte `json:"value_base64,omitempty"`
	Version    uint64 `json:"version"`
	Index      uint64 `json:"index"` // how far the node that answered had applied the log
}

func staleFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("stale", false, "take what the asked node has, which may be behind, and ask no leader (default: linearizable)")
}

func readOptions(stale bool) []client.ReadOption {
	if stale {
		return []client.ReadOption{client.Stale()}
	}
	return nil
}

func newGetCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get KEY",
		Short:   "Print the value of a key, byte for byte",
		Long:    "get prints the value of a key, byte for byte and nothing else. With -o json it prints the version too.",
		Example: "  raftctl get motd\n  raftctl get config > config.json\n  raftctl get --stale -o json motd",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
	}
	stale := staleFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cl, err := g.connect(cmd)
		if err != nil {
			return err
		}
		defer cl.Close()
		value, err := cl.Get(cmd.Context(), args[0], readOptions(*stale)...)
		if err != nil {
			return g.explain(cmd, cl, aRead, err)
		}
		if g.json() {
			return printJSON(cmd, describe(args[0], value))
		}
		return printValue(cmd.OutOrStdout(), value.Data)
	}
	return cmd
}

// printValue prints the value and nothing else; on a terminal a newline, so that the prompt does not stick to it.
func printValue(w io.Writer, value []byte) error {
	if _, err := w.Write(value); err != nil {
		return fmt.Errorf("print the value: %w", err)
	}
	if isTerminal(w) {
		fmt.Fprintln(w)
	}
	return nil
}

func describe(key string, value client.Value) got {
	d := got{Key: key, Value: string(value.Data), Version: value.Version, Index: value.Index}
	if !utf8.ValidString(d.Key) {
		d.Key, d.KeyBytes = "", []byte(key)
	}
	if !utf8.Valid(value.Data) {
		d.Value, d.ValueBytes = "", value.Data
	}
	return d
}

func newLsCommand(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "ls [PREFIX]",
		Short:   "List keys with their versions and sizes",
		Example: "  raftctl ls\n  raftctl ls users/\n  raftctl ls --limit 10 -o json users/",
		Args:    cobra.MaximumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
	}
	stale := staleFlag(cmd)
	limit := cmd.Flags().Int("limit", 0, "print at most this many keys (default: all)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *limit < 0 {
			return usage(cmd, "--limit %d is below 0", *limit)
		}
		cl, err := g.connect(cmd)
		if err != nil {
			return err
		}
		defer cl.Close()
		prefix := ""
		if len(args) == 1 {
			prefix = args[0]
		}
		pages := func(visit func(api.ListedKey) error) error {
			return listPages(cmd.Context(), cl, prefix, *limit, readOptions(*stale), visit)
		}
		if g.json() {
			return printKeysJSON(cmd.OutOrStdout(), pages)
		}
		keys, err := printKeysTable(cmd.OutOrStdout(), pages)
		if err == nil && keys == 0 && isTerminal(cmd.OutOrStdout()) {
			fmt.Fprintln(cmd.ErrOrStderr(), "raftctl: there are no such keys")
		}
		return g.explain(cmd, cl, aRead, err)
	}
	return cmd
}

// listPages visits the keys page by page, so that memory holds one page.
func listPages(ctx context.Context, cl *client.Client, prefix string, limit int, options []client.ReadOption, visit func(api.ListedKey) error) error {
	after := ""
	for seen := 0; ; {
		page := api.MaxListLimit
		if limit > 0 {
			page = min(page, limit-seen)
		}
		list, err := cl.List(ctx, prefix, after, page, options...)
		if err != nil {
			return err
		}
		for _, key := range list.Keys {
			if err := visit(key); err != nil {
				return err
			}
			after = key.Name()
		}
		seen += len(list.Keys)
		if !list.More || len(list.Keys) == 0 || seen == limit {
			return nil
		}
	}
}

func printKeysTable(w io.Writer, pages func(visit func(api.ListedKey) error) error) (keys int, err error) {
	table := newTable(w, "KEY", "VERSION", "SIZE")
	err = pages(func(key api.ListedKey) error {
		keys++
		_, err := fmt.Fprintf(table, "%s\t%d\t%d\n", printable(key.Name()), key.Version, key.Size)
		return err
	})
	if err != nil {
		return keys, err
	}
	return keys, table.Flush()
}

func printKeysJSON(w io.Writer, pages func(visit func(api.ListedKey) error) error) error {
	between := `{"keys":[` + "\n"
	err := pages(func(key api.ListedKey) error {
		text, err := json.Marshal(key)
		if err == nil {
			_, err = fmt.Fprintf(w, "%s%s", between, text)
		}
		between = ",\n"
		return err
	})
	if err != nil {
		return err
	}
	if between != ",\n" {
		_, err = fmt.Fprintln(w, `{"keys":[]}`)
		return err
	}
	_, err = fmt.Fprintln(w, "\n]}")
	return err
}

// printable quotes a key that would garble a terminal or a table.
func printable(key string) string {
	if !utf8.ValidString(key) {
		return strconv.Quote(key)
	}
	for _, r := range key {
		if !unicode.IsPrint(r) || r == '"' {
			return strconv.Quote(key)
		}
	}
	return key
}

func newTable(w io.Writer, columns ...string) *tabwriter.Writer {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, column := range columns {
		if i > 0 {
			fmt.Fprint(table, "\t")
		}
		fmt.Fprint(table, column)
	}
	fmt.Fprintln(table)
	return table
}

func printJSON(cmd *cobra.Command, v any) error {
	return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
}
