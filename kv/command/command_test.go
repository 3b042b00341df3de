package command

import "testing"

func TestTheFormat(t *testing.T) {
	c := Command{Op: Append, If: IfVersion, Version: 300, Client: "me", Seq: 7, Key: "key", Value: []byte("value")}
	b := c.AppendTo(make([]byte, 0, c.MaxSize()))
	if want := "\x01\x02\x01\xac\x02\x02me\x07\x03key\x05value"; string(b) != want {
		t.Errorf("laid out as %q, want %q", b, want)
	}
	if len(b) > c.MaxSize() {
		t.Errorf("%d bytes, and at most %d were promised", len(b), c.MaxSize())
	}
}
