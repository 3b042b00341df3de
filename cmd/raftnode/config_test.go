package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/raftnode/raft/raft"
	"github.com/raftnode/raft/rpc/certs"
)

const trio = "n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003"

// good is a command line that nothing is wrong with.
func good(more ...string) []string {
	return append([]string{"--id", "n1", "--data-dir", "d", "--cluster", trio, "--listen-client", "127.0.0.1:0"}, more...)
}

func without(args []string, flag string) []string {
	i := slices.Index(args, flag)
	return slices.Delete(slices.Clone(args), i, i+2)
}

func resolved(t *testing.T, args []string, environment map[string]string) (*config, mistakes) {
	t.Helper()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	addFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	c, err := resolve(flags, func(name string) string { return environment[name] })
	var wrong mistakes
	if err != nil && !errors.As(err, &wrong) {
		t.Fatalf("resolve gives a %T: %v", err, err)
	}
	return c, wrong
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "node.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestDefaults(t *testing.T) {
	c, wrong := resolved(t, good(), nil)
	if wrong != nil {
		t.Fatal(wrong)
	}
	if c.listenPeer != "127.0.0.1:7001" {
		t.Errorf("listen-peer is %s, want this node's address in the cluster", c.listenPeer)
	}
	if c.heartbeat != 50*time.Millisecond || c.electionTimeout != 300*time.Millisecond || c.codec != "msgpack" ||
		c.logLevel != "info" || c.logFormat != "auto" {
		t.Errorf("defaults are %+v", c)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int{"0": 0, "0B": 0, "7B": 7, "2KiB": 2048, "64MiB": 64 << 20, "1GiB": 1 << 30, "1024GiB": 1 << 40} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%s is %d, %v, want %d", text, got, err, want)
		}
	}
}

func TestANodeThatJoins(t *testing.T) {
	c, wrong := resolved(t, good("--id", "n4", "--join", "--listen-peer", "127.0.0.1:0"), map[string]string{"RAFTNODE_SNAPSHOT_BYTES": "8KiB"})
	if wrong != nil {
		t.Fatal(wrong)
	}
	founder, wrong := resolved(t, good(), nil)
	if wrong != nil {
		t.Fatal(wrong)
	}
	if !c.join || c.listSum() != founder.listSum() || c.founders() != nil || c.snapshotBytes != 8192 || c.snapshotEntries != 1_000_000 {
		t.Errorf("got %+v", c)
	}
	if got := founder.founders(); len(got) != 3 || got[1].Address != "127.0.0.1:7002" || got.Validate() != nil {
		t.Errorf("the founders are %v", got)
	}
	for bytes, want := range map[int]int{0: 0, 4: 1, 8192: 1024, 64 << 20: 8 << 20, 1 << 40: 8 << 20} {
		if got := trailing(bytes); got != want {
			t.Errorf("with a snapshot every %d bytes %d stay behind it, want %d", bytes, got, want)
		}
	}
	if orNever(0) != -1 || orNever(5) != 5 {
		t.Error("0 means never, and a number itself")
	}
}

func TestFlagOverEnvironmentOverFileOverDefault(t *testing.T) {
	inFile := []string{"--config", file(t, "heartbeat: 3ms\n")}
	inEnvironment := map[string]string{"RAFTNODE_HEARTBEAT": "2ms"}
	for name, c := range map[string]struct {
		flags       []string
		environment map[string]string
		want        time.Duration
	}{
		"nothing":     {nil, nil, 50 * time.Millisecond},
		"file":        {inFile, nil, 3 * time.Millisecond},
		"environment": {inFile, inEnvironment, 2 * time.Millisecond},
		"flag":        {append([]string{"--heartbeat", "1ms"}, inFile...), inEnvironment, time.Millisecond},
		// A flag that says the default is still a flag.
		"default by flag": {append([]string{"--heartbeat", "50ms"}, inFile...), inEnvironment, 50 * time.Millisecond},
		"empty variable":  {inFile, map[string]string{"RAFTNODE_HEARTBEAT": ""}, 3 * time.Millisecond},
	} {
		got, wrong := resolved(t, good(c.flags...), c.environment)
		if wrong != nil || got.heartbeat != c.want {
			t.Errorf("%s: heartbeat is %v, %v; want %v", name, got, wrong, c.want)
		}
	}
}

