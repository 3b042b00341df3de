package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Kind says what an operation does.
type Kind uint8

// The kinds of operations.
const (
	Put Kind = iota
	Get
	Delete
)

// Op is one operation.
type Op struct {
	Kind  Kind
	Key   string
	Value []byte // of a Put; shared with other operations, not to be changed
}

// Target is what is put under load.
type Target interface {
	// Start begins the operation and does not wait for it. done is called once, when the operation's fate is known, by any
	// goroutine, but never from within Start: done may call Start. When ctx ends, all operations are answered soon.
	Start(ctx context.Context, op Op, done func(error))
}

// Blocking is a Target made of a call that returns when it is answered: each operation gets a goroutine.
type Blocking func(ctx context.Context, op Op) error

// Start lets a goroutine do the operation.
func (b Blocking) Start(ctx context.Context, op Op, done func(error)) {
	go func() { done(b(ctx, op)) }()
}

// KeyBytes is the length of every key.
const KeyBytes = 16

// The limits and defaults of Config.
const (
	MaxInFlight     = 1 << 16
	MaxKeys         = 10_000_000
	MaxValueBytes   = 1 << 20
	DefaultKeys     = 10_000
	DefaultInFlight = 64   // of a closed loop
	DefaultBacklog  = 4096 // operations unanswered at once in an open loop
	drainTime       = 10 * time.Second
	errorPause      = 10 * time.Millisecond
)

// Config is what Run needs. Duration must be set.
type Config struct {
	// Rate in operations a second makes the loop an open one; 0 is a closed one. At most 1 million.
	Rate float64 `json:"rate,omitempty"`
	// InFlight is how many operations are in flight, of an open loop at most. Default 64, of an open loop 4096.
	InFlight int `json:"in_flight"`
	// Reads is the share of the operations that are reads, from 0 to 1.
	Reads float64 `json:"reads"`
	// ValueBytes is the size of the values that are written.
	ValueBytes int `json:"value_bytes"`
	// Keys is how many there are; each operation takes one by chance. Default 10,000.
	Keys int `json:"keys"`
	// Prefix begins every key; its digits must find room in KeyBytes.
	Prefix string `json:"prefix"`
	// WarmUp is load that is not counted, before the Duration that is.
	WarmUp   time.Duration `json:"warm_up_ns"`
	Duration time.Duration `json:"duration_ns"`
	// Outcome gives errors the name under which they are counted. Default: "failed".
	Outcome func(error) string `json:"-"`
	// Progress, if it is set, is called about once a second.
	Progress func(Progress) `json:"-"`

	sleep sleeper // of an open loop; tests have their own
}

// Progress is what is known while a run goes on.
type Progress struct {
	Elapsed time.Duration // since the load began, the warm-up with it
	Done    int64         // operations without an error, those of the warm-up among them
	Failed  int64
}

// Check says what is wrong with the configuration.
func (c Config) Check() error { return c.complete() }

// complete fills in the defaults and says what is wrong with the rest.
func (c *Config) complete() error {
	if c.Keys == 0 {
		c.Keys = DefaultKeys
	}
	if c.InFlight == 0 {
		c.InFlight = DefaultInFlight
		if c.Rate > 0 {
			c.InFlight = DefaultBacklog
		}
	}
	if c.Outcome == nil {
		c.Outcome = func(error) string { return "failed" }
	}
	var wrong []error
	refuse := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	refuse(math.IsNaN(c.Rate) || c.Rate < 0 || c.Rate > 1e6, "the rate %v is not from 0 to 1 million a second", c.Rate)
	refuse(c.InFlight < 1 || c.InFlight > MaxInFlight, "%d operations in flight are not from 1 to %d", c.InFlight, MaxInFlight)
	refuse(!(c.Reads >= 0 && c.Reads <= 1), "the share of reads %v is not from 0 to 1", c.Reads)
	refuse(c.ValueBytes < 0 || c.ValueBytes > MaxValueBytes, "values of %d bytes are not from 0 to %d", c.ValueBytes, MaxValueBytes)
	refuse(c.WarmUp < 0, "the warm-up %s is below 0", c.WarmUp)
	refuse(c.Duration <= 0, "the duration %s is not above 0", c.Duration)
	refuse(c.Keys < 1 || c.Keys > MaxKeys, "%d keys are not from 1 to %d", c.Keys, MaxKeys)
	refuse(len(c.Prefix)+len(fmt.Sprint(c.Keys-1)) > KeyBytes, "a key has %d bytes, and %d keys that begin with %q need more", KeyBytes, c.Keys, c.Prefix)
	if len(wrong) > 0 {
		return fmt.Errorf("load: %w", errors.Join(wrong...))
	}
	return nil
}

// key gives the i-th key.
func (c *Config) key(i int) string {
	digits := fmt.Sprint(i)
	return c.Prefix + strings.Repeat("0", KeyBytes-len(c.Prefix)-len(digits)) + digits
}
