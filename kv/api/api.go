package api

import "time"

// The limits of the service. Errors name them.
const (
	MaxKeyBytes      = 1024    // a key has 1 to this many bytes
	MaxValueBytes    = 1 << 20 // a value has 0 to this many bytes
	MaxClientIDBytes = 128     // a client id has 1 to this many bytes of visible ASCII
	MaxListLimit     = 1000    // keys in one answer to a list
	DefaultListLimit = 100     // keys in one answer to a list that does not say

	MaxTimeout     = 60 * time.Second // the longest time a request may ask for
	DefaultTimeout = 5 * time.Second  // the time a request gets that does not say
)

// Headers of requests.
const (
	HeaderClient = "Raft-Client" // a writer's id: with HeaderSeq, the write is applied at most once
	HeaderSeq    = "Raft-Seq"    // the number of the write, from 1, growing for each write of a client
	// HeaderTimeout bounds how long the server works on the request, as a Go duration ("2s"). The query
	// parameter "timeout" means the same.
	HeaderTimeout = "Raft-Timeout"
	// HeaderForwarded names the server that passed the request on. Such a request is not passed on again.
	HeaderForwarded = "Raft-Forwarded"
	// HeaderPrefer with PreferAsync (RFC 7240) on a write asks for an answer as soon as the leader has the write in its
	// log: 202, with the index and term that it has if it is ever committed.
	HeaderPrefer = "Prefer"
)

// PreferAsync is the preference that writes know, and HeaderApplied says that it was heeded.
const (
	PreferAsync   = "respond-async"
	HeaderApplied = "Preference-Applied"
)

// Headers of answers. Every answer carries all three.
const (
	// HeaderIndex is the index of the write; of anything else the last index that the answering
	// server's state machine had applied.
	HeaderIndex = "Raft-Index"
	// HeaderTerm is the term of the write; of anything else the answering server's current term.
	HeaderTerm   = "Raft-Term"
	HeaderLeader = "Raft-Leader" // id of the leader as far as the answering server knows; empty if it does not
)

// Paths. Keys are percent-encoded behind PathKey and PathAppend: any byte may stand in a key.
const (
	PathKey    = "/v1/kv/"
	PathList   = "/v1/kv"
	PathAppend = "/v1/append/"
	PathStatus = "/v1/status"
	PathStream = "/v1/stream" // GET with an Upgrade: the native protocol, see package wire

	PathMembers        = "/v1/members"         // GET; POST of a MemberChange
	PathTransferLeader = "/v1/transfer-leader" // POST of a Transfer
	PathSnapshot       = "/v1/snapshot"        // POST, without a body
	PathLive           = "/livez"
	PathReady          = "/readyz"
)

// Consistency of a read, the query parameter "consistency".
const (
	Linearizable = "linearizable" // the default: sees every write that was acknowledged before the read began
	Stale        = "stale"        // whatever the asked server has applied; HeaderIndex says how far that is
)

// Written answers a write.
type Written struct {
	Index uint64 `json:"index"` // the write's place in the log: the key's version from now on
	Term  uint64 `json:"term"`
}

// Listed answers a list. Keys come in ascending order of their bytes.
type Listed struct {
	Keys []ListedKey `json:"keys"`
	More bool        `json:"more"` // there are further keys: ask again with "after" set to the last key
}

// ListedKey is one key of a list. JSON cannot carry bytes that are not UTF-8: such a key is in KeyBytes,
// in base64, and Key is empty. Name gives whichever it is.
type ListedKey struct {
	Key      string `json:"key,omitempty"`
	KeyBytes []byte `json:"key_base64,omitempty"`
	Version  uint64 `json:"version"` // the index that last changed the key
	Size     int    `json:"size"`    // of the value, in bytes
}

// Name gives the key.
func (k ListedKey) Name() string {
	if k.KeyBytes != nil {
		return string(k.KeyBytes)
	}
	return k.Key
}

// Versions tells what runs and what it speaks.
type Versions struct {
	Server  string `json:"server"`  // of the program
	API     string `json:"api"`     // of the paths: "v1"
	Command int    `json:"command"` // of the commands in the log
	Go      string `json:"go"`
}
