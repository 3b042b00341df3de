package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/raftnode/raft/raft/consensus"
)

// The handshake is one block each way, before any frame and any codec. Later versions of the protocol may add
// fields behind the last one and change nothing else: so servers of any two versions can tell each other why they do not
// talk. Version 1 ended with store, version 2 with incarnation.
//
//	hello, from the dialer:     magic | lowest version  | highest version | fields: cluster, sender, receiver, codec, advertise, store, address, incarnation,
//	                            codecs, features, membership
//	answer, from the acceptor:  magic | 1 accept, 0 not | version chosen  | fields: cluster, server, reason, store, incarnation,
//	                            codec, features, largest frame
//
// where "fields" is u16 length of all fields | for each: u16 length, bytes | codecs is, for each, u8 length,
// name, the one that the dialer likes best first | features and largest frame are a u64 | and a u32 CRC32C of everything from the magic on ends the block.

// magic begins both blocks. Its first byte is neither ASCII nor the first byte of TLS; the rest
// shows damage by anything that takes the stream for text.
const magic = "\x89raft\r\n\x1a"

// The limits of the fields, in bytes.
const (
	maxName        = 256 // cluster and server
	maxCodecName   = 64
	maxAdvertise   = 1024
	maxReason      = 1024
	maxStore       = 64
	maxAddress     = 512
	maxIncarnation = 1024
	maxCodecs      = 512
	maxNumber      = 8
	maxMembership  = 64
	blockHead      = len(magic) + 2 + 2
	maxBlockBody   = 8 << 10 // that is read; what this version writes is below 4 KiB, all that earlier ones take: later ones have room for more fields
)

var (
	helloLimits  = []int{maxName, maxName, maxName, maxCodecName, maxAdvertise, maxStore, maxAddress, maxIncarnation, maxCodecs, maxNumber, maxMembership}
	answerLimits = []int{maxName, maxName, maxReason, maxStore, maxIncarnation, maxCodecName, maxNumber, maxNumber}
)

// hello is what the dialer says.
type hello struct {
	lowest, highest byte // protocol versions that the dialer speaks
	cluster         string
	sender          consensus.ServerID
	receiver        consensus.ServerID // whom the dialer means to reach
	codec           string
	advertise       string
	store           string // which store the dialer keeps its promises in
	address         string // where the dialer itself can be dialed, or ""
	incarnation     string // which start of the dialer on its store this is
	codecs          string // all that the dialer can write: see joinCodecs; "" from version 2: codec
	features        uint64
	membership      string // what the dialer knows of who is a member; "" from version 2
}

// answer is what the acceptor says.
type answer struct {
	accepted bool
	version  byte
	cluster  string
	server   consensus.ServerID
	reason   string // why not, in words
	store    string // which store the acceptor keeps its promises in

	incarnation string // which start of the acceptor on its store this is
	codec       string // the one of those offered that the dialer is to write; "" from version 2: its first
	features    uint64
	maxFrame    uint64 // the largest payload of a frame that the acceptor takes; 0 from version 2
}

func (h *hello) append(dst []byte) []byte {
	fields := []string{h.cluster, string(h.sender), string(h.receiver), h.codec, h.advertise, h.store, h.address, h.incarnation}
	if h.highest >= negotiating {
		fields = append(fields, h.codecs, number(h.features), h.membership)
	}
	return appendBlock(dst, h.lowest, h.highest, fields...)
}

func (a *answer) append(dst []byte) []byte {
	var accepted byte
	if a.accepted {
		accepted = 1
	}
	reason := a.reason[:min(len(a.reason), maxReason)]
	fields := []string{a.cluster, string(a.server), reason, a.store, a.incarnation}
	if a.version >= negotiating {
		fields = append(fields, a.codec, number(a.features), number(a.maxFrame))
	}
	return appendBlock(dst, accepted, a.version, fields...)
}

func readHello(r io.Reader) (*hello, error) {
	lowest, highest, f, err := readBlock(r, helloLimits)
	if err != nil {
		return nil, err
	}
	h := &hello{
		lowest: lowest, highest: highest, cluster: f[0],
		sender: consensus.ServerID(f[1]), receiver: consensus.ServerID(f[2]), codec: f[3], advertise: f[4], store: f[5], address: f[6], incarnation: f[7],
		codecs: f[8], membership: f[10],
	}
	h.features, err = parseNumber(f[9], highest)
	return h, err
}

