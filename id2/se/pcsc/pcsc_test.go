package pcsc

import (
	"bytes"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2/se"
)

// answers are what a daemon made up by a test says, one for each message; it
// hangs up after the last.
type answers [][]byte

// listen plays the daemon for one connection and returns its socket.
func (a answers) listen(t *testing.T) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for _, answer := range a {
			var header [8]byte
			if _, err := io.ReadFull(conn, header[:]); err != nil {
				return
			}
			n := int64(order.Uint32(header[:]))
			if order.Uint32(header[4:]) == cmdTransmit {
				n += int64(len(selectCommand))
			}
			if _, err := io.CopyN(io.Discard, conn, n); err != nil {
				return
			}
			if answer == nil { // it is silent, and waits for the other side to go
				_, _ = io.Copy(io.Discard, conn)
				return
			}
			if _, err := conn.Write(answer); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-done
	})
	return socket
}

var selectCommand = append([]byte{0x00, 0xA4, 0x04, 0x00, byte(len(se.AID))}, se.AID...)

// state is a reader as the daemon describes it.
func state(name string, flags uint32, atr []byte, atrLength uint32) []byte {
	out := make([]byte, nameSize)
	copy(out, name)
	out = append(out, numbers(0, flags, 0)...)
	padded := make([]byte, atrSize+3)
	copy(padded, atr)
	return append(append(out, padded...), numbers(atrLength, 0)...)
}

func states(readers ...[]byte) []byte {
	out := bytes.Join(readers, nil)
	return append(out, make([]byte, maxReaders*readerState-len(out))...)
}

// The answers of a daemon in order.
var (
	agreed      = numbers(4, 4, 0)
	oneReader   = states(state("Reader 0", statePresent, []byte{0x3B, 0}, 2))
	established = numbers(2, 77, 0)
	released    = numbers(99, 0, 0)
	cardAnswer  = append(numbers(99, protocolT1, 16, 19, 0, 0, 2, 0), 0x90, 0x00)
)

func connected(card, protocol, result uint32) []byte {
	return append(make([]byte, 4+nameSize), numbers(shareExclusive, 3, card, protocol, result)...)
}

