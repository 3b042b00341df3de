package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/raftnode/raft/raft/sim"
)

// The exit codes.
const (
	exitPass      = 0
	exitBroken    = 1
	exitUndecided = 2
	exitUsage     = 64
)

// A switch in help is shown as people type it. The functions of cobra's templates are global, hence init.
func init() {
	cobra.AddTemplateFunc("plain", func(flags string) string { return strings.ReplaceAll(flags, "[=true|false]", "             ") })
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// verdictError carries an exit code for something that has been said already.
type verdictError struct{ code int }

func (e *verdictError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// runError is an error of the work, as opposed to one of the command line.
type runError struct{ error }

func (e runError) Unwrap() error { return e.error }

// execute runs one command line and gives the exit code.
func execute(ctx context.Context, args []string, in io.Reader, out, talk io.Writer) int {
	return executeCommand(ctx, newRoot(), args, in, out, talk)
}

func executeCommand(ctx context.Context, root *cobra.Command, args []string, in io.Reader, out, talk io.Writer) int {
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(talk)
	cmd, err := root.ExecuteContextC(ctx)
	var verdict *verdictError
	var failed runError
	switch {
	case err == nil:
		return exitPass
	case errors.As(err, &verdict):
		return verdict.code
	case errors.As(err, &failed):
		fmt.Fprintf(talk, "raftdrill: %v\n", err)
		return exitUndecided
	}
	fmt.Fprintf(talk, "raftdrill: %v\nSee `%s --help`.\n", err, cmd.CommandPath())
	return exitUsage
}

func newRoot() *cobra.Command { return newRootWith(systems) }

func newRootWith(system func(kv bool) sim.System) *cobra.Command {
	root := &cobra.Command{
		Use:   "raftdrill",
		Short: "Break clusters, of real raftnode processes or simulated, and judge what clients saw",
		Example: `  raftdrill run demo
  raftdrill run crashes --rounds 100 --seed 7
  raftdrill up
  raftdrill sim --seeds 2000`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsages | plain"))
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newRun(), newList(), newSim(system), newUp(), newVersion())
	return root
}