func readAnswer(r io.Reader) (*answer, error) {
	accepted, version, f, err := readBlock(r, answerLimits)
	if err != nil {
		return nil, err
	}
	if accepted > 1 {
		return nil, violationf("an answer that is neither yes nor no: %d", accepted)
	}
	answer := &answer{
		accepted: accepted == 1, version: version, cluster: f[0],
		server: consensus.ServerID(f[1]), reason: printable(f[2]), store: f[3], incarnation: f[4], codec: f[5],
	}
	if answer.features, err = parseNumber(f[6], version); err != nil {
		return nil, err
	}
	answer.maxFrame, err = parseNumber(f[7], version)
	return answer, err
}

// refusal is why a hello must not be accepted by the server that cfg describes, or "".
func (h *hello) refusal(cfg *Config) string {
	switch {
	case h.version() == 0:
		return fmt.Sprintf("no common protocol version: %d to %d there, %d to %d here: upgrade one release at a time, and all servers before the next",
			h.lowest, h.highest, lowestVersion, highestVersion)
	case cfg.Cluster == "":
		return fmt.Sprintf("server %q waits to learn to which cluster it belongs", cfg.ID)
	case h.asks() && h.receiver == cfg.ID:
		return fmt.Sprintf("it asks for its cluster, with %q: this server belongs to cluster %q", h.cluster[len(question):], cfg.Cluster)
	case h.cluster != cfg.Cluster:
		return fmt.Sprintf("this server belongs to cluster %q, not to %q", cfg.Cluster, h.cluster)
	case h.receiver != cfg.ID:
		return fmt.Sprintf("this is server %q, not %q: check the address that %q has for it", cfg.ID, h.receiver, h.sender)
	case h.sender == cfg.ID:
		return fmt.Sprintf("the caller calls itself %q, which is this server: two servers of one name, or one that dials itself", h.sender)
	case h.choose() == "":
		return fmt.Sprintf("no common codec: %s there, %s here", printable(strings.Join(h.offered(), ", ")), strings.Join(Codecs(), ", "))
	}
	return ""
}

// withheld asks the host whether a server that asks for the cluster may be told it.
func (h *hello) withheld(cfg *Config) error {
	if !h.asks() || h.receiver != cfg.ID || cfg.AdmitEmpty == nil {
		return nil
	}
	if err := cfg.AdmitEmpty(h.sender); err != nil {
		return withheldError{err}
	}
	return nil
}

// introduce asks the host whether a server that is no peer may come in.
func (h *hello) introduce(cfg *Config) error {
	if cfg.Unknown == nil {
		return fmt.Errorf("server %q is not one of the peers of %q", h.sender, cfg.ID)
	}
	if h.address == "" {
		return fmt.Errorf("server %q is not one of the peers of %q, and does not say where to answer it", h.sender, cfg.ID)
	}
	if err := checkPeer(h.sender, h.address); err != nil {
		return err
	}
	return cfg.Unknown(h.sender, h.address, h.store, h.membership)
}

// admit asks the host whether a server may have this store, and be this incarnation.
func (cfg *Config) admit(peer consensus.ServerID, store, incarnation string) error {
	if cfg.Admit == nil {
		return nil
	}
	return cfg.Admit(peer, store, incarnation)
}

// check tells why an accepting answer is not from the server that the dialer meant.
func (a *answer) check(cfg *Config, peer consensus.ServerID) error {
	switch {
	case a.cluster != cfg.Cluster:
		return violationf("the server there belongs to cluster %q, not to %q", a.cluster, cfg.Cluster)
	case a.server != peer:
		return violationf("the server there is %q", a.server)
	case a.version < lowestVersion || a.version > highestVersion:
		return violationf("it chose protocol version %d, which was not offered", a.version)
	case a.version >= negotiating && lookup(a.codec) == nil:
		return violationf("it chose codec %q, which was not offered", a.codec)
	case a.version >= negotiating && a.maxFrame < minFrameBytes:
		return violationf("it takes frames of no more than %d bytes: that is no limit which a server may have", a.maxFrame)
	}
	if err := cfg.admit(peer, a.store, a.incarnation); err != nil {
		return refusedError{err.Error()}
	}
	return nil
}

