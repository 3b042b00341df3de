package wal

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/raftnode/raft/raft/consensus"
)

const (
	identityName = "identity"
	newestName   = "newest"

	formatVersion  = 3
	maxSealedBytes = 16 << 10
)

// identity says whose directory this is. It is written once, when the directory is created.
type identity struct {
	cluster string
	node    consensus.ServerID
	store   string // random, in hex: tells this directory from any other of the same node
}

func newIdentity(opts Options) identity {
	store := make([]byte, 16)
	_, _ = rand.Read(store) // never fails: see its documentation
	return identity{cluster: opts.Cluster, node: opts.Node, store: hex.EncodeToString(store)}
}

// text is the identity file without its last line, the checksum.
func (id identity) text() string {
	return fmt.Sprintf("raft log\nformat: %d\ncluster: %q\nnode: %q\nstore: %s\n", formatVersion, id.cluster, id.node, id.store)
}

// salt depends on every field: no record verifies beside an identity that it was not written for.
func (id identity) salt() salt { return salt(crc32.Checksum([]byte(id.text()), castagnoli)) }

// parseIdentity is the inverse of text, for exactly what text gives.
func parseIdentity(text string) (identity, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 2 || lines[0] != "raft log" {
		return identity{}, &DamageError{File: identityName, Expected: "the line `raft log`, and one with the format", Found: "it is not an identity file of a raft log"}
	}
	version, ok := strings.CutPrefix(lines[1], "format: ")
	if ok && (version == "1" || version == "2") {
		return identity{}, fmt.Errorf("the format of its files is %s, and this program knows only %d: there is no conversion. Run the version that wrote it, "+
			"or replace this node by a new member, with a new id and an empty directory", version, formatVersion)
	}
	if ok && version != strconv.Itoa(formatVersion) {
		return identity{}, fmt.Errorf("the format of its files is %s, and this program knows only %d: use the version that wrote it", version, formatVersion)
	}
	var id identity
	for _, line := range lines[2:] {
		key, value, _ := strings.Cut(line, ": ")
		unquoted, _ := strconv.Unquote(value)
		switch key {
		case "cluster":
			id.cluster = unquoted
		case "node":
			id.node = consensus.ServerID(unquoted)
		case "store":
			id.store = value
		}
	}
	if id.text() != text {
		return identity{}, &DamageError{File: identityName, Expected: "format, cluster, node and store, each once", Found: "its fields are not as this program writes them"}
	}
	return id, nil
}

// readIdentity gives fs.ErrNotExist if the directory has none.
func readIdentity(dir string) (identity, error) {
	text, err := readSealed(dir, identityName)
	if err != nil {
		return identity{}, err
	}
	id, err := parseIdentity(text)
	if err != nil {
		return identity{}, err
	}
	return id, nil
}

// Identity gives of which cluster and node a directory is, without opening it; an error that is fs.ErrNotExist if it is of none yet.
func Identity(dir string) (cluster string, node consensus.ServerID, err error) {
	id, err := readIdentity(dir)
	if err != nil {
		return "", "", fmt.Errorf("wal: open %s: %w", dir, advise(dir, err))
	}
	return id.cluster, id.node, nil
}

// check tells whether a directory is for these options.
func (id identity) check(opts Options) error {
	if id.node != opts.Node {
		return &OwnerError{id.cluster, id.node, fmt.Sprintf("it belongs to node %q of cluster %q, not to node %q: start that node on it, and this one on the directory of its own",
			id.node, id.cluster, opts.Node)}
	}
	if id.cluster != opts.Cluster {
		return &OwnerError{id.cluster, id.node, fmt.Sprintf("it belongs to cluster %q (node %q), not to cluster %q: check the list of members, or give this node its own directory of that cluster",
			id.cluster, id.node, opts.Cluster)}
	}
	return nil
}

// The file "newest" names the newest segment whose creation was made durable. Without it a log
// whose last files were lost would look like a shorter log.
func newestText(id identity, first uint64) string {
	return fmt.Sprintf("raft log, newest segment\nstore: %s\nsegment: %s\n", id.store, segmentName(first))
}

// readNewest gives the number in the file "newest", 0 if there is no such file: the process that created
// the directory may have been killed before it wrote one.
func readNewest(dir string, id identity) (uint64, error) {
	text, err := readSealed(dir, newestName)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	_, name, _ := strings.Cut(text, "segment: ")
	first, err := strconv.ParseUint(strings.TrimSuffix(name, "\n"), 10, 64)
	if err != nil || text != newestText(id, first) {
		return 0, id.foreign(newestName)
	}
	return first, nil
}

// foreign says that a small file is whole, and another directory's.
func (id identity) foreign(name string) error {
	return &DamageError{File: name, Expected: "the text of store " + id.store, Found: "it was not written for this directory"}
}

// sealed adds the line with the checksum.
func sealed(text string) []byte {
	return fmt.Appendf(nil, "%schecksum: %08x\n", text, crc32.Checksum([]byte(text), castagnoli))
}

// readSealed reads a small text file and takes off its checksum.
func readSealed(dir, name string) (string, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSealedBytes))
	if err != nil {
		return "", err
	}
	text, _, isSealed := strings.Cut(string(data), "\nchecksum: ")
	text += "\n"
	whole := string(sealed(text))
	switch {
	case whole == string(data):
		return text, nil
	case len(data) == 0:
		return "", &DamageError{File: name, Expected: "a text with its checksum behind it", Found: "the file is empty"}
	case !isSealed:
		return "", &DamageError{File: name, Offset: int64(len(data)), Expected: "a last line with the checksum of the others", Found: "the file ends, so it is damaged"}
	}
	end := int64(len(text))
	return "", &DamageError{
		File: name, Offset: end, Expected: fmt.Sprintf("%q as the last line", whole[end:]),
		Found: fmt.Sprintf("it reads %.40q, so it or what stands before it is damaged", string(data[end:])),
	}
}
