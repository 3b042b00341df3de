package sim

import (
	"testing"
	"time"
)

// What is read of an action is what it does.
func TestActionsInWords(t *testing.T) {
	const n1, n2, n3, n7 = Set(1), Set(2), Set(4), Set(64)
	for want, a := range map[string]Action{
		"n2 crashes, and restarts after 1s":                                    {Kind: Crash, Server: 2, For: time.Second},
		"n2 crashes, unless it leads, and restarts after 1s":                   {Kind: Crash, Server: 2, For: time.Second, Value: 1},
		"the links from n1 to n2 are cut for 1s":                               {Kind: Cut, From: n1, To: n1 | n2 | n7, For: time.Second},
		"the links from n2 to n1 are cut for 1s":                               {Kind: Cut, From: n1 | n2, To: n1, For: time.Second},
		"the links from n1 to all others are cut for 1s":                       {Kind: Cut, From: n1, To: n1 | n2 | n3, For: time.Second},
		"the links from n1 to all others are clogged for 1s":                   {Kind: Clog, From: n1 | n7, To: n2 | n3, For: time.Second},
		"the links from each of n1,n2 to all others are cut for 1s":            {Kind: Cut, From: n1 | n2, To: n1 | n2 | n3, For: time.Second},
		"the links between n1,n2 are cut for 1s":                               {Kind: Cut, From: n1 | n2, To: n1 | n2, For: time.Second},
		"the links from n1,n2 to n2,n3, of each to the others, are cut for 1s": {Kind: Cut, From: n1 | n2, To: n2 | n3, For: time.Second},
		"links of servers that are not there are cut for 1s":                   {Kind: Cut, From: n7, To: n1, For: time.Second},
		"the link from n1 to itself, which is not there, is cut for 1s":        {Kind: Cut, From: n1, To: n1, For: time.Second},
	} {
		if got := a.What(3); got != want {
			t.Errorf("%+v: %q, want %q", a, got, want)
		}
	}
}
