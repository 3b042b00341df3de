package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/raftnode/raft/kv/api"
	"github.com/raftnode/raft/kv/command"
)

// Protocol is the token of the header Upgrade: the name and the version.
const Protocol = "raftkv/1"

// Kind is what a request asks for.
type Kind uint8

// The kinds of requests.
const (
	Write    Kind = 1
	Get      Kind = 2
	StaleGet Kind = 3
)

// AnswerKind is what an answer says.
type AnswerKind uint8

// The kinds of answers.
const (
	Written AnswerKind = 1
	Value   AnswerKind = 2
	Problem AnswerKind = 3
	Leader  AnswerKind = 4
	Goodbye AnswerKind = 5
)

// The sizes of frames. A length counts what follows it.
const (
	lengthBytes  = 4
	requestHead  = 8 + 1 + 4
	answerHead   = 8 + 1 + 8 + 8
	versionBytes = 8

	// MaxFrame bounds every length: the largest value, in a command with the largest key and client id, has room.
	MaxFrame = api.MaxValueBytes + 4096
)

// Error is a frame that breaks a rule.
type Error struct{ Reason string }

// Error says which rule.
func (e *Error) Error() string { return e.Reason }

func broken(format string, args ...any) error { return &Error{Reason: fmt.Sprintf(format, args...)} }

// Request is one request. Its Body is a piece of the frame.
type Request struct {
	ID      uint64
	Kind    Kind
	Timeout time.Duration
	Body    []byte
}

// AppendWrite adds the request of a write.
func AppendWrite(b []byte, id uint64, timeout time.Duration, write *command.Command) []byte {
	at := len(b)
	return finish(write.AppendTo(appendRequest(b, id, Write, timeout)), at)
}

// AppendGet adds the request of a read.
func AppendGet(b []byte, id uint64, kind Kind, timeout time.Duration, key string) []byte {
	at := len(b)
	return finish(append(appendRequest(b, id, kind, timeout), key...), at)
}

func appendRequest(b []byte, id uint64, kind Kind, timeout time.Duration) []byte {
	b = append(b, 0, 0, 0, 0) // the length, once it is known
	b = binary.LittleEndian.AppendUint64(b, id)
	b = append(b, byte(kind))
	return binary.LittleEndian.AppendUint32(b, inMillis(timeout))
}

// inMillis rounds up, so that what is left of a timeout is not nothing.
func inMillis(d time.Duration) uint32 {
	return uint32(min(max((d+time.Millisecond-1)/time.Millisecond, 0), math.MaxUint32))
}

// finish fills in the length of the frame that begins there.
func finish(b []byte, at int) []byte {
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-lengthBytes))
	return b
}

// ParseRequest takes a frame apart, without its length.
func ParseRequest(frame []byte) (Request, error) {
	if len(frame) < requestHead {
		return Request{}, broken("a request of %d bytes, and its head alone has %d", len(frame), requestHead)
	}
	return Request{
		ID:      binary.LittleEndian.Uint64(frame),
		Kind:    Kind(frame[8]),
		Timeout: time.Duration(binary.LittleEndian.Uint32(frame[9:])) * time.Millisecond,
		Body:    frame[requestHead:],
	}, nil
}

// Answer is one answer. Its Data and Detail are pieces of the frame.
type Answer struct {
	ID          uint64
	Kind        AnswerKind
	Index, Term uint64

	Version uint64 // of a Value
	Data    []byte // of a Value; of Leader the address

	Outcome api.Outcome // of a Problem and a Goodbye, as the two that follow
	Code    api.Code
	Detail  []byte
}

func appendAnswer(b []byte, rest int, id uint64, kind AnswerKind, index, term uint64) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(answerHead+rest))
	b = binary.LittleEndian.AppendUint64(b, id)
	b = append(b, byte(kind))
	b = binary.LittleEndian.AppendUint64(b, index)
	return binary.LittleEndian.AppendUint64(b, term)
}

// AppendWritten adds the answer to a write that was done.
func AppendWritten(b []byte, id, index, term uint64) []byte {
	return appendAnswer(b, 0, id, Written, index, term)
}

// AppendValueHead adds the answer to a read but for the value itself, of that size, which must follow.
func AppendValueHead(b []byte, id, index, term, version uint64, size int) []byte {
	return binary.LittleEndian.AppendUint64(appendAnswer(b, versionBytes+size, id, Value, index, term), version)
}

// maxDetail bounds the words of a problem.
const maxDetail = 4096

// AppendProblem adds the answer to a request that failed; as Goodbye the last word of a server.
func AppendProblem(b []byte, kind AnswerKind, id, index, term uint64, problem *api.Problem) []byte {
	code, detail := problem.Code, problem.Detail
	detail = detail[:min(len(detail), maxDetail)]
	b = appendAnswer(b, 2+len(code)+len(detail), id, kind, index, term)
	outcome := byte(2)
	if problem.Outcome == api.Rejected {
		outcome = 1
	}
	b = append(b, outcome, byte(len(code)))
	b = append(b, code...)
	return append(b, detail...)
}

// AppendLeader tells where the leader serves clients.
func AppendLeader(b []byte, address string) []byte {
	return append(appendAnswer(b, len(address), 0, Leader, 0, 0), address...)
}

// ParseAnswer takes a frame apart, without its length.
func ParseAnswer(frame []byte) (Answer, error) {
	if len(frame) < answerHead {
		return Answer{}, broken("an answer of %d bytes, and its head alone has %d", len(frame), answerHead)
	}
	a := Answer{
		ID:    binary.LittleEndian.Uint64(frame),
		Kind:  AnswerKind(frame[8]),
		Index: binary.LittleEndian.Uint64(frame[9:]),
		Term:  binary.LittleEndian.Uint64(frame[17:]),
	}
	body := frame[answerHead:]
	switch a.Kind {
	case Written:
		if len(body) > 0 {
			return Answer{}, broken("the answer to a write is followed by %d bytes", len(body))
		}
	case Value:
		if len(body) < versionBytes {
			return Answer{}, broken("a value without its version")
		}
		a.Version, a.Data = binary.LittleEndian.Uint64(body), body[versionBytes:]
	case Problem, Goodbye:
		return a, a.parseProblem(body)
	case Leader:
		a.Data = body
	default:
		return Answer{}, broken("an answer of kind %d, which is none", a.Kind)
	}
	return a, nil
}

func (a *Answer) parseProblem(body []byte) error {
	if len(body) < 2 || len(body) < 2+int(body[1]) || body[1] == 0 {
		return broken("a problem of %d bytes, which has no code", len(body))
	}
	a.Outcome = api.Unknown
	if body[0] == 1 {
		a.Outcome = api.Rejected
	}
	n := 2 + int(body[1])
	a.Code, a.Detail = api.Code(body[2:n]), body[n:]
	return nil
}
