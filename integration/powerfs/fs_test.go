//go:build linux

package powerfs_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/raftnode/raft/integration/powerfs"
)

// What the disk keeps is what was fsynced, the file and its name apart.
func TestWhatALossOfPowerTakes(t *testing.T) {
	for what, test := range map[string]struct {
		syncFile, syncDir bool
		failing           int // the fsync of the file that fails, to be repeated
		want              string
	}{
		"nothing fsynced":              {want: "missing"},
		"only the file":                {syncFile: true, want: "missing"},
		"only the directory":           {syncDir: true, want: ""},
		"both":                         {syncFile: true, syncDir: true, want: "data"},
		"a failed fsync tried again":   {syncFile: true, syncDir: true, failing: 3, want: "\x00\x00\x00\x00"},
		"an fsync of what is replaced": {syncFile: true, syncDir: true, failing: -1, want: "data"},
	} {
		t.Run(what, func(t *testing.T) {
			fs, dir := mounted(t)
			name := filepath.Join(dir, "file")
			fs.FailAt(test.failing, syscall.EIO) // create, write, fsync
			f := must[*os.File](t)(os.Create(name))
			must[int](t)(f.WriteString("data"))
			if test.syncFile {
				if err := f.Sync(); (err != nil) != (test.failing > 0) {
					t.Fatal(err)
				}
				check(t, f.Sync())
			}
			if test.syncDir {
				check(t, must[*os.File](t)(os.Open(dir)).Sync())
			}
			if test.failing < 0 {
				check(t, f.Truncate(0))
			}
			fs.PowerLoss(powerfs.Everything())
			if _, err := f.WriteString("more"); err == nil {
				t.Error("a file that was open can still be written to")
			}
			got, err := os.ReadFile(name)
			if test.want == "missing" && !os.IsNotExist(err) || test.want != "missing" && (err != nil || string(got) != test.want) {
				t.Errorf("the file holds %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

// A rename that is not fsynced has not happened, and one that is has.
func TestRenames(t *testing.T) {
	fs, dir := mounted(t)
	old, name := filepath.Join(dir, "old"), filepath.Join(dir, "new")
	check(t, os.WriteFile(old, nil, 0o600))
	check(t, must[*os.File](t)(os.Open(dir)).Sync())
	for _, durable := range []bool{false, true} {
		check(t, os.Rename(old, name))
		if durable {
			check(t, must[*os.File](t)(os.Open(dir)).Sync())
		}
		fs.PowerLoss(powerfs.Everything())
		_, err := os.Stat(name)
		if (err == nil) != durable {
			t.Errorf("fsynced %t: %v", durable, err)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		check(t, err)
		return v
	}
}
