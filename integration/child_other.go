//go:build unix && !linux

package integration

import "syscall"

// childAttr puts a child into a process group of its own, so that a Ctrl-C in the terminal reaches only us, who then
// end it in order. If we are killed with SIGKILL, the child stays: only Linux has a signal for that.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
