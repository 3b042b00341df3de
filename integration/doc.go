// Package integration runs clusters of real raftnode processes, breaks them in the ways that machines and
// networks break, and judges what clients saw.
//
// A [Cluster] starts N processes and kills them with SIGKILL, pauses them with SIGSTOP and starts
// them again on the same directory. Between each two nodes stand two [Link]s, one for each direction, that can be cut,
// swallow what is sent, or delay it. A [Workload] of concurrent clients records in a [History] what it asked and what came
// back. [Judge] says whether a linearizable store could have answered so, and whether every node holds what was
// acknowledged. Nodes that are to spare can be added to the cluster, and members removed, meanwhile: [Cluster.Add]. A [Scenario] is a story made of these; [Run] plays one.
//
// # What it promises
//
//   - A verdict is PASS, FAIL or UNKNOWN. A check that did not finish, and a run in which too little was acknowledged to
//     prove anything, is UNKNOWN, never PASS.
//   - An outcome that a client does not know stays unknown: the write may have taken effect at any later time, once, or never.
//   - Nothing is awaited blindly: a node is asked until it answers as expected, the context ends, or
//     a process that should run has exited, which is reported at once with the end of its log.
//   - Only processes that it started are signalled. On Linux they die with the harness, even if that is killed.
//   - No port is fixed: the kernel picks them.
//
// # What it does not promise
//
// A seed decides which faults come, in which order and after what pauses, not how the processes interleave:
// a second run with the same seed is a similar run, not the same. A SIGKILL loses nothing that was
// written to a file, so these runs say nothing about a loss of power: those below powerfs do. It needs a Unix: there is no SIGSTOP elsewhere.
//
// # Example
//
//	report, err := integration.Run(ctx, integration.Options{Binary: "bin/raftnode", Scenario: "kill-leader", Seed: 7})
//	if err != nil {
//		return err // the run itself failed: nothing is known about raftnode
//	}
//	fmt.Println("verdict:", report.Verdict)
package integration
