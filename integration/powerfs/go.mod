// Not a part of the module above: who uses that must not get a file system's dependencies with it.
module github.com/raftnode/raft/integration/powerfs

go 1.26.0

require (
	github.com/hanwen/go-fuse/v2 v2.12.1
	github.com/raftnode/raft v0.0.0
)

require (
	github.com/anishathalye/porcupine v1.3.1 // indirect
	github.com/tidwall/gjson v1.10.2 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.0 // indirect
	github.com/tidwall/tinylru v1.1.0 // indirect
	github.com/tidwall/wal v1.2.1 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace github.com/raftnode/raft => ../..
