package scanlogin

import (
	"fmt"
	"strings"

	qrcode "github.com/skip2/go-qrcode"
)

// QR is a code to scan.
type QR struct{ code *qrcode.QRCode }

// maxPrefix bounds what may stand before an authId: a longer text makes a code
// that phones read badly.
const maxPrefix = 256

// CheckPrefix reports whether text can stand before the authId in a code.
func CheckPrefix(prefix string) error {
	if len(prefix) > maxPrefix || strings.ContainsFunc(prefix, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("a QR prefix has at most %d printable ASCII characters, such as https://login.example/scan?authId=", maxPrefix)
	}
	return nil
}

// NewQR returns the code of a text: an authId, or a prefix with one (ciss §6).
func NewQR(text string) (QR, error) {
	code, err := qrcode.New(text, qrcode.Medium)
	return QR{code}, err
}

// PNG returns a picture of about size pixels a side.
func (q QR) PNG(size int) ([]byte, error) { return q.code.PNG(size) }

// Terminal returns the code in half blocks, for a dark or a light terminal.
func (q QR) Terminal(light bool) string { return q.code.ToSmallString(light) }

// SVG returns a picture without a size of its own, dark on light whatever the
// page's colours: phones read it best so.
func (q QR) SVG() []byte {
	bits := q.code.Bitmap()
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[1]d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%[1]dv%[1]dH0z"/><path d="`, len(bits))
	for y, row := range bits {
		for x := 0; x < len(row); x++ {
			run := x
			for run < len(row) && row[run] {
				run++
			}
			if run > x {
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", x, y, run-x, run-x)
				x = run
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return []byte(b.String())
}
