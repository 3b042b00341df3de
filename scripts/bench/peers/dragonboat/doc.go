// Dragonboat is a key/value store on dragonboat, with its log in tan. The state machine takes batches, snapshots are off, and reads share a round of
// ReadIndex.
package main
