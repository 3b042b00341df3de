// Package load puts a store under load and measures it: how many operations a second, and how long each took.
//
// # What it promises
//
//   - A closed loop keeps a number of operations in flight: the next one begins when one is answered. An open loop begins
//     operations at a fixed rate, whatever becomes of them.
//   - In an open loop the latency of an operation counts from the moment at which it was due, not from the one at which
//     it could be sent: a store that stands still for a second shows in the latency of all operations that were due in that
//     second (that they are left out is known as coordinated omission). Operations that were due and were never begun, because too
//     many others were unanswered, count with the time that they had waited when the measurement ended.
//   - What is counted is what was due in the window behind the warm-up; what is answered later is waited for.
//   - Latencies are kept in an HdrHistogram: three digits are exact, from a nanosecond to ten minutes.
//   - Cancelling the context ends the run, with a [Result] of what was measured until then.
//   - Every operation that was begun is answered before Run returns.
//
// # What it does not promise
//
// The latency of a closed loop is that of operations which waited for their turn: a store that stands still gets fewer of them, and that is
// not put right afterwards. Claims about latency need an open loop. The load costs processor time of its own, which a store
// on the same machine does not get.
//
// # Example
//
//	get := load.Blocking(func(ctx context.Context, op load.Op) error {
//		_, err := c.Get(ctx, op.Key)
//		return err
//	})
//	result, err := load.Run(ctx, get, load.Config{Reads: 1, InFlight: 64, Duration: 10 * time.Second})
//	fmt.Println(result.PerSecond(), result.All.P99)
package load
