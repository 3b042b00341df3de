// Package command lays out a write as it stands in the log, for those who make writes and do not link the store: clients. Package kv says what
// the parts mean, and takes them apart.
//
//	byte     Version
//	byte     Op
//	byte     If
//	uvarint  Command.Version
//	string   Client
//	uvarint  Seq
//	string   Key
//	string   Value
//
// where a string is its length as uvarint and then its bytes. Nothing follows.
//
// # What it promises
//
// The bytes are in the logs of running clusters: they never change, and nothing is allocated where there is room.
//
// # What it does not promise
//
// It checks nothing: kv.Command.Validate does, and so does every server.
//
// # Example
//
//	b = (&command.Command{Op: command.Put, Key: "motd", Value: []byte("hello")}).AppendTo(b)
package command
