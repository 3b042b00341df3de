package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

const (
	exitFailed = 1
	exitUsage  = 64
)

// usageError is a mistake on the command line that was found before any configuration was read.
type usageError struct {
	error
	command string // whose help to read
}

// A switch in help is shown as people type it. The functions of cobra's templates are global, hence init.
func init() {
	cobra.AddTemplateFunc("plain", func(flags string) string { return strings.ReplaceAll(flags, "[=true|false]", "             ") })
}

func main() {
	// The second signal ends the process at once: kill -9 is safe, so this is too.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is main but for the process: it gives the exit code.
func run(ctx context.Context, args []string, environment func(string) string, stdout, stderr io.Writer) int {
	root := newRoot(environment, stderr)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var wrong mistakes
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "raftnode: %v\nSee `raftnode serve --help`.\n", wrong)
		return exitUsage
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "raftnode: %v\nSee `%s --help`.\n", usage, usage.command)
		return exitUsage
	}
	fmt.Fprintf(stderr, "raftnode: %s\n", oneLine(err))
	return exitFailed
}

// oneLine keeps the reason on the last line, where people and scripts look for it.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func newRoot(environment func(string) string, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:           "raftnode",
		Short:         "One server of a replicated key/value store",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsages | plain"))
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usageError{err, cmd.CommandPath()} })
	root.AddCommand(newServe(environment, stderr), newVersion())
	return root
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "settings are given as flags"
	if near := cmd.SuggestionsFor(args[0]); cmd.HasSubCommands() && len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError{fmt.Errorf("%q is not understood after `%s`: %s", args[0], cmd.CommandPath(), hint), cmd.CommandPath()}
}

func newServe(environment func(string) string, stderr io.Writer) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run this node in the foreground until SIGTERM or Ctrl-C",
		Long: "Run this node in the foreground until SIGTERM or Ctrl-C.\n\n" +
			"Each setting comes from its flag, else from the environment (--data-dir from RAFTNODE_DATA_DIR), else from the\n" +
			"file given by --config, else from its default. Exit: 0 asked to stop; 1 cannot start or must stop, with the\n" +
			"reason and what to do as the last line on stderr; 64 usage.",
		Example: "  raftnode serve --id n1 --data-dir data/n1 --listen-client 127.0.0.1:8001 \\\n" +
			"      --cluster n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003\n" +
			"  raftnode serve --id n4 --join --listen-peer 127.0.0.1:7004 --data-dir data/n4 --listen-client 127.0.0.1:8004 \\\n" +
			"      --cluster n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003    # and then: raftctl members add n4=127.0.0.1:7004",
		Args: noArgs,
	}
	addFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := resolve(cmd.Flags(), environment)
		if err != nil {
			return err
		}
		return serve(cmd.Context(), c, newLogger(c, stderr, environment("NO_COLOR") != ""))
	}
	return cmd
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Say which build this is",
		Example: "  raftnode version",
		Args:    noArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "raftnode %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}

// version is the module's version, and the commit where the go command knew it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	text := info.Main.Version
	if text == "" || text == "(devel)" {
		text = "devel"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(text, s.Value[:min(12, len(s.Value))]) {
			text += " " + s.Value
		}
	}
	return text
}
