package itls

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// vector is an exchange of the vendor's client 3.1.0.
type vector struct {
	Reply       string `json:"reply"`
	HelloHex    string `json:"hello_hex"`
	ReplyHex    string `json:"reply_hex"`
	Provisioned bool   `json:"provisioned"`
	ID          string `json:"id"`
	hello       []byte
	reply       []byte
}

func vectors(t testing.TB) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/itls.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []vector `json:"itls_provisioning"`
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Vectors) < 4 {
		t.Fatalf("%d vectors, %v", len(file.Vectors), err)
	}
	for i := range file.Vectors {
		v := &file.Vectors[i]
		v.hello, v.reply = unhex(t, v.HelloHex), unhex(t, v.ReplyHex)
	}
	return file.Vectors
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The vendor's bytes are read, and built again to the byte.
func TestVectors(t *testing.T) {
	for _, v := range vectors(t) {
		h, err := ReadHello(bytes.NewReader(v.hello))
		if err != nil || h.ProductKey != "pk-demo-0001" || len(h.AuthCode) != 100 {
			t.Fatalf("%s: %q, %d bytes of code, %v", v.Reply, h.ProductKey, len(h.AuthCode), err)
		}
		if again, err := h.Bytes(); err != nil || !bytes.Equal(again, v.hello) {
			t.Errorf("%s: %v\n%x\n%x", v.Reply, err, again, v.hello)
		}
		data, err := ReadAnswer(bytes.NewReader(v.reply))
		var alert Alert
		switch {
		case v.Provisioned:
			if err != nil || len(data) != 89 || string(data[1:25]) != v.ID || !bytes.Equal(AppendAnswer(nil, data), v.reply) {
				t.Errorf("%s: %x, %v", v.Reply, data, err)
			}
		case !errors.As(err, &alert) || !bytes.Equal(AppendAlert(nil, alert), v.reply):
			t.Errorf("%s: %v", v.Reply, err)
		}
	}
}

func TestExchange(t *testing.T) {
	v := vectors(t)[0]
	h, err := ReadHello(bytes.NewReader(v.hello))
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vectors(t) {
		device, server := net.Pipe()
		go func() {
			if got, err := ReadHello(iotest.OneByteReader(server)); err != nil || got.ProductKey != h.ProductKey {
				t.Errorf("%+v, %v", got, err)
			}
			_, _ = server.Write(v.reply)
			_ = server.Close()
		}()
		data, err := Exchange(device, h)
		if v.Provisioned != (err == nil) || v.Provisioned != (len(data) == 89) {
			t.Errorf("%s: %x, %v", v.Reply, data, err)
		}
		_ = device.Close()
	}
	device, server := net.Pipe()
	_ = server.Close()
	if _, err := Exchange(device, h); err == nil {
		t.Error("an exchange with nobody succeeds")
	}
	if _, err := Exchange(device, Hello{}); !errors.Is(err, ErrMalformed) {
		t.Errorf("an empty hello: %v", err)
	}
}

// message is a hello in parts, to be put together wrongly.
type message struct {
	record, handshake []byte // headers without their lengths
	version           []byte
	session           []byte
	suites            []byte
	compression       []byte
	extensions        []byte
	trailer           []byte
}

func (m message) bytes() []byte {
	body := append(slices.Clone(m.version), make([]byte, 32)...)
	body = append(append(body, byte(len(m.session))), m.session...)
	body = appendVector(body, m.suites)
	body = append(append(body, byte(len(m.compression))), m.compression...)
	body = append(appendVector(body, m.extensions), m.trailer...)
	out := binary.BigEndian.AppendUint16(slices.Clone(m.record), uint16(len(body)+4))
	out = append(out, m.handshake...)
	return append(binary.BigEndian.AppendUint16(out, uint16(len(body))), body...)
}

func ext(kind uint16, data string) string { return string(appendExtension(nil, kind, []byte(data))) }