func TestSession(t *testing.T) {
	socket := answers{agreed, oneReader, established, connected(99, protocolT1, 0), cardAnswer, released}.listen(t)
	applet, err := se.Open(Driver{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	if err := applet.Close(); err != nil {
		t.Error(err)
	}
}

// What a daemon may say instead of what it should.
func TestBadDaemons(t *testing.T) {
	refused := func(code Code) []byte { return connected(0, 0, uint32(code)) }
	long := append(numbers(99, 1, 16, 19, 0, 0, 259, 0), make([]byte, 259)...)
	endless := append(numbers(99, 1, 16, 19, 0, 0, 0xFFFFFFFF, 0), make([]byte, 100)...)
	for name, c := range map[string]struct {
		answers
		want error
	}{
		"it hangs up at once":        {nil, ErrNoDaemon},
		"half a version":             {answers{agreed[:8]}, ErrNoDaemon},
		"another version":            {answers{numbers(3, 0, uint32(ServiceStopped))}, ErrProtocol},
		"a version of the future":    {answers{numbers(4, 6, uint32(ServiceStopped))}, ErrProtocol},
		"a version it takes back":    {answers{numbers(4, 5, uint32(ServiceStopped)), numbers(4, 5, uint32(ServiceStopped))}, ErrProtocol},
		"no reader":                  {answers{agreed, states()}, ErrNoReader},
		"a name without an end":      {answers{agreed, bytes.Repeat([]byte{'x'}, maxReaders*readerState)}, ErrProtocol},
		"no context":                 {answers{agreed, oneReader, numbers(2, 0, 0x80100006)}, Code(0x80100006)},
		"no card":                    {answers{agreed, oneReader, established, refused(NoCard)}, NoCard},
		"another program's card":     {answers{agreed, oneReader, established, refused(SharingViolation)}, SharingViolation},
		"a card that is upside down": {answers{agreed, oneReader, established, refused(UnresponsiveCard)}, UnresponsiveCard},
		"it hangs up in the middle":  {answers{agreed, oneReader, established, connected(99, 2, 0)}, ErrNoDaemon},
		"too long an answer":         {answers{agreed, oneReader, established, connected(99, 2, 0), long}, ErrProtocol},
		"an endless answer":          {answers{agreed, oneReader, established, connected(99, 2, 0), endless}, ErrProtocol},
		"half an answer":             {answers{agreed, oneReader, established, connected(99, 2, 0), cardAnswer[:33]}, ErrNoDaemon},
		"the card is pulled":         {answers{agreed, oneReader, established, connected(99, 2, 0), numbers(99, 2, 16, 19, 0, 0, 0, uint32(RemovedCard)), released}, RemovedCard},
		"silence":                    {answers{agreed, oneReader, established, connected(99, 2, 0), nil}, se.ErrTimeout},
		"silence from the start":     {answers{nil}, se.ErrTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := time.Minute // never reached
			if strings.HasPrefix(name, "silence") {
				timeout = 100 * time.Millisecond
			}
			if _, err := se.Open(Driver{Socket: c.listen(t), Timeout: timeout}); !errors.Is(err, c.want) || !errors.Is(err, se.ErrSession) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// A daemon of a neighbouring version names it and is spoken to in it.
func TestVersions(t *testing.T) {
	for minor := uint32(minMinor); minor <= maxMinor; minor++ {
		a := answers{numbers(4, minor, uint32(ServiceStopped)), numbers(4, minor, 0), oneReader}
		if readers, err := (Driver{Socket: a.listen(t)}).Readers(); err != nil || len(readers) != 1 || readers[0].Name != "Reader 0" || !readers[0].Card {
			t.Errorf("4.%d: %+v, %v", minor, readers, err)
		}
	}
}

func TestReaders(t *testing.T) {
	atr := bytes.Repeat([]byte{0x3B}, atrSize)
	a := answers{agreed, states(
		state("with a card", statePresent, atr, atrSize),
		state("empty", 0, atr, atrSize),
		state("", statePresent, nil, 0), // a place between
		state("a lying length", statePresent, atr, atrSize+1),
		state("no ATR", statePresent, nil, 0))}
	readers, err := (Driver{Socket: a.listen(t)}).Readers()
	if err != nil || len(readers) != 4 {
		t.Fatalf("%+v, %v", readers, err)
	}
	for i, want := range []struct {
		card bool
		atr  int
	}{{true, atrSize}, {false, 0}, {true, 0}, {true, 0}} {
		if r := readers[i]; r.Card != want.card || len(r.ATR) != want.atr {
			t.Errorf("%+v", r)
		}
	}
}

func TestChoose(t *testing.T) {
	two := []Reader{{Name: "ACS 00 00"}, {Name: "ACS 00 00 extra"}}
	ready := []Reader{{Name: "ACS 00 00"}, {Name: "ACS 01 00", Card: true}, {Name: "Gemalto 02 00", Card: true}}
	for _, c := range []struct {
		reader  string
		readers []Reader
		want    string
		err     error
	}{
		{"", nil, "", ErrNoReader},
		{"", two[:1], "ACS 00 00", nil},
		{"", two, "", NoCard},
		{"ACS 00 00", two, "ACS 00 00", nil},
		{"extra", two, "ACS 00 00 extra", nil},
		{"ACS", two, "", NoCard},
		{"ACS", ready, "ACS 01 00", nil},
		{"", ready, "", ErrNoReader},
		{"Gemalto", ready, "Gemalto 02 00", nil},
		{"acs", ready, "", ErrNoReader},
	} {
		if got, err := (Driver{Reader: c.reader}).choose(c.readers); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q of %+v: %q, %v", c.reader, c.readers, got, err)
		}
	}
}

func TestT0(t *testing.T) {
	for _, c := range []struct{ command, want string }{
		{"\x80\xF8\x00\x00", "\x80\xF8\x00\x00\x00"},
		{"\x80\xF8\x00\x00\x00", "\x80\xF8\x00\x00\x00"},
		{"\x00\xC0\x00\x00\x03", "\x00\xC0\x00\x00\x03"},
		{"\x80\xF6\x00\x01\x02ab", "\x80\xF6\x00\x01\x02ab"},
		{"\x80\xF6\x00\x01\x02ab\x00", "\x80\xF6\x00\x01\x02ab"},
		{"", ""},
	} {
		in := []byte(c.command)
		if got := tpdu(in); string(got) != c.want || string(in) != c.command {
			t.Errorf("%X: %X", c.command, got)
		}
	}
}

func TestNoDaemon(t *testing.T) {
	t.Setenv("PCSCLITE_CSOCK_NAME", filepath.Join(t.TempDir(), "nobody"))
	if _, err := (Driver{}).Readers(); !errors.Is(err, ErrNoDaemon) {
		t.Error(err)
	}
	if _, err := (Driver{}).Open(); !errors.Is(err, ErrNoDaemon) {
		t.Error(err)
	}
}

func TestCodes(t *testing.T) {
	if text := NoCard.Error(); text != "pcsc: no card in the reader (8010000C)" {
		t.Error(text)
	}
	if text := Code(7).Error(); text != "pcsc: PC/SC failed (00000007)" {
		t.Error(text)
	}
}

// script is a connection on which the daemon has said everything already.
type script struct {
	net.Conn
	r *bytes.Reader
}

func (s script) Read(b []byte) (int, error)  { return s.r.Read(b) }
func (s script) Write(b []byte) (int, error) { return len(b), nil }
func (script) SetDeadline(time.Time) error   { return nil }
func (script) Close() error                  { return nil }

// Whatever a daemon says, every step ends, with an error or within bounds.
func FuzzDaemon(f *testing.F) {
	f.Add(agreed, oneReader[:readerState], established, connected(99, protocolT1, 0), cardAnswer)
	f.Add(append(numbers(4, 5, 1), agreed...), oneReader[:readerState], established, connected(99, protocolT0, 0), cardAnswer)
	f.Fuzz(func(t *testing.T, version, reader, context, card, answer []byte) {
		said := bytes.Join([][]byte{version, states(reader[:min(len(reader), readerState)]), context, card, answer}, nil)
		c := &conn{socket: script{r: bytes.NewReader(said)}}
		if c.agree() != nil {
			return
		}
		s, err := Driver{}.open(c)
		if err != nil {
			return
		}
		got, err := s.Transmit(selectCommand)
		if err == nil && len(got) > se.MaxResponseData+2 {
			t.Fatalf("an answer of %d bytes", len(got))
		}
		_ = s.Close()
		if c.broken != nil {
			if _, err := s.Transmit(selectCommand); err == nil {
				t.Fatal("a broken connection goes on")
			}
		}
	})
}
