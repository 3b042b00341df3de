package rpc

import (
	"encoding/json"

	"github.com/raftnode/raft/raft/consensus"
)

// jsonCodec writes each message as a JSON object, with bytes in base64. It is
// slow and long, and can be read off the wire by a person.
type jsonCodec struct{}

func (jsonCodec) Name() string { return "json" }

func (jsonCodec) Append(dst []byte, m consensus.Message) ([]byte, error) {
	w, err := toWire(m)
	if err != nil {
		return dst, err
	}
	text, err := json.Marshal(w)
	if err != nil {
		return dst, err
	}
	return append(dst, text...), nil
}

func (c jsonCodec) Decode(kind Kind, payload []byte) (consensus.Message, error) {
	m, _, err := decodeCanonical(c, kind, payload, nil, func(w wire) error {
		return json.Unmarshal(payload, w)
	})
	return m, err
}