func TestReadHelloRefuses(t *testing.T) {
	key, code := ext(extProductKey, "a1b2c3"), ext(extAuthCode, "code")
	id := ext(extID, "\x00\x10\x00\x10"+strings.Repeat("F", 24))
	known := ext(extID, "\x00\x10\x00\x10"+"00A1B2C3D4E5F60718293A00")
	good := func(extensions string) message {
		return message{record: []byte{22, 3, 3}, handshake: []byte{1, 0}, version: []byte{3, 3}, suites: suites,
			compression: []byte{0}, extensions: []byte(extensions)}
	}
	for name, c := range map[string]struct {
		message
		want error
	}{
		"as it should be":      {good(key + id + code), nil},
		"another order":        {good(code + id + key), nil},
		"unknown extensions":   {good(ext(0, "") + key + ext(0xFFFF, "xyz") + id + code), nil},
		"a session id":         {change(good(key+id+code), func(m *message) { m.session = make([]byte, 32) }), nil},
		"longest product key":  {good(ext(extProductKey, strings.Repeat("k", 64)) + id + code), nil},
		"longest code":         {good(key + id + ext(extAuthCode, strings.Repeat("c", 256))), nil},
		"a known id":           {good(key + known + code), ErrNotProvisioning},
		"no product key":       {good(id + code), ErrProductKey},
		"empty product key":    {good(ext(extProductKey, "") + id + code), ErrProductKey},
		"too long product key": {good(ext(extProductKey, strings.Repeat("k", 65)) + id + code), ErrProductKey},
		"a NUL in it":          {good(ext(extProductKey, "a1\x00") + id + code), ErrProductKey},
		"other characters":     {good(ext(extProductKey, "a1é") + id + code), ErrProductKey},
		"no UTF-8":             {good(ext(extProductKey, "a1\xff") + id + code), ErrProductKey},
		"no extension":         {good(""), ErrMalformed},
		"no id":                {good(key + code), ErrMalformed},
		"a short id":           {good(key + ext(extID, "FFF") + code), ErrMalformed},
		"no code":              {good(key + id), ErrMalformed},
		"empty code":           {good(key + id + ext(extAuthCode, "")), ErrMalformed},
		"too long code":        {good(key + id + ext(extAuthCode, strings.Repeat("c", 257))), ErrMalformed},
		"product key twice":    {good(key + key + id + code), ErrMalformed},
		"unknown twice":        {good(key + id + code + ext(7, "") + ext(7, "x")), ErrMalformed},
		"an extension cut off": {good(key + id + code + "\x00"), ErrMalformed},
		"an extension's end":   {good(key + id + code + "\x00\x09\x00\x05abcd"), ErrMalformed},
		"something after it":   {change(good(key+id+code), func(m *message) { m.trailer = []byte{0} }), ErrMalformed},
		"too long a session":   {change(good(key+id+code), func(m *message) { m.session = make([]byte, 33) }), ErrMalformed},
		"no suites":            {change(good(key+id+code), func(m *message) { m.suites = nil }), ErrMalformed},
		"half a suite":         {change(good(key+id+code), func(m *message) { m.suites = []byte{1} }), ErrMalformed},
		"compression only":     {change(good(key+id+code), func(m *message) { m.compression = []byte{1} }), ErrMalformed},
		"no compression":       {change(good(key+id+code), func(m *message) { m.compression = nil }), ErrMalformed},
		"TLS 1.0":              {change(good(key+id+code), func(m *message) { m.version[1] = 1 }), ErrMalformed},
		"a record of TLS 1.0":  {change(good(key+id+code), func(m *message) { m.record[2] = 1 }), ErrMalformed},
		"an alert":             {change(good(key+id+code), func(m *message) { m.record[0] = 21 }), ErrMalformed},
		"application data":     {change(good(key+id+code), func(m *message) { m.record[0] = 23 }), ErrMalformed},
		"a server's hello":     {change(good(key+id+code), func(m *message) { m.handshake[0] = 2 }), ErrMalformed},
		"a huge length":        {change(good(key+id+code), func(m *message) { m.handshake[1] = 1 }), ErrMalformed},
	} {
		if h, err := ReadHello(bytes.NewReader(c.bytes())); !errors.Is(err, c.want) {
			t.Errorf("%s: %+v, %v, want %v", name, h, err, c.want)
		}
	}
}