// appendBlock appends one block of the handshake. The fields keep their limits.
func appendBlock(dst []byte, a, b byte, fields ...string) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = append(dst, a, b, 0, 0)
	for _, f := range fields {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(f)))
		dst = append(dst, f...)
	}
	block := dst[start:]
	binary.BigEndian.PutUint16(block[blockHead-2:], uint16(len(block)-blockHead))
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(block, castagnoli))
}

// readBlock reads one block and not a byte more.
func readBlock(r io.Reader, limits []int) (a, b byte, fields []string, err error) {
	head := make([]byte, blockHead, blockHead+maxBlockBody+4)
	if err := readMagic(r, head[:len(magic)]); err != nil {
		return 0, 0, nil, err
	}
	if _, err := io.ReadFull(r, head[len(magic):]); err != nil {
		return 0, 0, nil, err
	}
	length := int(binary.BigEndian.Uint16(head[blockHead-2:]))
	if length > maxBlockBody {
		return 0, 0, nil, violationf("a handshake of %d bytes is over the limit of %d", length, maxBlockBody)
	}
	block := head[:blockHead+length+4]
	if _, err := io.ReadFull(r, block[blockHead:]); err != nil {
		return 0, 0, nil, err
	}
	sum := block[blockHead+length:]
	block = block[:blockHead+length]
	if crc32.Checksum(block, castagnoli) != binary.BigEndian.Uint32(sum) {
		return 0, 0, nil, violationf("the handshake does not match its checksum")
	}
	a, b = block[len(magic)], block[len(magic)+1]
	fields, err = splitFields(block[blockHead:], limits, b) // b is the version in both blocks
	return a, b, fields, err
}

// splitFields takes a body apart: as many fields as there are limits, and nothing behind them. An earlier version may have fewer
// fields, which leaves the last ones empty, and a later one more.
func splitFields(body []byte, limits []int, version byte) ([]string, error) {
	fields := make([]string, len(limits))
	for i, limit := range limits {
		if len(body) == 0 && version < highestVersion {
			break
		}
		if len(body) < 2 {
			return nil, violationf("the handshake ends before its field %d", i+1)
		}
		n := int(binary.BigEndian.Uint16(body))
		body = body[2:]
		if n > limit {
			return nil, violationf("field %d of the handshake has %d bytes, over the limit of %d", i+1, n, limit)
		}
		if n > len(body) {
			return nil, violationf("field %d of the handshake has %d bytes, but only %d are there", i+1, n, len(body))
		}
		fields[i], body = string(body[:n]), body[n:]
	}
	if len(body) != 0 && version <= highestVersion {
		return nil, violationf("the handshake has %d bytes behind its last field", len(body))
	}
	return fields, nil
}

// readMagic fills buf with the magic. It gives up on the first byte that differs: whoever sent
// that may send nothing more and wait for an answer.
func readMagic(r io.Reader, buf []byte) error {
	for have := 0; have < len(buf); {
		n, err := r.Read(buf[have:])
		have += n
		if !strings.HasPrefix(magic, string(buf[:have])) {
			return notPeer(buf[:have])
		}
		if err != nil && have < len(buf) {
			if have > 0 && errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// strangeError tells what came in place of a handshake.
type strangeError struct {
	what string // "an HTTP request", ...
	http bool
	tls  bool
}

func (e strangeError) Error() string { return e.what + " came in place of a handshake" }

// httpMethods are the beginnings of what an HTTP client sends first; PRI is HTTP/2.
var httpMethods = []string{"GET", "HEA", "POS", "PUT", "DEL", "OPT", "PAT", "CON", "TRA", "PRI"}

// notPeer says what the first bytes of a stranger look like.
func notPeer(first []byte) strangeError {
	if len(first) >= 3 && slices.Contains(httpMethods, string(first[:3])) {
		return strangeError{what: "an HTTP request", http: true}
	}
	switch {
	case bytes.HasPrefix(first, []byte("HTTP/")):
		return strangeError{what: "an HTTP response"}
	case first[0] == 0x16: // the record type of a TLS handshake
		return strangeError{what: "a TLS hello", tls: true}
	}
	return strangeError{what: fmt.Sprintf("garbage (%q)", first)}
}

// printable makes words of the other end safe for a terminal and a log.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}
