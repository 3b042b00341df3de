// Package powerfs is a file system in memory, mounted through FUSE, that can lose power. What a program wrote is there for all who
// read it, as with any kernel. What it did not fsync is kept apart, and a loss of power forgets it: data of files, their
// lengths, and what was created, renamed and removed in a directory. It is as forgetful as POSIX allows, which ext4 is not:
// an fsync of a file says nothing about its name.
//
//	fs := powerfs.New()
//	unmount, err := fs.Mount(dir)
//	fs.CutAt(17)                      // the 17th change from now on is the one at which the power fails
//	...                               // from then on every call gives EIO
//	fs.PowerLoss(powerfs.Random(rng)) // what was not fsynced is gone, and the power is back
//
// # What it promises
//
//   - After a loss of power a file has, of each 512-byte sector, what the last fsync found or what was written since, and a length between
//     the two. A directory has the entries that the last fsync of it found, with some of the later changes. Which ones, the [Loss] says.
//   - An fsync that was made to fail behaves as Linux does: the data can still be read, counts as clean, and no
//     later fsync writes it.
//   - Where an fsync hangs, it hangs until it is let go on or whoever waits for it is killed, and the rest of the file system answers.
//   - The same program with the same arguments meets the same number of changes, so each can be cut in turn.
//
// # What it does not promise
//
// It reorders nothing within a sector, has no links, moves nothing between directories, and knows no permissions.
package powerfs
