package report

import (
	"fmt"
	"math"
	"strings"
)

// thousands writes a number without a fraction, with commas.
func thousands(v float64) string {
	digits := fmt.Sprintf("%.0f", math.Abs(v))
	var parts []string
	for len(digits) > 3 {
		parts = append([]string{digits[len(digits)-3:]}, parts...)
		digits = digits[:len(digits)-3]
	}
	sign := ""
	if v < 0 {
		sign = "-"
	}
	return sign + strings.Join(append([]string{digits}, parts...), ",")
}

// short writes a number with two or three digits that count.
func short(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100:
		return thousands(v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.1 || a == 0:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.2g", v)
}

// percent writes a share.
func percent(v float64) string { return fmt.Sprintf("%.0f%%", v*100) }

// notes are what a figure must not be read without.
func (c Cell) notes() string {
	var notes []string
	if c.Failed > 0 {
		notes = append(notes, fmt.Sprintf("%s failed", thousands(float64(c.Failed))))
	}
	if c.NeverBegun > 0 {
		notes = append(notes, fmt.Sprintf("%s never begun", thousands(float64(c.NeverBegun))))
	}
	if c.Failure != "" {
		notes = append(notes, "a round failed")
	}
	if len(notes) == 0 {
		return ""
	}
	return " (" + strings.Join(notes, ", ") + ")"
}
