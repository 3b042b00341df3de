// Package api is what the client and the server of the key/value service say to each
// other over HTTP: names of headers, JSON bodies, limits, error codes, and a [Sender] that tells
// whether a request that got no answer can have left this process.
//
// # What it promises
//
//   - Names and codes here are stable: a change to one is a breaking change.
//   - An error says its [Outcome]: [Rejected] means certainly not done, and never will be;
//     [Unknown] means that it may have been done, or may yet be.
//
// # What it does not promise
//
// It holds no logic of the service: package kv decides what a command does, package
// kv/server who answers, package kv/client what is tried again.
//
// # Example
//
//	problem := api.NewProblem(api.CodeNoLeader, "no leader is known; try again")
//	problem.Status  // 503
//	problem.Outcome // "rejected"
package api
