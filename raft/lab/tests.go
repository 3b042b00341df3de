package lab

// Test is one test of the lab.
type Test struct {
	Part    string // 2A, 2B, 2C, 2D
	Name    string // for go test -run
	Title   string // printed
	Servers int
	Network Network // at the beginning
	// SnapshotEvery is after how many applied commands each server takes a snapshot of its state; 0: never. The system is made with
	// it.
	SnapshotEvery int
	Run           func(b *Bed)
}

// Tests are all tests, in the order of the lab.
var Tests = []Test{
	{Part: "2A", Name: "InitialElection2A", Title: "initial election", Servers: 3, Run: initialElection},
	{Part: "2A", Name: "ReElection2A", Title: "election after network failure", Servers: 3, Run: reElection},
	{Part: "2A", Name: "ManyElections2A", Title: "multiple elections", Servers: 7, Run: manyElections},

	{Part: "2B", Name: "BasicAgree2B", Title: "basic agreement", Servers: 3, Run: basicAgree},
	{Part: "2B", Name: "RPCBytes2B", Title: "RPC byte count", Servers: 3, Run: rpcBytes},
	{Part: "2B", Name: "FollowerFailure2B", Title: "progressive failure of followers", Servers: 3, Run: followerFailure},
	{Part: "2B", Name: "LeaderFailure2B", Title: "failure of leaders", Servers: 3, Run: leaderFailure},
	{Part: "2B", Name: "FailAgree2B", Title: "agreement after follower reconnects", Servers: 3, Run: failAgree},
	{Part: "2B", Name: "FailNoAgree2B", Title: "no agreement if too many followers disconnect", Servers: 5, Run: failNoAgree},
	{Part: "2B", Name: "ConcurrentStarts2B", Title: "concurrent Start()s", Servers: 3, Run: concurrentStarts},
	{Part: "2B", Name: "Rejoin2B", Title: "rejoin of partitioned leader", Servers: 3, Run: rejoin},
	{Part: "2B", Name: "Backup2B", Title: "leader backs up quickly over incorrect follower logs", Servers: 5, Run: backup},
	{Part: "2B", Name: "Count2B", Title: "RPC counts aren't too high", Servers: 3, Run: rpcCounts},

	{Part: "2C", Name: "Persist12C", Title: "basic persistence", Servers: 3, Run: persistBasic},
	{Part: "2C", Name: "Persist22C", Title: "more persistence", Servers: 5, Run: persistMore},
	{Part: "2C", Name: "Persist32C", Title: "partitioned leader and one follower crash, leader restarts", Servers: 3, Run: persistPartitioned},
	{Part: "2C", Name: "Votes2C", Title: "voters that crash remember their votes", Servers: 3, Run: votes},
	{Part: "2C", Name: "Figure8Steps2C", Title: "Figure 8, step by step", Servers: 5, Run: figure8Steps},
	{Part: "2C", Name: "Figure82C", Title: "Figure 8", Servers: 5, Run: figure8},
	{Part: "2C", Name: "UnreliableAgree2C", Title: "unreliable agreement", Servers: 5, Network: Network{Unreliable: true}, Run: unreliableAgree},
	{Part: "2C", Name: "Figure8Unreliable2C", Title: "Figure 8 (unreliable)", Servers: 5, Network: Network{Unreliable: true}, Run: figure8Unreliable},
	{Part: "2C", Name: "ReliableChurn2C", Title: "churn", Servers: 5, Run: churn},
	{Part: "2C", Name: "UnreliableChurn2C", Title: "unreliable churn", Servers: 5, Network: Network{Unreliable: true}, Run: churn},

	{Part: "2D", Name: "SnapshotBasic2D", Title: "snapshots basic", Servers: 3, SnapshotEvery: snapshotEvery, Run: snapshots},
	{Part: "2D", Name: "SnapshotInstall2D", Title: "install snapshots (disconnect)", Servers: 3, SnapshotEvery: snapshotEvery, Run: snapshotsDisconnect},
	{Part: "2D", Name: "SnapshotInstallUnreliable2D", Title: "install snapshots (disconnect+unreliable)", Servers: 3, Network: Network{Unreliable: true}, SnapshotEvery: snapshotEvery, Run: snapshotsDisconnect},
	{Part: "2D", Name: "SnapshotInstallCrash2D", Title: "install snapshots (crash)", Servers: 3, SnapshotEvery: snapshotEvery, Run: snapshotsCrash},
	{Part: "2D", Name: "SnapshotInstallUnCrash2D", Title: "install snapshots (unreliable+crash)", Servers: 3, Network: Network{Unreliable: true}, SnapshotEvery: snapshotEvery, Run: snapshotsCrash},
	{Part: "2D", Name: "SnapshotAllCrash2D", Title: "crash and restart all servers", Servers: 3, SnapshotEvery: snapshotEvery, Run: snapshotsAllCrash},
	{Part: "2D", Name: "SnapshotInit2D", Title: "snapshot initialization after crash", Servers: 3, SnapshotEvery: snapshotEvery, Run: snapshotsInit},
	{Part: "2D", Name: "SnapshotConflict2D", Title: "a snapshot in place of a log that conflicts", Servers: 3, SnapshotEvery: snapshotEvery, Run: snapshotsConflict},
	{Part: "2D", Name: "SnapshotLarge2D", Title: "large snapshots (unreliable+crash)", Servers: 3, Network: Network{Unreliable: true}, SnapshotEvery: snapshotEvery, Run: snapshotsLarge},
}