func TestEverySettingFromEverySource(t *testing.T) {
	values := map[string]string{
		"id": "n4", "join": "true", "advertise-peer": "127.0.0.1:4", "snapshot-entries": "5", "snapshot-bytes": "6KiB", "low-space": "3GiB", "reserve": "8KiB", "data-dir": "elsewhere", "cluster": trio, "listen-client": "127.0.0.1:1", "listen-peer": "127.0.0.1:2",
		"dial": "n3=127.0.0.1:3", "heartbeat": "7ms", "election-timeout": "70ms", "cluster-id": "given", "codec": "json", "log-level": "debug", "log-format": "json",
		"peer-tls-cert": "p", "peer-tls-key": "q", "peer-tls-ca": "r", "client-tls-cert": "s", "client-tls-key": "t", "client-tls-ca": "u",
	}
	var args []string
	environment := map[string]string{}
	text := ""
	for _, o := range options() {
		value := values[o.name]
		if value == "" {
			t.Fatalf("this test has no value for %s: give it one", o.name)
		}
		args = append(args, "--"+o.name+"="+value)
		environment[variable(o.name)] = value
		text += o.name + ": " + value + "\n"
	}
	want, wrong := resolved(t, args, nil)
	if wrong != nil {
		t.Fatal(wrong)
	}
	fromEnvironment, wrong1 := resolved(t, nil, environment)
	fromFile, wrong2 := resolved(t, []string{"--config", file(t, text)}, nil)
	fromNamedFile, wrong3 := resolved(t, nil, map[string]string{"RAFTNODE_CONFIG": file(t, text)})
	for _, got := range []*config{fromEnvironment, fromFile, fromNamedFile} {
		if got == nil || got.id != "n4" || !got.join || got.advertisePeer != "127.0.0.1:4" || got.snapshotEntries != 5 || got.snapshotBytes != 6<<10 || got.lowSpace != 3<<30 || got.reserve != 8<<10 || got.dataDir != "elsewhere" || got.dial["n3"] != "127.0.0.1:3" || got.cluster["n1"] != want.cluster["n1"] ||
			got.electionTimeout != 70*time.Millisecond || got.codec != "json" || got.clusterID != "given" || got.logLevel != "debug" || got.logFormat != "json" ||
			got.listenClient != "127.0.0.1:1" || got.listenPeer != "127.0.0.1:2" ||
			got.peerTLS != (certs.Files{Cert: "p", Key: "q", CA: "r"}) || got.clientTLS != (certs.Files{Cert: "s", Key: "t", CA: "u"}) {
			t.Errorf("got %+v, %v %v %v; want %+v", got, wrong1, wrong2, wrong3, want)
		}
	}
}

func TestFileMayWriteMembersAsAMapping(t *testing.T) {
	name := file(t, "# three of them\ncluster:\n  n1: 127.0.0.1:7001\n  n2: 127.0.0.1:7002\n")
	c, wrong := resolved(t, append(without(good(), "--cluster"), "--config", name), nil)
	if wrong != nil || len(c.cluster) != 2 || c.cluster["n2"] != "127.0.0.1:7002" {
		t.Errorf("cluster is %+v, %v", c, wrong)
	}
}

func TestMembersMayBeGivenOneByOne(t *testing.T) {
	c, wrong := resolved(t, append(without(good(), "--cluster"), "--cluster", "n1=127.0.0.1:7001", "--cluster", "n2=127.0.0.1:7002"), nil)
	if wrong != nil || len(c.cluster) != 2 {
		t.Errorf("cluster is %+v, %v", c, wrong)
	}
}

