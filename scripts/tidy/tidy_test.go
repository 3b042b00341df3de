package tidy

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func repository(t *testing.T) *Tree {
	t.Helper()
	tree, err := Load(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestRepository(t *testing.T) {
	tree := repository(t)
	for name, problems := range map[string][]Problem{
		"imports": Imports(tree, Arrows),
		"budgets": Budgets(tree, Exceptions),
		"docs":    Docs(tree),
		"sleeps":  Sleeps(tree),
		"words":   Forbidden(tree, Words),
	} {
		t.Run(name, func(t *testing.T) {
			for _, p := range problems {
				t.Error(p)
			}
		})
	}
}

// What is linked is more than what is imported: ask the go command.
func TestWhoEmbedsRaftLinksNoUserInterface(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps",
		"-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./raft", "./rpc", "./wal")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list -deps: %v", err)
	}
	deps := strings.Fields(string(out))
	if !slices.Contains(deps, Module+"/raft/consensus") {
		t.Fatalf("go list -deps does not name raft/consensus, so this test looks at nothing: %q", deps)
	}
	for _, dep := range deps {
		if !slices.ContainsFunc(Embedded, within(dep)) {
			t.Errorf("who embeds raft, rpc and wal would link %s: move what needs it under cmd, or add it to Embedded in %s", dep, rulesFile)
		}
	}
}

// An exception that is no longer needed would hide the next offender.
func TestExceptionsAreNeeded(t *testing.T) {
	tree := repository(t)
	for name, why := range Exceptions {
		if why == "" {
			t.Errorf("the exception for %s gives no reason", name)
		}
		without := map[string]string{}
		for other, why := range Exceptions {
			if other != name {
				without[other] = why
			}
		}
		if len(Budgets(tree, without)) == len(Budgets(tree, Exceptions)) {
			t.Errorf("%s keeps within its budget: take it off Exceptions in %s", name, rulesFile)
		}
	}
}
