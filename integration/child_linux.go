package integration

import "syscall"

// childAttr puts a child into a process group of its own, so that a Ctrl-C in the terminal reaches only us, who then
// end it in order; and lets the kernel kill it if we die without doing so.
func childAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