func change(m message, by func(*message)) message {
	by(&m)
	return m
}

// Whatever is cut off is missed, and what comes after a record stays unread.
func TestReadHelloTakesOneRecord(t *testing.T) {
	whole := vectors(t)[0].hello
	for n := range whole {
		want := io.ErrUnexpectedEOF
		if n == 0 {
			want = io.EOF
		}
		if _, err := ReadHello(bytes.NewReader(whole[:n])); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	r := bytes.NewReader(append(slices.Clone(whole), "rest"...))
	if _, err := ReadHello(r); err != nil || r.Len() != 4 {
		t.Errorf("%d bytes are left, %v", r.Len(), err)
	}
	// A length past the limit is refused before anything is read for it.
	r = bytes.NewReader(append([]byte{22, 3, 3, 0xFF, 0xFF}, whole...))
	if _, err := ReadHello(r); !errors.Is(err, ErrMalformed) || r.Len() != len(whole) {
		t.Errorf("%d bytes are left, %v", r.Len(), err)
	}
}

func TestReadAnswerRefuses(t *testing.T) {
	good := vectors(t)[0].reply
	withList := slices.Insert(slices.Clone(good), 11, 0, 93) // a list's length, as TLS would have
	binary.BigEndian.PutUint16(withList[3:], uint16(len(withList)-5))
	withList[8] += 2
	for name, record := range map[string][]byte{
		"a list's length":       withList,
		"another extension":     replaced(good, 12, 0x10),
		"a client's hello":      vectors(t)[0].hello,
		"an alert of one byte":  {21, 3, 3, 0, 1, 2},
		"an alert of three":     {21, 3, 3, 0, 3, 2, 160, 0},
		"nothing in it":         {22, 3, 3, 0, 0},
		"no provision data":     AppendAnswer(nil, nil),
		"too much of it":        AppendAnswer(nil, make([]byte, MaxProvisionData+1)),
		"another version":       replaced(good, 10, 1),
		"another record's type": replaced(good, 0, 20),
	} {
		if data, err := ReadAnswer(bytes.NewReader(record)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %x, %v", name, data, err)
		}
	}
	for n := range good {
		if data, err := ReadAnswer(bytes.NewReader(good[:n])); err == nil {
			t.Errorf("%d bytes: %x", n, data)
		}
	}
	if data, err := ReadAnswer(bytes.NewReader(AppendAnswer(nil, make([]byte, MaxProvisionData)))); err != nil || len(data) != MaxProvisionData {
		t.Errorf("the longest: %d bytes, %v", len(data), err)
	}
}

func replaced(b []byte, at int, value byte) []byte {
	b = slices.Clone(b)
	b[at] = value
	return b
}

func TestHelloBytesRefuses(t *testing.T) {
	for name, h := range map[string]Hello{
		"no product key":       {AuthCode: []byte{1}},
		"too long product key": {ProductKey: strings.Repeat("k", 65), AuthCode: []byte{1}},
		"no code":              {ProductKey: "k"},
		"too long code":        {ProductKey: "k", AuthCode: make([]byte, 257)},
	} {
		if b, err := h.Bytes(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %x, %v", name, b, err)
		}
	}
}

func TestAlerts(t *testing.T) {
	all := Alerts()
	if len(all) != 19 || all[0] != 160 || all[18] != AlertKeyType || AlertKeyType != 178 {
		t.Errorf("%v", all)
	}
	for _, a := range all {
		got, err := ReadAnswer(bytes.NewReader(AppendAlert(nil, a)))
		if !errors.Is(err, a) || got != nil || a.Message() == Alert(0).Message() || !strings.Contains(err.Error(), a.Message()) {
			t.Errorf("%d: %v, %v", a, got, err)
		}
	}
	if text := Alert(40).Error(); text != "itls: the server refuses: unknown alert (alert 40)" {
		t.Error(text)
	}
}
