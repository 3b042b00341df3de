package server

import (
	"fmt"
	"strings"

	"github.com/raftnode/raft/kv/api"
)

// handsOver tells whether this node hands leadership over, as a leader does whose disk is nearly full: then somebody else will soon take what
// this one refuses.
func (s *Server) handsOver() bool { return s.cfg.Raft.Status().Transfer != "" }

// noSpace tells why this leader takes no writes, and where to make room.
func (s *Server) noSpace() *api.Problem {
	st := s.cfg.Raft.Status()
	var low []string
	for _, m := range st.Members {
		if m.NoSpace {
			low = append(low, string(m.ID))
		}
	}
	if len(low) == 0 { // they have room by now
		return api.NewProblem(api.CodeNoSpace, "nothing was written, since too few nodes had room on their disks; by now they have: try again")
	}
	own := ""
	if disk, watched := s.cfg.Disk(); watched && disk.Low {
		own = fmt.Sprintf("; %s, which leads, %s", st.ID, roomInWords(disk))
	}
	return api.NewProblem(api.CodeNoSpace, "nothing is written while too few nodes have room on their disks; reads go on. Free space, outside of the data "+
		"directories, on %s%s", strings.Join(low, ", "), own)
}

// roomInWords is what a disk that is nearly full has, and should have.
func roomInWords(disk api.Disk) string {
	return fmt.Sprintf("has %s free and needs %s", api.Size(disk.FreeBytes), api.Size(disk.HighBytes))
}

// diskLine is what /readyz?verbose says of the disk.
func (s *Server) diskLine() string {
	disk, watched := s.cfg.Disk()
	switch {
	case !watched:
		return ""
	case disk.Error != "":
		return fmt.Sprintf("[!] disk-space: not known: %s\n", disk.Error)
	case disk.Low:
		return fmt.Sprintf("[!] disk-space: low on disk space: takes no writes, and %s; reads go on, and writes are passed on to a leader that has room\n", roomInWords(disk))
	}
	return fmt.Sprintf("[+] disk-space: ok, %s free\n", api.Size(disk.FreeBytes))
}
