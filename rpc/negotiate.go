package rpc

import (
	"encoding/binary"

	"github.com/raftnode/raft/raft/consensus"
)

// negotiating is the first version in which the acceptor chooses the codec, and features and limits are told.
const negotiating = 3

// packageFeatures are the bits of features that are not the host's but this package's.
const packageFeatures = 0xffff << 48

// featureReadIndex: this server knows ReadIndex and ReadIndexReply. One that does not ends a connection that brings them.
const featureReadIndex = 1 << 48

// carries tells whether the peer knows that kind.
func (a *agreement) carries(kind Kind) bool {
	return kind != KindReadIndex && kind != KindReadIndexReply || a.features&featureReadIndex != 0
}

// Carries tells whether the peer at the other end takes messages such as m now: that the link is up, for those that not every version knows.
func (l *Link) Carries(m consensus.Message) bool {
	now := agreement{features: l.features.Load()}
	return now.carries(KindOf(m))
}

// agreement is what a link uses on its connection.
type agreement struct {
	version  byte
	codec    Codec
	maxFrame int    // the largest payload that both ends allow
	features uint64 // those that both ends have
}

// version gives the highest common one, or 0.
func (h *hello) version() byte {
	if v := min(h.highest, highestVersion); v >= max(h.lowest, lowestVersion) {
		return v
	}
	return 0
}

// joinCodecs gives the field for all codecs that are known here, the first one first: as many as it holds.
func joinCodecs(first string) string {
	field := string(append([]byte{byte(len(first))}, first...))
	for _, name := range Codecs() {
		if name != first && len(field)+1+len(name) <= maxCodecs {
			field += string(append([]byte{byte(len(name))}, name...))
		}
	}
	return field
}

// offered gives the codecs that the dialer can write.
func (h *hello) offered() (names []string) {
	if h.codecs == "" {
		return []string{h.codec}
	}
	for rest := h.codecs; rest != ""; {
		n := min(int(rest[0]), len(rest)-1)
		names, rest = append(names, rest[1:1+n]), rest[1+n:]
	}
	return names
}

// choose gives the codec that the dialer likes best of those known here, or "".
func (h *hello) choose() string {
	for _, name := range h.offered() {
		if lookup(name) != nil {
			return name
		}
	}
	return ""
}

// agree puts into an answer what the acceptor chose and what it allows.
func (a *answer) agree(cfg *Config, h *hello) {
	if a.version = h.version(); a.version == 0 {
		a.version = highestVersion // it is refused, and learns of this one
	}
	if a.version >= negotiating {
		a.codec, a.features, a.maxFrame = h.choose(), cfg.Features, uint64(cfg.MaxFrameBytes)
	}
}

// agree takes in what the acceptor chose. A server of version 2 takes what the dialer likes best.
func (l *Link) agree(a *answer) {
	l.agreed = agreement{version: a.version, codec: l.codec, maxFrame: l.cfg.MaxFrameBytes, features: a.features & l.cfg.Features}
	if a.version >= negotiating {
		l.agreed.codec = lookup(a.codec)
		l.agreed.maxFrame = int(min(uint64(l.cfg.MaxFrameBytes), a.maxFrame))
	}
}

// Features gives the features that this server and that one have in common: those that may be used in what is sent to it. It is 0 while the link to it is
// down, since a server that comes back may be an earlier program.
func (t *Transport) Features(id consensus.ServerID) uint64 {
	if l := t.roster.find(id); l != nil {
		return l.features.Load()
	}
	return 0
}

func number(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// parseNumber is the inverse of number. A block of an earlier version does not have the field.
func parseNumber(field string, version byte) (uint64, error) {
	switch {
	case version < negotiating && field == "":
		return 0, nil
	case len(field) == maxNumber:
		return binary.BigEndian.Uint64([]byte(field)), nil
	}
	return 0, violationf("a number of %d bytes in the handshake", len(field))
}
