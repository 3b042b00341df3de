// Package cluster runs some processes of a program on loopback, kills and restarts them, and tells what they take: processor time, bytes, system calls to sync, memory.
//
// # What it promises
//
// Stop ends every process that Start began, and removes its files. What a process prints is in a file, and its end is part of the error when it
// does not do as it should. [Disk] refuses directories that are in memory, where to sync costs nothing.
//
// # What it does not promise
//
// It needs Linux. Syncs are counted only where the kernel lets this user count the system calls of others by its tracepoints.
package cluster
