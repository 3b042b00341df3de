package wal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/raftnode/raft/raft/consensus"
)

// A snapshot is a file of its own: a head, and the data in blocks, each with a checksum.
const (
	snapshotMagic      = "raftsnap"
	snapshotFixedBytes = 8 + 4 + 8 + 8 + 8 + 2 + 4
	blockBytes         = 64 << 10 // of data; the last block may be shorter
	// maxSnapshotConfigBytes is more than any configuration has.
	maxSnapshotConfigBytes = 1 << 20
)

// fileSum is what a marker knows of a snapshot file.
type fileSum struct {
	bytes    uint64
	checksum uint32 // of all the checksums in the file
}

func (f *fileSum) add(checksum []byte) {
	f.checksum = crc32.Update(f.checksum, castagnoli, checksum)
}

func snapshotName(p consensus.Position) string {
	return fmt.Sprintf("snapshot-%020d-%020d", p.Index, p.Term)
}

func isSnapshotName(name string) bool {
	digits, ok := strings.CutPrefix(name, "snapshot-")
	return ok && len(digits) == 41 && digits[20] == '-' && strings.Trim(digits[:20]+digits[21:], "0123456789") == ""
}

// snapshotHead is all of a snapshot file before its data.
func snapshotHead(id identity, salt salt, s *consensus.Snapshot) []byte {
	config := s.Config.Encode()
	b := append(make([]byte, 0, snapshotFixedBytes+len(id.store)+len(config)+checksumBytes), snapshotMagic...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.Index))
	b = binary.LittleEndian.AppendUint64(b, uint64(s.Term))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(s.Data)))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(id.store)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(config)))
	b = append(append(b, id.store...), config...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)^uint32(salt))
}

// blockSum is the checksum of block n. It depends on the head's checksum, so that no block passes for one
// of another place or another snapshot.
func (s salt) blockSum(head []byte, n uint32, block []byte) uint32 {
	var place [checksumBytes + 4]byte
	copy(place[:], head[len(head)-checksumBytes:])
	binary.LittleEndian.PutUint32(place[checksumBytes:], n)
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, block) ^ uint32(s)
}

// encodeSnapshot hands the bytes of a snapshot file to write, in pieces that are not kept.
func encodeSnapshot(id identity, salt salt, s *consensus.Snapshot, write func([]byte) error) (fileSum, error) {
	head := snapshotHead(id, salt, s)
	var sum fileSum
	sum.add(head[len(head)-checksumBytes:])
	sum.bytes = uint64(len(head))
	if err := write(head); err != nil {
		return sum, err
	}
	const atOnce = 16
	buf := make([]byte, 0, atOnce*(blockBytes+checksumBytes))
	data := s.Data
	for n := uint32(0); len(data) > 0; n++ {
		block := data[:min(len(data), blockBytes)]
		data = data[len(block):]
		buf = append(buf, block...)
		buf = binary.LittleEndian.AppendUint32(buf, salt.blockSum(head, n, block))
		sum.add(buf[len(buf)-checksumBytes:])
		if len(data) > 0 && (n+1)%atOnce > 0 {
			continue
		}
		sum.bytes += uint64(len(buf))
		if err := write(buf); err != nil {
			return sum, err
		}
		buf = buf[:0]
	}
	return sum, nil
}

// snapshotReader reads a snapshot file of a known size. It allocates no more than that.
type snapshotReader struct {
	id     identity
	salt   salt
	r      *bufio.Reader
	size   uint64
	offset uint64 // of what is being checked
	sum    fileSum
}

func newSnapshotReader(id identity, r io.Reader, size uint64) *snapshotReader {
	return &snapshotReader{id: id, salt: id.salt(), r: bufio.NewReaderSize(r, 256<<10), size: size}
}

// read gives the snapshot, without its data unless keep is set; offset is then where it is wrong.
func (r *snapshotReader) read(keep bool) (*consensus.Snapshot, error) {
	head, dataBytes, err := r.head()
	if err != nil {
		return nil, err
	}
	s, err := r.parseHead(head)
	if err != nil {
		return nil, err
	}
	r.sum.add(head[len(head)-checksumBytes:])
	r.offset = uint64(len(head))
	blocks := (dataBytes + blockBytes - 1) / blockBytes
	if rest := r.size - r.offset; dataBytes > rest || dataBytes+blocks*checksumBytes != rest {
		return nil, fmt.Errorf("%d bytes follow the head, which says that there are %d bytes of data, in blocks", rest, dataBytes)
	}
	if err := r.blocks(s, head, dataBytes, keep); err != nil {
		return nil, err
	}
	r.sum.bytes = r.size
	return s, nil
}

