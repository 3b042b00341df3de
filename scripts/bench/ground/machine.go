package ground

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"github.com/raftnode/raft/scripts/bench/cluster"
	"github.com/raftnode/raft/scripts/bench/report"
)

// Machine says where this runs. It is an error if the directory is not on a disk that syncs.
func Machine(ctx context.Context, dir string) (report.Machine, error) {
	disk, err := cluster.Disk(dir)
	if err != nil {
		return report.Machine{}, err
	}
	m := report.Machine{CPU: processor(), Cores: runtime.NumCPU(), Go: runtime.Version(), Disk: disk, LoadBefore: LoadAverage()}
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err == nil {
		m.Memory = int64(info.Totalram) * int64(info.Unit)
	}
	if out, err := exec.CommandContext(ctx, "uname", "-r").Output(); err == nil {
		m.Kernel = strings.TrimSpace(string(out))
	}
	syncs, err := (&cluster.Cluster{}).CountSyncs()
	if err != nil {
		m.NoSyncs = err.Error()
	}
	return m, syncs.Close()
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// LoadAverage gives those of 1, 5 and 15 minutes.
func LoadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
}
