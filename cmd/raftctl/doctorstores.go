package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/raftnode/raft/cmd/internal/storefile"
	"github.com/raftnode/raft/wal"
)

// checkStores looks at what the node remembers of the other members' data directories.
func checkStores(dir string, found wal.Recovery) finding {
	f := finding{Check: "members", Grade: gradeOK}
	if found.Store == "" {
		f.Grade, f.What = gradeSkip, "not looked at: without the identity nobody can tell whose "+storefile.Name+" is"
		return f
	}
	known, err := storefile.Read(dir, found.Store)
	switch {
	case errors.Is(err, fs.ErrPermission):
		f.Grade, f.What, f.Do = gradeFail, err.Error(), asOwner
	case errors.Is(err, fs.ErrNotExist):
		f.Grade, f.What = gradeWarn, "the file "+storefile.Name+" is missing"
		f.Do = "a node starts without it, but until the members come again it would let in one whose data directory was lost or is an older copy"
	case err != nil:
		f.Grade, f.What = gradeFail, err.Error()
		f.Do = "put back " + storefile.Name + " as it was last. If it is gone, and no other member lost its directory or was given an older copy since, move the file away: it is made anew"
	case len(known) == 0:
		f.What = "no other member has shown its data directory yet"
	default:
		var words []string
		for _, id := range slices.Sorted(maps.Keys(known)) {
			words = append(words, fmt.Sprintf("%s start %d of store %s", plainWord(string(id)), known[id].Start, short(known[id].Store)))
		}
		f.What = "knows " + strings.Join(words, ", ")
	}
	return f
}

func short(store string) string { return plainWord(store[:min(len(store), 8)]) }
