package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// As a child the test's program syncs a file as often as it is told, says so, and waits for its end.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		child(os.Args[2], os.Args[3])
		return
	}
	os.Exit(m.Run())
}

// nodes is how many the tests start.
const nodes = 3

// busy is the processor time that a child takes.
const busy = 100 * time.Millisecond

func child(dir, what string) {
	if what == "fail" {
		fmt.Println("the reason why")
		os.Exit(3)
	}
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		panic(err)
	}
	begin := make(chan os.Signal, 1)
	signal.Notify(begin, syscall.SIGUSR1)
	_ = os.WriteFile(filepath.Join(dir, "ready"), nil, 0o600)
	<-begin
	_, _ = f.Write(make([]byte, 1<<20))
	for range 10 {
		_ = f.Sync()
	}
	for usage := (syscall.Rusage{}); usage.Utime.Nano() < busy.Nanoseconds(); {
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	}
	_ = os.WriteFile(filepath.Join(dir, "done"), nil, 0o600)
	select {}
}

func start(t *testing.T, what string) *Cluster {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Start(nodes, self, t.TempDir(), func(_ *Cluster, _ int, dir string) []string { return []string{"child", dir, what} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *Cluster) await(t *testing.T, name string) {
	t.Helper()
	for i := range nodes {
		_, err := c.Await(t.Context(), name, func(context.Context, int) bool {
			_, err := os.Stat(filepath.Join(c.dir, fmt.Sprintf("n%d", i+1), name))
			return err == nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestUsage(t *testing.T) {
	c := start(t, "work")
	c.await(t, "ready")
	syncs, err := c.CountSyncs()
	counted := err == nil
	if err != nil {
		t.Log(err)
	}
	defer syncs.Close()
	before, err := c.Usage(0, syncs)
	if err != nil {
		t.Fatal(err)
	}
	for i := range nodes {
		if err := c.nodes[i].cmd.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
	}
	c.await(t, "done")
	after, err := c.Usage(0, syncs)
	if err != nil {
		t.Fatal(err)
	}
	if cpu := after.CPU - before.CPU; cpu < 3*busy/2 || after.LeaderCPU-before.LeaderCPU >= cpu || after.Machine-before.Machine < cpu/2 {
		t.Errorf("processor time: all %v, the leader %v, the machine %v; each was busy for %v", cpu, after.LeaderCPU-before.LeaderCPU, after.Machine-before.Machine, busy)
	}
	if got := after.Syncs - before.Syncs; counted && got != 30 {
		t.Errorf("%d syncs, want 10 of each", got)
	}
	if after.WriteCalls-before.WriteCalls < 3 || after.Resident < 3<<20 || after.LeaderRSS*3 > 2*after.Resident {
		t.Errorf("%+v", after)
	}
	pids := []int{}
	for _, n := range c.nodes {
		pids = append(pids, n.cmd.Process.Pid)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is still there: %v", pid, err)
		}
	}
	if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
		t.Errorf("its files are still there: %v", err)
	}
}

func TestAProcessThatEndsIsToldWithItsLastWords(t *testing.T) {
	c := start(t, "fail")
	_, err := c.Await(t.Context(), "a leader", func(context.Context, int) bool { return false })
	if err == nil || !strings.Contains(err.Error(), "waiting for a leader") || !strings.Contains(err.Error(), "exit status 3: the reason why") {
		t.Error(err)
	}
}

func TestParsers(t *testing.T) {
	stat := "42 (a (strange) name) S 1 42 42 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 9 0 12345 1000 200"
	if got, err := parseStat([]byte(stat)); err != nil || got != 2*time.Second {
		t.Errorf("%v, %v", got, err)
	}
	machine := "cpu  100 10 20 9999 8888 1 2 3 700 700\ncpu0 1 1 1 1 1 1 1 1 1 1\n"
	if got, err := parseMachine([]byte(machine)); err != nil || got != 1360*time.Millisecond {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := parseField([]byte("Name:\tx\nVmRSS:\t  123 kB\n"), "VmRSS:"); err != nil || got != 123 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "42 (x) S 1", strings.Replace(stat, " 150 ", " x ", 1)} {
		if _, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, bad := range []string{"", "cpu 1 2", "mem  100 10 20 9999 8888 1 2 3 700 700"} {
		if _, err := parseMachine([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := parseField([]byte("syscw: 1\n"), "write_bytes:"); err == nil {
		t.Error("a field that is not there is found")
	}
}

func TestDiskRefusesMemory(t *testing.T) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &stat); err != nil || int64(uint32(stat.Type)) != 0x01021994 {
		t.Skip("there is no tmpfs here")
	}
	if _, err := Disk("/dev/shm"); err == nil || !strings.Contains(err.Error(), "on tmpfs, which is in memory") {
		t.Error(err)
	}
	if _, err := Disk(filepath.Join(t.TempDir(), "nowhere")); err == nil {
		t.Error("a directory that is not there is on a disk")
	}
}

// One that is killed is gone without being missed, and comes back on its files and at its address.
func TestKillAndRun(t *testing.T) {
	c := start(t, "work")
	c.await(t, "ready")
	old, addr := c.nodes[1].cmd.Process.Pid, c.Client[1]
	c.Kill(1)
	if err := syscall.Kill(old, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is still there: %v", old, err)
	}
	if err := c.Gone(); err != nil {
		t.Error(err)
	}
	before, err := c.Usage(0, nil)
	if err != nil || before.Resident == 0 {
		t.Errorf("%v, %+v", err, before)
	}
	if err := os.Remove(filepath.Join(c.Dir(1), "ready")); err != nil {
		t.Fatal(err)
	}
	if err := c.Run(1); err != nil {
		t.Fatal(err)
	}
	c.await(t, "ready")
	if after, err := c.Usage(0, nil); err != nil || after.Resident <= before.Resident || c.Client[1] != addr {
		t.Errorf("%v, %+v after %+v", err, after, before)
	}
}

func TestFreeMemory(t *testing.T) {
	if free, err := FreeMemory(); err != nil || free < 1<<20 {
		t.Errorf("%d, %v", free, err)
	}
}
