//go:build !linux

package load

func newSleeper() (sleeper, error) { return goSleeper{}, nil }
