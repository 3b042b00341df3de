package kv

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestACommandComesBackAsItWentIn(t *testing.T) {
	for _, c := range []Command{
		{Op: Put, Key: "k"},
		{Op: Put, Key: "a/../b\x00\xff", Value: []byte("v"), If: Condition{Kind: IfVersion, Version: 1 << 60}},
		{Op: Append, Key: strings.Repeat("k", MaxKeyBytes), Value: make([]byte, MaxValueBytes), If: Condition{Kind: IfExists}},
		{Op: Delete, Key: "k", If: Condition{Kind: IfAbsent}, Client: strings.Repeat("~", MaxClientIDBytes), Seq: 1<<64 - 1},
	} {
		encoded, err := c.Encode()
		if err != nil {
			t.Fatalf("encode %.50q: %v", c.Key, err)
		}
		got, err := Decode(encoded)
		if err != nil {
			t.Fatalf("decode %.50q: %v", c.Key, err)
		}
		if got.Op != c.Op || got.Key != c.Key || !bytes.Equal(got.Value, c.Value) || got.If != c.If || got.Client != c.Client || got.Seq != c.Seq {
			t.Errorf("%.50q came back as %.50q", c.Key, got.Key)
		}
	}
}

// The bytes are in the logs of running clusters: they never change.
func TestTheFormatOfACommand(t *testing.T) {
	c := Command{Op: Append, Key: "key", Value: []byte("value"), If: Condition{Kind: IfVersion, Version: 300}, Client: "me", Seq: 7}
	encoded, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if want := "\x01\x02\x01\xac\x02\x02me\x07\x03key\x05value"; string(encoded) != want {
		t.Errorf("encoded as %q, want %q", encoded, want)
	}
}

func TestWhatIsNoCommandIsNotEncoded(t *testing.T) {
	for name, test := range map[string]struct {
		command Command
		want    error
	}{
		"no operation":      {Command{Key: "k"}, errFormat},
		"unknown operation": {Command{Op: 4, Key: "k"}, errFormat},
		"unknown condition": {Command{Op: Put, Key: "k", If: Condition{Kind: 4}}, errFormat},
		"version unasked":   {Command{Op: Put, Key: "k", If: Condition{Version: 4}}, errFormat},
		"delete a value":    {Command{Op: Delete, Key: "k", Value: []byte("v")}, errFormat},
		"no key":            {Command{Op: Put}, ErrKeySize},
		"long key":          {Command{Op: Put, Key: strings.Repeat("k", MaxKeyBytes+1)}, ErrKeySize},
		"long value":        {Command{Op: Put, Key: "k", Value: make([]byte, MaxValueBytes+1)}, ErrValueSize},
		"client, no number": {Command{Op: Put, Key: "k", Client: "c"}, ErrClientID},
		"number, no client": {Command{Op: Put, Key: "k", Seq: 1}, ErrClientID},
		"long client":       {Command{Op: Put, Key: "k", Client: strings.Repeat("c", MaxClientIDBytes+1), Seq: 1}, ErrClientID},
		"blank in client":   {Command{Op: Put, Key: "k", Client: "a b", Seq: 1}, ErrClientID},
		"client not ASCII":  {Command{Op: Put, Key: "k", Client: "é", Seq: 1}, ErrClientID},
	} {
		if _, err := test.command.Encode(); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", name, err, test.want)
		}
	}
}

func TestDecodeRefusesEveryPieceOfACommand(t *testing.T) {
	whole, err := Command{Op: Put, Key: "key", Value: []byte("value"), Client: "me", Seq: 7}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := Decode(whole[:n]); err == nil {
			t.Errorf("the first %d bytes of %d were taken for a command", n, len(whole))
		}
	}
	if _, err := Decode(append(whole, 0)); err == nil {
		t.Error("a byte too many was not noticed")
	}
	whole[0] = 2
	if _, err := Decode(whole); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("a command of the next version: %v; the error should name the version", err)
	}
	if _, err := Decode([]byte("\x01\x01\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")); err == nil {
		t.Error("a key of 2^64-1 bytes was not refused")
	}
}
