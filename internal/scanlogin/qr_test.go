package scanlogin_test

import (
	"bytes"
	"encoding/xml"
	"image/png"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

func TestQRPictures(t *testing.T) {
	q, err := scanlogin.NewQR("https://login.example/scan?authId=5f3c2a9e8b7d4c61a0e1f2d3c4b5a697")
	if err != nil {
		t.Fatal(err)
	}
	text, err := q.PNG(256)
	if err != nil {
		t.Fatal(err)
	}
	if img, err := png.Decode(bytes.NewReader(text)); err != nil || img.Bounds().Dx() != 256 {
		t.Errorf("PNG: %v", err)
	}
	if err := xml.Unmarshal(q.SVG(), new(struct{ XMLName xml.Name })); err != nil || !bytes.Contains(q.SVG(), []byte(`viewBox="0 0 `)) || len(q.SVG()) > 30_000 {
		t.Errorf("SVG of %d bytes: %v", len(q.SVG()), err)
	}
	if lines := strings.Split(q.Terminal(false), "\n"); len(lines) < 15 || q.Terminal(true) == q.Terminal(false) {
		t.Errorf("terminal: %d lines", len(lines))
	}
}

func TestPrefixes(t *testing.T) {
	for prefix, ok := range map[string]bool{"": true, "https://login.example/?authId=": true, "a b": false, "é": false, "\n": false, strings.Repeat("x", 257): false} {
		if err := scanlogin.CheckPrefix(prefix); (err == nil) != ok {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}