// Each row is one mistake, and the one line that must be said of it.
func TestMistakes(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no id":               {without(good(), "--id"), "--id: is missing: this node's name"},
		"no directory":        {without(good(), "--data-dir"), "--data-dir: is missing"},
		"no cluster":          {without(good(), "--cluster"), "--cluster: is missing: the founding members"},
		"no client address":   {without(good(), "--listen-client"), "--listen-client: is missing"},
		"unknown node":        {good("--id", "n9"), "--id n9 is not in --cluster, whose members are n1, n2, n3: use one of"},
		"bad id":              {good("--id", "n 1"), `--id: the name "n 1" must have`},
		"no equals":           {good("--cluster", "127.0.0.1:7004"), `--cluster: "127.0.0.1:7004" is not NAME=HOST:PORT`},
		"no port":             {good("--cluster", "n4=127.0.0.1"), `--cluster: "127.0.0.1" is not HOST:PORT`},
		"port zero":           {good("--cluster", "n4=127.0.0.1:0"), "must be a number from 1 to 65535"},
		"member twice":        {good("--cluster", "n2=127.0.0.1:7009"), "--cluster: n2 is named twice"},
		"address twice":       {good("--cluster", "n4=127.0.0.1:7002"), "n2 and n4 have the same address"},
		"client address":      {good("--listen-client", "8001"), `--listen-client: "8001" is not HOST:PORT`},
		"client port":         {good("--listen-client", "127.0.0.1:http"), `the port of "127.0.0.1:http" must be a number`},
		"peer port":           {good("--listen-peer", "127.0.0.1:70000"), "--listen-peer: the port of"},
		"join as a founder":   {good("--join"), "--join is for a node that is added to a running cluster, but n1 is in --cluster"},
		"join where":          {good("--id", "n4", "--join"), "--listen-peer is missing"},
		"join everywhere":     {good("--id", "n4", "--join", "--listen-peer", "[::]:7004"), "--advertise-peer is missing: nobody can reach this node at [::]:7004"},
		"advertise twice":     {good("--advertise-peer", "127.0.0.1:7001"), "--advertise-peer is for nodes with --join"},
		"join perhaps":        {good("--config", file(t, "join: perhaps\n")), `join: "perhaps" is neither true nor false`},
		"size without a unit": {good("--snapshot-bytes", "64"), `--snapshot-bytes: "64" is not a whole number with its unit, like 64MiB`},
		"size of a part":      {good("--snapshot-bytes", "1.5MiB"), `"1.5MiB" is not a whole number`},
		"space of a part":     {good("--low-space", "x"), `--low-space: "x" is not a whole number with its unit`},
		"reserve for nothing": {good("--low-space", "0", "--reserve", "1MiB"), "leave --reserve out, or give --low-space a size"},
		"size too large":      {good("--snapshot-bytes", "9223372036854775807GiB"), "is more than 1024GiB"},
		"negative count":      {good("--snapshot-entries", "-1"), `--snapshot-entries: "-1" is not a whole number from 0 on`},
		"dial itself":         {good("--dial", "n1=127.0.0.1:1"), "--dial names n1, which is this node"},
		"no unit":             {good("--heartbeat", "50"), `--heartbeat: "50" is not a number with its unit, like 50ms`},
		"negative":            {good("--heartbeat", "-1s"), "--heartbeat: -1s must lie between 1ms and 1h0m0s"},
		"too fast":            {good("--election-timeout", "99ms"), "--election-timeout 99ms must be at least twice --heartbeat 50ms"},
		"codec":               {good("--codec", "morse"), `--codec: "morse" is not one of cbor, json, msgpack`},
		"level":               {good("--log-level", "bogus"), `--log-level: "bogus" is not one of trace, debug`},
		"format":              {good("--log-format", "xml"), `--log-format: "xml" is not one of auto`},
		"empty flag":          {good("--heartbeat", ""), "--heartbeat: is empty"},
		"no file":             {good("--config", "/no/such/file"), "--config: open /no/such/file: no such file or directory: create it"},
		"unknown key":         {good("--config", file(t, "id: n1\nheart-beat: 5ms\n")), "node.yaml:2: heart-beat: is not a setting; settings are id, data-dir"},
		"key twice":           {good("--config", file(t, "codec: json\ncodec: msgpack\n")), "node.yaml:2: codec: is there twice"},
		"value of a key":      {good("--config", file(t, "\n\nheartbeat: soon\n")), `node.yaml:3: heartbeat: "soon" is not a number with its unit`},
		"no value":            {good("--config", file(t, "heartbeat:\n")), "node.yaml:1: heartbeat: is empty"},
		"a list as value":     {good("--config", file(t, "heartbeat: [1ms]\n")), "node.yaml:1: heartbeat: want a duration behind it"},
		"not a mapping":       {good("--config", file(t, "- id\n")), "node.yaml:1: want lines like"},
		"two documents":       {good("--config", file(t, "codec: json\n---\ncodec: json\n")), "behind the first document"},
		"not YAML":            {good("--config", file(t, "\tid: n1\n")), "node.yaml: yaml: "},
		"a file of some size": {good("--config", file(t, strings.Repeat("#", maxConfigBytes+1))), "is it a configuration?"},
	} {
		_, wrong := resolved(t, c.args, nil)
		if len(wrong) != 1 || !strings.Contains(wrong[0], c.want) {
			t.Errorf("%s: mistakes are %q, want one that says %q", name, []string(wrong), c.want)
		}
	}
}

