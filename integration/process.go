package integration

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// process is one incarnation of a program. What it prints goes straight into a file: nothing here has to read
// along, so a process can never stand still because its pipe is full.
type process struct {
	name    string
	pid     int
	cmd     *exec.Cmd
	logPath string
	logFrom int64         // where the output of this incarnation begins
	done    chan struct{} // closed when the process is gone and reaped
	exit    error         // as of exec.Cmd.Wait; read it after done
}

// startProcess runs path with args, its output appended to logPath.
func startProcess(name, logPath, path string, args []string) (*process, error) {
	out, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("integration: start %s: %w", name, err)
	}
	defer out.Close() // the child has its own copy
	info, err := out.Stat()
	if err != nil {
		return nil, fmt.Errorf("integration: start %s: %w", name, err)
	}
	p := &process{name: name, logPath: logPath, logFrom: info.Size(), done: make(chan struct{})}
	p.cmd = exec.Command(path, args...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.Env = environment()
	p.cmd.SysProcAttr = childAttr()
	started := make(chan error)
	go p.run(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("integration: start %s: %w", name, err)
	}
	return p, nil
}

// run starts the process and waits for it, on one thread of the operating system: on Linux the child is
// killed when the thread that started it ends, and this one ends no sooner than the child.
func (p *process) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := p.cmd.Start(); err != nil {
		started <- err
		return
	}
	p.pid = p.cmd.Process.Pid
	started <- nil
	p.exit = p.cmd.Wait()
	close(p.done)
}

// environment is ours without what would configure a raftnode behind our back.
func environment() []string {
	var env []string
	for _, pair := range os.Environ() {
		if !strings.HasPrefix(pair, "RAFTNODE_") {
			env = append(env, pair)
		}
	}
	return env
}

// signal sends sig, unless the process is gone. The pid of a process that was not reaped yet is its own, and
// os.Process looks at no other.
func (p *process) signal(sig syscall.Signal) error {
	err := p.cmd.Process.Signal(sig)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// kill ends the process with SIGKILL and waits until it is gone. It also ends one that is stopped.
func (p *process) kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("integration: kill %s: %w", p.name, err)
	}
	<-p.done
	return nil
}

// gone tells whether the process has exited.
func (p *process) gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// exitError says how the process ended and what it last said: in one line, and then more of that. Call it when the process is gone.
func (p *process) exitError() error {
	state := "exit status 0"
	if p.exit != nil {
		state = p.exit.Error()
	}
	return fmt.Errorf("%s (pid %d) %w: %s: %s\nthe end of %s:\n%s",
		p.name, p.pid, errExited, state, p.tail(1), p.logPath, indent(p.tail(10)))
}

// errExited: a process that should run does not.
var errExited = errors.New("exited")

// tail gives the last lines that this incarnation printed.
func (p *process) tail(lines int) string {
	const most = 8 << 10
	text, err := readFrom(p.logPath, p.logFrom)
	if err != nil {
		return "(" + err.Error() + ")"
	}
	text = text[max(0, len(text)-most):]
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// readFrom reads a file from an offset to its end.
func readFrom(path string, offset int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return "", err
	}
	b, err := io.ReadAll(f)
	return string(b), err
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(text, "\n", "\n    ")
}
