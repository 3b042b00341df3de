package main

import (
	"fmt"
	"strings"

	"github.com/raftnode/raft/kv"
	"github.com/raftnode/raft/raft/consensus"
)

// entryInWords says what is in an entry. What is no configuration and no command of the store is shown as it is.
func entryInWords(e consensus.Entry) string {
	switch e.Kind {
	case consensus.EntryConfiguration:
		if config, err := consensus.DecodeConfiguration(e.Data); err == nil {
			return "members " + config.String()
		}
	case consensus.EntryCommand:
		if command, err := kv.Decode(e.Data); err == nil {
			return commandInWords(command)
		}
	}
	return logExcerpt(e.Data)
}

func commandInWords(c kv.Command) string {
	var text strings.Builder
	text.WriteString(map[kv.Op]string{kv.Put: "put ", kv.Append: "append ", kv.Delete: "del "}[c.Op])
	text.WriteString(logExcerpt([]byte(c.Key)))
	if c.Op != kv.Delete {
		text.WriteString(" " + logExcerpt(c.Value))
	}
	switch c.If.Kind {
	case kv.IfVersion:
		fmt.Fprintf(&text, " if its version is %d", c.If.Version)
	case kv.IfExists:
		text.WriteString(" if it is there")
	case kv.IfAbsent:
		text.WriteString(" if it is not there")
	}
	if c.Client != "" {
		fmt.Fprintf(&text, ", number %d of client %s", c.Seq, c.Client)
	}
	return text.String()
}
