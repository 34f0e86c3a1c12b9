package httpd

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/openapi"
)

// dump reads every row of every table of the database file, through a
// connection of its own that cannot write.
func dump(t testing.TB, path string) map[string][]string {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tables := column(t, db, `SELECT name FROM sqlite_schema WHERE type = 'table'`)
	if len(tables) < 8 {
		t.Fatalf("tables %v", tables)
	}
	out := make(map[string][]string)
	for _, table := range tables {
		names := column(t, db, `SELECT name FROM pragma_table_info('`+table+`')`)
		cells := make([]string, len(names))
		for i, name := range names {
			cells[i] = "'" + name + "=' || coalesce(quote(" + name + "), '')"
		}
		out[table] = column(t, db, "SELECT "+strings.Join(cells, " || ' ' || ")+" FROM "+table+" ORDER BY 1")
	}
	return out
}

func column(t testing.TB, db *sql.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return out
}

// background runs what writes behind the requests; the function it returns
// ends that, with everything written.
func (f *fixture) background() (finish func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.authn.Run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// settle makes a request and waits until the use of the client is written,
// which happens once a minute of a clock that stands still.
func (f *fixture) settle() {
	f.t.Helper()
	f.do(unknownDevice()).wantCode(f.t, "settle", 18)
	for {
		clients, err := f.reg.Clients(context.Background(), f.org)
		f.must(err)
		if slices.ContainsFunc(clients, func(c registry.Client) bool { return c.ID == f.client.ID && c.LastUsed != 0 }) {
			return
		}
		runtime.Gosched()
	}
}

// barrage sends malformed requests of every kind. None of them is a refusal of
// an existing device that is worth a note.
func (f *fixture) barrage(d *testDevice) {
	f.t.Helper()
	good := d.verifyParams(d.timeCode())
	values := []string{"", "-", "x", "~", "~~~~", "\x00", "\n", "'; DROP TABLE devices; --", "%00", "１", "\u202e", long(1000), strings.Repeat("A", 24)}
	for _, act := range actions {
		for _, p := range []string{"ApiVersion", "ProductSource", "Id2", "AuthCode", "DeviceAuthCode"} {
			for _, v := range values {
				bad := with(with(d.mutualParams("1~2~zz"), "AuthCode", "1~2~zz"), p, v)
				if p == "Id2" || act.name != "GetServerRandom" {
					f.do(call{action: act.name, params: bad})
				}
			}
		}
		for _, v := range values {
			f.do(call{action: act.name, params: with(good, "Id2", v)})
		}
	}
	f.stranger(good)
	for _, body := range []string{"", "{", "Action=Verify", "%", long(70_000), "a=b&a=c"} {
		for _, ct := range []string{"", "text/plain", "application/json", "application/x-www-form-urlencoded"} {
			for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodGet} {
				f.send(f.http(method, "Action=Verify&Version=2017-07-07", body, http.Header{"Content-Type": {ct}}))
			}
		}
	}
}

// stranger sends good requests that lack the right to be heard.
func (f *fixture) stranger(good []openapi.Param) {
	f.t.Helper()
	c := call{action: "Verify", params: good}
	c.credential = openapi.NewCredential(f.client.ID, "guess")
	f.do(c)
	c.credential = openapi.NewCredential("LTAInobody", f.secret)
	f.do(c)
	c.credential, c.nonce = f.credential, "nonce-1" // the one of settle is another
	f.do(call{action: "GetServerRandom", params: params("ApiVersion", "0"), nonce: c.nonce})
	f.do(c)
	c.nonce, c.at = "", f.clock.Now().Add(-1<<40)
	f.do(c)
	c.at, c.version = f.clock.Now(), "1999-01-01"
	f.do(c)
	c.version, c.action = "", "OtpGetId3"
	f.do(c)
}

// Bad input leaves no trace: whatever is sent, the store holds what it held.
func TestBadInputLeavesNoTrace(t *testing.T) {
	f := newFixture(t, nil)
	d := f.device(f.product(f.org, id2.AES128, nil))
	f.verifies(d)
	f.settle()
	finish := f.background()
	finish() // writes the success above
	before := dump(t, f.database())
	finish = f.background()
	f.barrage(d)
	finish()
	if diff := cmp.Diff(before, dump(t, f.database())); diff != "" {
		t.Errorf("the store changed:\n%s", diff)
	}
	live := f.journal.Live()
	f.verifies(d)
	if f.journal.Live() != live+1 || live != 1 {
		t.Errorf("%d records in the journal", live)
	}
}

// Refusals that concern an existing device are noted in the audit record, once
// a minute for each device and code, and nowhere else.
func TestRefusalsAreNotedInTheAuditRecordOnly(t *testing.T) {
	w := newCodeWorld(t)
	w.settle()
	finish := w.background()
	finish()
	before := dump(t, w.database())
	finish = w.background()
	for range 2 {
		for _, cases := range [][]codeCase{parameterCases, stateCases, authCodeCases} {
			for _, c := range cases {
				if c.code != 200 {
					w.do(call{action: c.action, params: c.params(w)})
				}
			}
		}
	}
	finish()
	after := dump(t, w.database())
	notes := after["audit"][:0:0]
	for _, row := range after["audit"] {
		if !slices.Contains(before["audit"], row) {
			notes = append(notes, row)
		}
	}
	codes := make(map[string]int)
	for _, note := range notes {
		if !strings.Contains(note, "action='device.refused'") {
			t.Errorf("not a refusal: %s", note)
		}
		_, rest, _ := strings.Cut(note, `"code":`)
		code, _, _ := strings.Cut(rest, ",")
		codes[code]++
	}
	want := map[string]int{"12": 1, "16": 2, "21": 1, "35": 1, "45": 1, "46": 1, "50": 1}
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Errorf("refusals noted by code:\n%s\n%s", diff, strings.Join(notes, "\n"))
	}
	delete(before, "audit")
	delete(after, "audit")
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("more than the audit record changed:\n%s", diff)
	}
}

