package faultproxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// maxMessage bounds a message, so that a mistake in reading shows as one.
const maxMessage = 64 << 20

// readMessage reads one message with its type and length.
func readMessage(r *bufio.Reader) ([]byte, error) {
	head, err := r.Peek(5)
	if err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n < 4 || n > maxMessage {
		return nil, errors.New("not a message of PostgreSQL's protocol")
	}
	m := make([]byte, 1+n)
	_, err = io.ReadFull(r, m)
	return m, err
}

// Codes that stand in place of a version in a session's first message.
const (
	cancelCode = 80877102
	sslCode    = 80877103
	gssCode    = 80877104
)

// requestReader reads what a client sends, request by request.
type requestReader struct {
	in       *bufio.Reader
	refuse   io.Writer // answers offers of encryption
	started  bool
	prepared map[string]string // texts by name
}

func newRequestReader(client io.ReadWriter) *requestReader {
	return &requestReader{in: bufio.NewReader(client), refuse: client, prepared: make(map[string]string)}
}

// next returns the next request and its bytes.
func (r *requestReader) next() (Request, []byte, error) {
	if !r.started {
		r.started = true
		return r.startup()
	}
	var raw []byte
	var texts []string
	kind := Other
	for {
		m, err := readMessage(r.in)
		if err != nil {
			return Request{}, nil, err
		}
		raw = append(raw, m...)
		if text, k := r.note(m); k != Other {
			kind = max(kind, k)
			texts = append(texts, text)
		}
		switch m[0] {
		case 'P', 'B', 'D', 'E', 'C':
		default: // Sync, Query and all that is a request of its own
			return Request{Kind: kind, SQL: strings.Join(texts, "; ")}, raw, nil
		}
	}
}

// note keeps what a message prepares and returns the text that it is about.
func (r *requestReader) note(m []byte) (text string, kind Kind) {
	first, rest, _ := bytes.Cut(m[5:], []byte{0})
	second, _, _ := bytes.Cut(rest, []byte{0})
	switch m[0] {
	case 'Q':
		return string(first), Run
	case 'P': // name, text
		r.prepared[string(first)] = string(second)
		return string(second), Prepare
	case 'B': // portal, name
		return r.prepared[string(second)], Run
	}
	return "", Other
}

// startup reads a session's first message, after refusing to encrypt.
func (r *requestReader) startup() (Request, []byte, error) {
	for {
		var head [8]byte
		if _, err := io.ReadFull(r.in, head[:]); err != nil {
			return Request{}, nil, err
		}
		n, code := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:])
		if code == sslCode || code == gssCode {
			if _, err := r.refuse.Write([]byte{'N'}); err != nil {
				return Request{}, nil, err
			}
			continue
		}
		if n < 8 || n > maxMessage {
			return Request{}, nil, errors.New("not a first message of PostgreSQL's protocol")
		}
		raw := make([]byte, n)
		copy(raw, head[:])
		_, err := io.ReadFull(r.in, raw[8:])
		if code == cancelCode {
			return Request{Kind: cancel}, raw, err
		}
		return Request{Kind: Startup}, raw, err
	}
}

// errorMessage is a server's refusal.
func errorMessage(severity, code string) []byte {
	var fields []byte
	for _, f := range []string{"S" + severity, "V" + severity, "C" + code, "Mthe test wants it so"} {
		fields = append(append(fields, f...), 0)
	}
	fields = append(fields, 0)
	return append(binary.BigEndian.AppendUint32([]byte{'E'}, uint32(4+len(fields))), fields...)
}