func TestMistakeInTheEnvironmentIsNamedAsSuch(t *testing.T) {
	_, wrong := resolved(t, good(), map[string]string{"RAFTNODE_LOG_LEVEL": "loud"})
	if len(wrong) != 1 || !strings.HasPrefix(wrong[0], `RAFTNODE_LOG_LEVEL: "loud" is not one of`) {
		t.Errorf("mistakes are %q", []string(wrong))
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	name := file(t, "colour: red\ncodec: morse\n")
	_, wrong := resolved(t, []string{"--id", "n9", "--cluster", trio + ",n4", "--heartbeat", "50", "--config", name},
		map[string]string{"RAFTNODE_LOG_LEVEL": "loud"})
	for _, want := range []string{"colour", "--data-dir", `"n4" is not NAME`, "--listen-client", "--heartbeat", "codec", "RAFTNODE_LOG_LEVEL", "--id n9"} {
		if !slices.ContainsFunc(wrong, func(line string) bool { return strings.Contains(line, want) }) {
			t.Errorf("no mistake says %q in:\n%v", want, wrong)
		}
	}
	if len(wrong) != 8 {
		t.Errorf("there are %d mistakes, want 8:\n%v", len(wrong), wrong)
	}
}

// A file that cannot be read may have all that seems to be missing.
func TestABrokenFileIsTheOnlyMistake(t *testing.T) {
	for _, name := range []string{file(t, "id: n1\n\tcluster: x\n"), "/no/such/file"} {
		if _, wrong := resolved(t, []string{"--config", name}, nil); len(wrong) != 1 || !strings.Contains(wrong[0], name) {
			t.Errorf("%s: the mistakes are %q, want one", name, wrong)
		}
	}
}

func TestTheSumOfTheListIsThatOfTheMembers(t *testing.T) {
	one := config{cluster: mustMembers(t, "a=h:1,b=h:2")}
	other := config{cluster: mustMembers(t, "b=h:2,a=h:1")}
	moved := config{cluster: mustMembers(t, "a=h:1,b=h:3")}
	id := one.newClusterID()
	if id == one.newClusterID() || other.otherList(id) || !moved.otherList(id) {
		t.Errorf("the id is %s, the sums are %s, %s and %s: the first two must be the same, the third another, and no id like another",
			id, one.listSum(), other.listSum(), moved.listSum())
	}
	if given := "made-by-an-operator"; moved.otherList(given) {
		t.Errorf("%s shows no list", given)
	}
}

func mustMembers(t *testing.T, text string) map[raft.ServerID]string {
	t.Helper()
	members, err := parseMembers(text)
	if err != nil {
		t.Fatal(err)
	}
	return members
}

func TestVersion(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"version"}, os.Getenv, &out, &errs)
	if code != 0 || !strings.HasPrefix(out.String(), "raftnode ") || !strings.Contains(out.String(), " (go1.") || errs.Len() > 0 {
		t.Errorf("version: exit %d, %q, %q", code, out.String(), errs.String())
	}
}

func TestUsage(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"unknown command": {[]string{"server"}, `"server"`},
		"unknown flag":    {append([]string{"serve"}, good("--join")...), "--join"},
		"whose help":      {[]string{"serve", "--idd", "n1"}, "See `raftnode serve --help`."},
		"the root's help": {[]string{"--idd", "n1"}, "See `raftnode --help`."},
		"an argument":     {append([]string{"serve", "n1"}, good()...), `"n1" is not understood`},
		"flag, no value":  {[]string{"serve", "--id"}, "--id"},
		"mistakes":        {[]string{"serve"}, "there are 4 mistakes"},
		"version of what": {[]string{"version", "x"}, `"x" is not understood`},
	} {
		var out, errs bytes.Buffer
		code := run(t.Context(), c.args, func(string) string { return "" }, &out, &errs)
		if code != exitUsage || !strings.Contains(errs.String(), c.want) || out.Len() > 0 {
			t.Errorf("%s: exit %d, %q, %q; want %d and %q", name, code, out.String(), errs.String(), exitUsage, c.want)
		}
	}
}

func TestHelpNamesEverySettingItsUnitAndDefault(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"serve", "--help"}, os.Getenv, &out, &errs); code != 0 || errs.Len() > 0 {
		t.Fatalf("--help: exit %d, %q", code, errs.String())
	}
	for _, o := range options() {
		if !strings.Contains(out.String(), strings.TrimSuffix("--"+o.name+" "+o.kind, "bool")) || !strings.Contains(out.String(), o.value) {
			t.Errorf("help does not say --%s %s, default %q:\n%s", o.name, o.kind, o.value, out.String())
		}
	}
}
