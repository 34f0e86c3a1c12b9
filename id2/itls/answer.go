package itls

import "io"

// AppendAnswer appends the record that gives a device its provision data (id2
// §4.3), of at most [MaxProvisionData] bytes. The extension stands directly
// behind the version: the vendor's client takes no other form.
func AppendAnswer(out, provisionData []byte) []byte {
	return append(out, seal(handshakeVerify, appendExtension(nil, extProvisionData, provisionData))...)
}

// AppendAlert appends the record that refuses a device.
func AppendAlert(out []byte, a Alert) []byte {
	return append(out, recordAlert, versionHigh, versionLow, 0, alertLength, alertFatal, byte(a))
}

// ReadAnswer reads one record and returns the provision data in it. The error is
// an [Alert] if the server refused, wraps [ErrMalformed], or is one of r.
func ReadAnswer(r io.Reader) ([]byte, error) {
	kind, content, err := readRecord(r, handshakeHeader+2+extensionHeader+MaxProvisionData)
	if err != nil {
		return nil, err
	}
	if kind == recordAlert {
		if len(content) != alertLength {
			return nil, malformed("an alert of %d bytes", len(content))
		}
		return nil, Alert(content[1])
	}
	f, err := handshake(content, handshakeVerify)
	if err != nil {
		return nil, err
	}
	ext, data := f.number(2), f.vector(2)
	if !f.end() || ext != extProvisionData || len(data) == 0 {
		return nil, malformed("it does not hold one extension %04x", extProvisionData)
	}
	return data, nil
}
