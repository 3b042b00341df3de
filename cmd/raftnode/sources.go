package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// setting is the text that one source gives for one option.
type setting struct {
	text  string
	where string // for errors, like `--heartbeat`, `RAFTNODE_HEARTBEAT` or `node.yaml:3: heartbeat`
	wrong bool   // that has been said already
}

// mistakes is everything that is wrong with a configuration, one line each.
type mistakes []string

// Error lists the mistakes.
func (m mistakes) Error() string {
	if len(m) == 1 {
		return "there is a mistake in the configuration:\n  " + m[0]
	}
	return fmt.Sprintf("there are %d mistakes in the configuration:\n  %s", len(m), strings.Join(m, "\n  "))
}

func (m *mistakes) add(where string, err error) {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if where != "" {
			line = where + ": " + line
		}
		*m = append(*m, line)
	}
}

// resolve takes each setting from the first source that has it: flag, environment, file, default. The
// error is of type mistakes, and has all of them; if the file cannot be read at all, only that.
func resolve(flags *pflag.FlagSet, environment func(string) string) (*config, error) {
	var wrong mistakes
	file, err := fileSettings(configFile(flags, environment))
	if err != nil {
		wrong.add("", err)
		if file == nil {
			return nil, wrong // what is missing may stand in the file
		}
	}
	c := &config{lowSpace: unset, reserve: unset}
	for _, o := range options() {
		s := choose(o, flags, environment, file)
		switch {
		case s.wrong:
		case s.text != "":
			if err := o.set(c, s.text); err != nil {
				wrong.add(s.where, err)
			}
		case o.required:
			wrong.add("--"+o.name, fmt.Errorf("is missing: %s", o.help))
		case s.where != "":
			wrong.add(s.where, errors.New("is empty: give it a value, or leave it out"))
		}
	}
	if err := c.check(); err != nil {
		wrong.add("", err)
	}
	if len(wrong) > 0 {
		return nil, wrong
	}
	return c, nil
}

func choose(o option, flags *pflag.FlagSet, environment func(string) string, file map[string]setting) setting {
	if f := flags.Lookup(o.name); f.Changed {
		return setting{text: f.Value.String(), where: "--" + o.name}
	}
	if text := environment(variable(o.name)); text != "" {
		return setting{text: text, where: variable(o.name)}
	}
	if s, ok := file[o.name]; ok {
		return s
	}
	return setting{text: o.value}
}

func configFile(flags *pflag.FlagSet, environment func(string) string) string {
	if f := flags.Lookup("config"); f.Changed {
		return f.Value.String()
	}
	return environment(variable("config"))
}

// variable names the environment variable of an option: data-dir is RAFTNODE_DATA_DIR.
func variable(name string) string {
	return "RAFTNODE_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// flagText is a flag's value as it was typed. It is judged later, together with all others.
type flagText struct {
	text, kind string
	list, set  bool
}

func (f *flagText) String() string { return f.text }
func (f *flagText) Type() string   { return f.kind }

// Set never fails: the value is judged in resolve.
func (f *flagText) Set(text string) error {
	if f.list && f.set {
		text = f.text + "," + text
	}
	f.text, f.set = text, true
	return nil
}

func addFlags(flags *pflag.FlagSet) {
	flags.SortFlags = false
	for _, o := range options() {
		f := flags.VarPF(&flagText{text: o.value, kind: o.kind, list: o.list}, o.name, "", o.help)
		if o.kind == "bool" {
			f.NoOptDefVal = "true" // a switch
		}
	}
	flags.Var(&flagText{kind: "file"}, "config", "a YAML file with any of these settings under the same names, in lines like 'id: n1'")
}

const maxConfigBytes = 1 << 20

// fileSettings reads a YAML file. No name, no file.
func fileSettings(name string) (map[string]setting, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("--config: %w: create it, or leave --config out", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	if len(text) > maxConfigBytes {
		return nil, fmt.Errorf("--config: %s is longer than %d bytes: is it a configuration?", name, maxConfigBytes)
	}
	return parseFile(name, text)
}

func parseFile(name string, text []byte) (map[string]setting, error) {
	var doc yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil // empty, or comments only
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if !errors.Is(decoder.Decode(new(yaml.Node)), io.EOF) {
		return nil, fmt.Errorf("%s: there is something behind the first document: keep one", name)
	}
	top := doc.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: want lines like `id: n1`", name, top.Line)
	}
	settings := map[string]setting{}
	var errs []error
	for i := 0; i < len(top.Content); i += 2 {
		key, value := top.Content[i], top.Content[i+1]
		where := fmt.Sprintf("%s:%d: %s", name, key.Line, key.Value)
		s, err := fileSetting(key.Value, value)
		if _, twice := settings[key.Value]; twice {
			err = errors.New("is there twice: keep one")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", where, err))
		}
		settings[key.Value] = setting{text: s, where: where, wrong: err != nil}
	}
	return settings, errors.Join(errs...)
}

// fileSetting gives a value as a flag would have it; members may also be written as a mapping.
func fileSetting(key string, value *yaml.Node) (string, error) {
	all := options()
	i := slices.IndexFunc(all, func(o option) bool { return o.name == key })
	switch {
	case i < 0:
		return "", fmt.Errorf("is not a setting; settings are %s", strings.Join(names(all), ", "))
	case value.Kind == yaml.ScalarNode && value.Tag != "!!null":
		return value.Value, nil
	case value.Kind == yaml.ScalarNode:
		return "", nil
	case !all[i].list || value.Kind != yaml.MappingNode:
		return "", fmt.Errorf("want a %s behind it", all[i].kind)
	}
	var parts []string
	for j := 0; j < len(value.Content); j += 2 {
		parts = append(parts, value.Content[j].Value+"="+value.Content[j+1].Value)
	}
	return strings.Join(parts, ","), nil
}

func names(all []option) []string {
	var names []string
	for _, o := range all {
		names = append(names, o.name)
	}
	return names
}
