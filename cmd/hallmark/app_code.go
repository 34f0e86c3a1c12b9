package main

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // pictures of codes
	_ "image/jpeg" // likewise
	_ "image/png"  // likewise
	"io"
	"os"
	"strings"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// Bounds of a picture: of the file, and of what is decoded from it.
const (
	maxPicture = 4 << 20
	maxPixels  = 4096 * 4096
)

// readCode returns the text of a QR code: of a picture, or text itself.
func (e *Env) readCode(code string) (string, error) {
	if code != "-" {
		if _, err := os.Stat(code); err != nil {
			return code, nil // no file: the text itself
		}
	}
	file, err := e.open(code)
	if err != nil {
		return "", err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxPicture+1))
	if err != nil {
		return "", err
	}
	if len(data) > maxPicture {
		return "", fmt.Errorf("%s is too large to be a picture of a code", code)
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(data))
	if errors.Is(err, image.ErrFormat) {
		return strings.TrimSpace(string(data)), nil
	}
	if err != nil || config.Width*config.Height > maxPixels {
		return "", fmt.Errorf("%s is not a picture that can be read", code)
	}
	return decodePicture(code, data)
}

func decodePicture(name string, data []byte) (string, error) {
	picture, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	bits, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	hints := map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true}
	found, err := qrcode.NewQRCodeReader().Decode(bits, hints)
	if err != nil {
		return "", withHint(fmt.Errorf("%s shows no QR code", name), "the picture should hold the whole code with its white margin")
	}
	return found.GetText(), nil
}
