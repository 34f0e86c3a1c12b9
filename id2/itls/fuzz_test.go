package itls

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// What is read is built again to the same meaning, and never takes more than the
// limits.
func FuzzReadHello(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.hello)
	}
	f.Add([]byte{22, 3, 3, 0xFF, 0xFF})
	f.Fuzz(func(t *testing.T, record []byte) {
		r := bytes.NewReader(record)
		h, err := ReadHello(r)
		if read := len(record) - r.Len(); read > recordHeader+MaxHello {
			t.Fatalf("%d bytes were read", read)
		}
		if err != nil {
			checkRefusal(t, err, ErrMalformed, ErrNotProvisioning, ErrProductKey)
			return
		}
		built, err := h.Bytes()
		if err != nil {
			t.Fatalf("%+v cannot be built: %v", h, err)
		}
		again, err := ReadHello(bytes.NewReader(built))
		if err != nil || again.Random != h.Random || again.ProductKey != h.ProductKey || !bytes.Equal(again.AuthCode, h.AuthCode) {
			t.Fatalf("%+v, then %+v, %v", h, again, err)
		}
	})
}

// An answer that is read is the only spelling of its meaning.
func FuzzReadAnswer(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.reply)
	}
	f.Fuzz(func(t *testing.T, record []byte) {
		r := bytes.NewReader(record)
		data, err := ReadAnswer(r)
		record = bytes.Clone(record[:len(record)-r.Len()])
		var alert Alert
		switch {
		case err == nil && !bytes.Equal(AppendAnswer(nil, data), record):
			t.Fatalf("%x and %x mean the same", AppendAnswer(nil, data), record)
		case errors.As(err, &alert):
			record[5] = alertFatal // the level does not matter
			if !bytes.Equal(AppendAlert(nil, alert), record) {
				t.Fatalf("%x is %v", record, alert)
			}
		case err != nil:
			checkRefusal(t, err, ErrMalformed)
		}
	})
}

func checkRefusal(t *testing.T, err error, known ...error) {
	t.Helper()
	for _, k := range append(known, io.EOF, io.ErrUnexpectedEOF) {
		if errors.Is(err, k) {
			return
		}
	}
	t.Fatalf("an unknown error: %v", err)
}
