package httpd

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"testing"
	"unicode"

	"github.com/hallmark-id/hallmark/openapi"
)

func publicPEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// answer is an answer of the door, of either format.
type answer struct {
	status  int
	xml     bool
	root    string            // of XML
	members map[string]any    // of JSON, with native types
	text    map[string]string // every scalar as text; members of Data as "Data.Name"
	body    []byte
}

// requestIDForm is the form of the vendor's RequestId: an upper-case UUID.
var requestIDForm = regexp.MustCompile(`^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`)

// readAnswer parses an answer and checks what holds for all of them: one of the
// two exact content types, a body of that type, names in PascalCase, and the
// request id in the header and in the body.
func readAnswer(t testing.TB, status int, h http.Header, body []byte) *answer {
	t.Helper()
	a := &answer{status: status, text: make(map[string]string), body: body}
	switch ct := h.Get("Content-Type"); ct {
	case "application/json;charset=utf-8":
		if err := a.readJSON(); err != nil {
			t.Fatalf("unreadable JSON: %v\n%q", err, body)
		}
	case "text/xml;charset=utf-8":
		a.xml = true
		if err := a.readXML(); err != nil {
			t.Fatalf("unreadable XML: %v\n%q", err, body)
		}
	default:
		t.Fatalf("content type %q with %q", ct, body)
	}
	id2Codes.Add(a.text["Code"])
	id := h["X-Acs-Request-Id"]
	if len(id) != 1 || !requestIDForm.MatchString(id[0]) || a.text["RequestId"] != id[0] {
		t.Errorf("request id %q in the header, %q in the body", id, a.text["RequestId"])
	}
	for name := range a.text {
		if !unicode.IsUpper(rune(name[0])) {
			t.Errorf("member %q is not in PascalCase", name)
		}
	}
	return a
}

func (a *answer) readJSON() error {
	if bytes.Contains(a.body, []byte(`\u`)) {
		return fmt.Errorf("an escape that old clients misread")
	}
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.UseNumber()
	if err := dec.Decode(&a.members); err != nil {
		return err
	}
	if dec.More() {
		return fmt.Errorf("something follows the object")
	}
	for name, v := range a.members {
		if fields, ok := v.(map[string]any); ok {
			for field, value := range fields {
				a.text[name+"."+field] = fmt.Sprint(value)
			}
			continue
		}
		a.text[name] = fmt.Sprint(v)
	}
	return nil
}

func (a *answer) readXML() error {
	type element struct {
		XMLName  xml.Name
		Text     string    `xml:",chardata"`
		Children []element `xml:",any"`
	}
	var root element
	if err := xml.Unmarshal(a.body, &root); err != nil {
		return err
	}
	a.root = root.XMLName.Local
	for _, child := range root.Children {
		for _, field := range child.Children {
			a.text[child.XMLName.Local+"."+field.XMLName.Local] = field.Text
		}
		if len(child.Children) == 0 {
			a.text[child.XMLName.Local] = child.Text
		}
	}
	return nil
}

func (a *answer) has(name string) bool {
	_, ok := a.text[name]
	return ok
}

// wantCode checks a business answer: HTTP 200 whatever the code, and on failure
// a message and no data.
func (a *answer) wantCode(t testing.TB, what string, code int) {
	t.Helper()
	if a.status != http.StatusOK || a.text["Code"] != strconv.Itoa(code) || a.text["Success"] != strconv.FormatBool(code == openapi.CodeOK) {
		t.Errorf("%s: want code %d, got HTTP %d %s", what, code, a.status, a.body)
		return
	}
	if code == openapi.CodeOK {
		if a.has("Message") {
			t.Errorf("%s: a message on success: %s", what, a.body)
		}
		return
	}
	if !a.has("Message") || a.text["Message"] == "" {
		t.Errorf("%s: no message: %s", what, a.body)
	}
	if bytes.Contains(a.body, []byte("Data\"")) || bytes.Contains(a.body, []byte("<Data")) {
		t.Errorf("%s: data on failure: %s", what, a.body)
	}
}

// wantError checks a gateway error, whose members are all text.
func (a *answer) wantError(t testing.TB, what string, status int, code string) {
	t.Helper()
	if a.status != status || a.text["Code"] != code {
		t.Errorf("%s: want HTTP %d %s, got HTTP %d %s", what, status, code, a.status, a.body)
	}
	if a.text["Message"] == "" || !a.has("HostId") || a.has("Success") {
		t.Errorf("%s: not the envelope of an error: %s", what, a.body)
	}
	if a.xml && a.root != "Error" {
		t.Errorf("%s: root element %s", what, a.root)
	}
	for name, v := range a.members {
		if _, ok := v.(string); !ok {
			t.Errorf("%s: %s is %T, and clients crash on what is not text", what, name, v)
		}
	}
}

// wantGateway is wantError for one of the fixed refusals.
func (a *answer) wantGateway(t testing.TB, what string, e *openapi.Error) {
	t.Helper()
	a.wantError(t, what, e.Status, e.Code)
	if a.text["Message"] != e.Message {
		t.Errorf("%s: message %q, want %q", what, a.text["Message"], e.Message)
	}
}
