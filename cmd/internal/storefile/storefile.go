package storefile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"github.com/raftnode/raft/raft"
)

// Name is the file's name in the data directory.
const Name = "stores.json"

// Member is a member's data directory, and the newest start on it that is known.
type Member struct {
	Store string `json:"store"`
	Start uint64 `json:"start"`
	Mark  uint32 `json:"mark"` // random, of that start
}

// content is the file. Its checksum is that of the same text with an empty one.
type content struct {
	Store    string                   `json:"store"` // the store of the node that the file belongs to
	Members  map[raft.ServerID]Member `json:"members"`
	Checksum string                   `json:"checksum"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (c content) text() []byte {
	if c.Members == nil {
		c.Members = map[raft.ServerID]Member{}
	}
	c.Checksum = ""
	text := c.marshal()
	c.Checksum = fmt.Sprintf("%08x", crc32.Checksum(text, castagnoli))
	return c.marshal()
}

func (c content) marshal() []byte {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		panic("storefile: a plain struct is no JSON: " + err.Error())
	}
	return append(text, '\n')
}

// Read gives what is remembered in dir, whose store is store. Without the file the error is fs.ErrNotExist.
func Read(dir, store string) (map[raft.ServerID]Member, error) {
	text, err := os.ReadFile(filepath.Join(dir, Name))
	if err != nil {
		return nil, err
	}
	var c content
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("the file %s is damaged: %w", Name, err)
	}
	if !bytes.Equal(c.text(), text) {
		return nil, fmt.Errorf("the file %s is damaged: it is not as this program writes it, or its checksum is not right", Name)
	}
	if c.Store != store {
		return nil, fmt.Errorf("the file %s is not of this directory: it was written for store %s, and this is store %s", Name, c.Store, store)
	}
	for id, m := range c.Members {
		if id == "" || m.Store == "" || m.Start == 0 {
			return nil, fmt.Errorf("the file %s is damaged: its entry for %q is not whole", Name, id)
		}
	}
	return c.Members, nil
}

// Write makes members what is remembered in dir: a crash leaves the old file or the new one, durably.
func Write(dir, store string, members map[raft.ServerID]Member) error {
	path := filepath.Join(dir, Name)
	if err := writeSynced(path+".tmp", content{Store: store, Members: members}.text()); err != nil {
		return err
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func writeSynced(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
