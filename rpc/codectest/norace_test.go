//go:build !race

package codectest_test

const raceDetector = false