// head reads the head, whole, and the length of the data in it. Nothing of it is checked yet but its own length.
func (r *snapshotReader) head() (head []byte, dataBytes uint64, err error) {
	fixed := make([]byte, snapshotFixedBytes)
	if _, err := io.ReadFull(r.r, fixed); err != nil {
		return nil, 0, r.short(err)
	}
	store, config := binary.LittleEndian.Uint16(fixed[36:]), binary.LittleEndian.Uint32(fixed[38:])
	rest := uint64(store) + uint64(config) + checksumBytes
	if config > maxSnapshotConfigBytes || rest > r.size-snapshotFixedBytes {
		return nil, 0, errors.New("the head is longer than it can be: it is damaged, or no snapshot")
	}
	head = append(make([]byte, 0, snapshotFixedBytes+rest), fixed...)[:snapshotFixedBytes+rest]
	if _, err := io.ReadFull(r.r, head[snapshotFixedBytes:]); err != nil {
		return nil, 0, r.short(err)
	}
	return head, binary.LittleEndian.Uint64(fixed[28:]), nil
}

func (r *snapshotReader) short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends too early")
	}
	return err
}

// parseHead checks the head, and gives the snapshot that it announces.
func (r *snapshotReader) parseHead(head []byte) (*consensus.Snapshot, error) {
	body, sum := head[:len(head)-checksumBytes], binary.LittleEndian.Uint32(head[len(head)-checksumBytes:])
	store := int(binary.LittleEndian.Uint16(head[36:]))
	name := string(head[snapshotFixedBytes : snapshotFixedBytes+store])
	switch format := binary.LittleEndian.Uint32(head[8:]); {
	case string(head[:8]) != snapshotMagic:
		return nil, errors.New("it does not begin as a snapshot does")
	case crc32.Checksum(body, castagnoli)^uint32(r.salt) == sum:
	case name != r.id.store && len(name) == len(r.id.store):
		return nil, fmt.Errorf("the checksum of the head is wrong, and it names store %.64q: it belongs to another directory, or is damaged", name)
	default:
		return nil, fmt.Errorf("the checksum of the head is wrong (format %d)", format)
	}
	if format := binary.LittleEndian.Uint32(head[8:]); format != formatVersion || name != r.id.store {
		return nil, fmt.Errorf("a head of format %d and store %.64q whose checksum is right: this program did not write it", format, name)
	}
	config, err := consensus.DecodeConfiguration(body[snapshotFixedBytes+store:])
	if err != nil {
		return nil, fmt.Errorf("the configuration in the head: %w", err)
	}
	position := consensus.Position{Index: consensus.Index(binary.LittleEndian.Uint64(head[12:])), Term: consensus.Term(binary.LittleEndian.Uint64(head[20:]))}
	return &consensus.Snapshot{Position: position, Config: config}, nil
}

// blocks reads and checks the data.
func (r *snapshotReader) blocks(s *consensus.Snapshot, head []byte, dataBytes uint64, keep bool) error {
	scratch := make([]byte, min(dataBytes, blockBytes))
	if keep {
		s.Data = make([]byte, dataBytes)
	}
	var sum [checksumBytes]byte
	for n, from := uint32(0), uint64(0); from < dataBytes; n++ {
		block := scratch[:min(dataBytes-from, blockBytes)]
		if keep {
			block = s.Data[from : from+uint64(len(block))]
		}
		if _, err := io.ReadFull(r.r, block); err != nil {
			return r.short(err)
		}
		if _, err := io.ReadFull(r.r, sum[:]); err != nil {
			return r.short(err)
		}
		if binary.LittleEndian.Uint32(sum[:]) != r.salt.blockSum(head, n, block) {
			return fmt.Errorf("the checksum of the block of %d bytes is wrong", len(block))
		}
		r.sum.add(sum[:])
		r.offset += uint64(len(block)) + checksumBytes
		from += uint64(len(block))
	}
	return nil
}

// readSnapshot reads and checks the file that m speaks of.
func readSnapshot(dir string, id identity, m *marker, keep bool) (*consensus.Snapshot, error) {
	name := snapshotName(m.Position)
	r, s, err := openSnapshot(filepath.Join(dir, name), id, keep)
	switch wrong := (*fs.PathError)(nil); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, missing(name, "the log says that it counts, and that what it replaces may be gone")
	case errors.As(err, &wrong) || err != nil && r == nil:
		return nil, fmt.Errorf("snapshot file %s: %w", name, err)
	case err != nil && r.offset > 0:
		return nil, &DamageError{File: name, Offset: int64(r.offset), Expected: "a block of data and its checksum", Found: err.Error()}
	case err != nil:
		return nil, &DamageError{File: name, Expected: "the head of a snapshot of store " + id.store, Found: err.Error()}
	case r.sum != m.file || s.Position != m.Position:
		return nil, &DamageError{File: name, Expected: "the snapshot that the log speaks of", Found: "it is another, and whole"}
	}
	return s, nil
}

func openSnapshot(path string, id identity, keep bool) (*snapshotReader, *consensus.Snapshot, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("it is no file")
	}
	r := newSnapshotReader(id, f, uint64(info.Size()))
	s, err := r.read(keep)
	return r, s, err
}
