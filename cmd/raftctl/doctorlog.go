package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/wal"
)

const asOwner = "run raftctl as the user that the node runs as"

// checkIdentity tells whose directory it is.
func checkIdentity(found wal.Recovery, err error) finding {
	f := finding{Check: "identity", Grade: gradeOK}
	switch {
	case found.Store != "":
		f.What = fmt.Sprintf("node %q of cluster %q, store %s, format %d", found.Node, found.Cluster, found.Store, found.Format)
	case errors.Is(err, fs.ErrPermission):
		f.Grade, f.What, f.Do = gradeFail, err.Error(), asOwner
	default:
		f.Grade, f.What = gradeFail, err.Error()
		f.Do = "if only the file identity is lost or damaged, a copy of it from a backup will do: it never changes"
	}
	return f
}

// checkLock tells whether a node runs on the directory.
func checkLock(dir string) (f finding, busy bool) {
	f = finding{Check: "lock", Grade: gradeOK, What: "no process has it open"}
	holder, err := wal.InUse(dir)
	switch {
	case errors.Is(err, fs.ErrPermission):
		f.Grade, f.What, f.Do = gradeWarn, err.Error(), asOwner
	case err != nil:
		f.Grade, f.What, f.Do = gradeWarn, err.Error(), "a node needs flock: use a file system that has it"
	case holder != "":
		f.What = holder + " has it open, so the newest records may be in flight"
	}
	return f, holder != ""
}

// checkLog tells a torn tail, which is no harm, from damage.
func checkLog(found wal.Recovery, err error, busy bool) finding {
	f := finding{Check: "log", Grade: gradeOK}
	var snapshot *wal.SnapshotError
	switch {
	case found.Store == "":
		f.Grade, f.What = gradeSkip, "not looked at: without the identity its records cannot be checked"
	case errors.Is(err, fs.ErrPermission):
		f.Grade, f.What, f.Do = gradeFail, err.Error(), asOwner
	case err != nil && !errors.As(err, &snapshot):
		f.Grade, f.What = gradeFail, err.Error()
		f.Do = "a start refuses this. Do not delete or cut files: what was acknowledged could be lost unseen"
		if busy {
			f.Do = "do not stop the node before others have all data: a start refuses this. Else: " + f.Do
		}
	case found.Repaired != nil && busy:
		f.What = fmt.Sprintf("%s, and the newest is in flight, or cut short: %s", logInWords(found), found.Repaired)
	case found.Repaired != nil:
		f.Grade, f.What = gradeWarn, fmt.Sprintf("%s; torn: %s", logInWords(found), found.Repaired)
		f.Do = "nothing: an interrupted write leaves this, and the next start cuts it off"
	case found.Records == 0:
		f.What = "empty: its creation was interrupted, or it was never used"
	default:
		f.What = logInWords(found)
	}
	return f
}

func logInWords(r wal.Recovery) string {
	what := "no entries"
	if r.Entries > 0 {
		what = fmt.Sprintf("entries %d to %d", r.Base.Index+1, r.LastIndex)
	}
	return fmt.Sprintf("%s in %s, %s, term %d, commit at least %d", count(r.Records, "record"), count(r.Segments, "segment"), what, r.Term, r.Commit)
}

// checkSnapshot tells whether what stands for the beginning of the log is there.
func checkSnapshot(found wal.Recovery, err error) finding {
	f := finding{Check: "snapshot", Grade: gradeOK}
	var broken *wal.SnapshotError
	switch {
	case errors.Is(err, fs.ErrPermission) && errors.As(err, &broken):
		f.Grade, f.What, f.Do = gradeFail, err.Error(), asOwner
	case errors.As(err, &broken):
		f.Grade, f.What = gradeFail, err.Error()
		f.Do = "a start refuses this: the entries that it stands for are gone. No older snapshot can take its place"
	case err != nil:
		f.Grade, f.What = gradeSkip, "not looked at: only a log that is whole says which one counts"
	case found.SnapshotFile == "":
		f.What = "none yet: the log begins at entry 1"
	default:
		f.What = fmt.Sprintf("at %d of term %d, %s, whole; the log goes on from %d. Members: %s",
			found.Snapshot.Index, found.Snapshot.Term, fileOf(found.SnapshotBytes), found.Base.Index+1, found.Members)
	}
	return f
}

// checkLeftovers finds what killed processes left. Which snapshot counts is known only if the log was read.
func checkLeftovers(dir string, found wal.Recovery, scanErr error, busy bool) finding {
	f := finding{Check: "leftovers", Grade: gradeOK, What: "none"}
	files, err := findLogFiles(dir)
	if err != nil {
		f.Grade, f.What, f.Do = gradeWarn, err.Error(), asOwner
		return f
	}
	var names []string
	bytes := int64(0)
	for _, file := range files {
		name := file.Name()
		older := scanErr == nil && strings.HasPrefix(name, "snapshot-") && name != found.SnapshotFile
		if older || strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".TEMP") {
			names, bytes = append(names, name), bytes+file.Size()
		}
	}
	switch {
	case len(names) == 0:
	case busy:
		f.What = fmt.Sprintf("%s, %s, which the node may be working on: %s", count(len(names), "file"), api.Size(bytes), someOf(names))
	default:
		f.Grade, f.What = gradeWarn, fmt.Sprintf("%s, %s, of a process that was killed: %s", count(len(names), "file"), api.Size(bytes), someOf(names))
		f.Do = "nothing: the next start removes them"
	}
	return f
}

// someOf lists names, but no more than a line can have.
func someOf(names []string) string {
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%q and %d more", names[:most], len(names)-most)
	}
	return fmt.Sprintf("%q", names)
}