// Logs and the audit record show no secret, however much is logged: no key, no
// code, no signature, and nothing of what is encrypted or signed with it.
func TestNothingSecretIsLogged(t *testing.T) {
	f := newFixture(t, func(s *settings) { s.access = true })
	d := f.device(f.product(f.org, id2.AES128, nil))
	cold := f.device(d.product) // stays out of the cache until the store is closed
	secrets := []string{f.secret, fmt.Sprintf("%x", d.key.Bytes()), base64.StdEncoding.EncodeToString(d.key.Bytes())}
	send := func(c call) *answer {
		r := f.request(c)
		if s := r.URL.Query().Get("Signature"); s != "" {
			secrets = append(secrets, s, url.QueryEscape(s))
		}
		return f.send(r)
	}
	marks := []string{"DATA-0DDBA11", "EXTRA-C0FFEE", "SERVER-DEC0DE", "CHALLENGE-FACADE"}
	for _, good := range []bool{true, false} {
		for _, act := range actions {
			code := d.code(id2.TimestampExtra, d.stamp(0), "EXTRA-C0FFEE")
			if !good {
				code = d.code(id2.TimestampExtra, d.stamp(-3600_000_000_000), "EXTRA-C0FFEE")
			}
			secrets = append(secrets, code, code[strings.LastIndex(code, "~")+1:])
			p := params("ApiVersion", apiVersion, "Id2", d.id, "AuthCode", code, "DeviceAuthCode", code, "ProductKey", d.product.Key, "Data", marks[0],
				"Extra", marks[1], "DeviceExtra", marks[1], "ServerExtra", marks[2], "DeviceChallenge", marks[3])
			a := send(call{action: act.name, params: p})
			for _, name := range []string{"Data", "Data.EncryptData", "Data.ServerAuthCode"} {
				if v := a.text[name]; len(v) > 4 {
					secrets = append(secrets, v)
				}
			}
			send(call{action: act.name, params: p, credential: openapi.NewCredential(f.client.ID, "guess")})
		}
	}
	finish := f.background()
	finish()
	f.must(f.store.Close())
	failing := cold.code(id2.TimestampExtra, cold.stamp(0), marks[1])
	secrets = append(secrets, failing)
	send(call{action: "Verify", params: with(cold.verifyParams(failing), "Extra", marks[1])}).wantCode(t, "closed store", 700)
	f.server.Close()
	log := f.log.String()
	if n := strings.Count(log, "msg=id2 "); n < 8 || !strings.Contains(log, "SignatureDoesNotMatch") || !strings.Contains(log, "level=ERROR") {
		t.Fatalf("the log is not what this test needs, %d lines of access:\n%s", n, log)
	}
	f.findsNone(log, append(secrets, marks...))
}

// findsNone looks for secrets, and for their parts, in the log and in every
// file beside the database.
func (f *fixture) findsNone(log string, secrets []string) {
	f.t.Helper()
	files, err := filepath.Glob(filepath.Join(f.dir, "*"))
	f.must(err)
	texts := map[string]string{"log": log}
	for _, name := range files {
		if text, err := os.ReadFile(name); err == nil {
			texts[name] = string(text)
		}
	}
	for name, text := range texts {
		for _, s := range secrets {
			raw, err := hex.DecodeString(s)
			if strings.Contains(text, s) || err == nil && strings.Contains(text, string(raw)) {
				f.t.Errorf("%s shows %q", name, s)
			}
		}
	}
}

// Callers who go away while their request is being served are nobody's fault,
// and no error of the server's.
func TestCallerGone(t *testing.T) {
	f := newFixture(t, nil)
	d := f.device(f.product(f.org, id2.AES128, nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	gone := func() string {
		w := newSink()
		r := f.request(call{action: "Verify", params: d.verifyParams(d.timeCode())})
		r.RemoteAddr = "192.0.2.1:1"
		f.handler.ServeHTTP(w, r.WithContext(ctx))
		return w.body.String()
	}
	if body := gone(); !strings.Contains(body, "ServiceUnavailable") {
		t.Errorf("with nothing in the cache: %s", body)
	}
	f.settle() // now the client is in the cache, the device is not
	if body := gone(); !strings.Contains(body, `"Code":54`) {
		t.Errorf("with the client in the cache: %s", body)
	}
	if strings.Contains(f.log.String(), "level=ERROR") {
		t.Errorf("an error was logged: %s", f.log.String())
	}
	f.verifies(d)
}

// sink takes an answer.
type sink struct {
	header http.Header
	status int
	body   strings.Builder
}

func newSink() *sink { return &sink{header: make(http.Header)} }

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(status int)      { s.status = status }
func (s *sink) Write(b []byte) (int, error) { return s.body.Write(b) }

var _ io.Writer = (*sink)(nil)
