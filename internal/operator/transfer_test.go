package operator_test

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/internal/operator"
)

func TestImportNamesRefusedRowsAndTakesTheRest(t *testing.T) {
	s := newServer(t)
	pk, other := s.product("lamp", "aes128"), s.product("pump", "aes128")
	s.into(s.importCSV(other, "id2,key_hex\n"+id(50)+","+key(50)+"\n"), http.StatusOK, &operator.ImportResult{})
	file := strings.Join([]string{
		"id2,key_hex,device_key,name",
		id(1) + "," + key(1) + ",serial 1,first",
		id(2) + "," + key(2)[:30] + ",,",
		id(3) + "," + strings.Repeat("zz", 16) + ",,",
		"short," + key(4) + ",,",
		id(1) + "," + key(1) + ",serial 1,again",
		id(1) + "," + key(9) + ",,another key",
		id(5) + "," + key(5) + ",serial 1,",
		id(6) + "," + key(6),
		id(50) + "," + key(50) + ",,",
		`"` + id(7) + `,` + key(7) + ",,\nx\"y,,",
		id(8) + "," + key(8) + ",," + strings.Repeat("n", 129),
		id(9) + "," + key(9) + ",,last",
	}, "\n") + "\n"
	var res operator.ImportResult
	s.into(s.importCSV(pk, file), http.StatusOK, &res)
	if res.Imported != 2 || res.Unchanged != 1 || int(res.RefusedTotal) != len(res.Refused) {
		t.Errorf("imported %d, unchanged %d, refused %d of %d; want 2, 1", res.Imported, res.Unchanged, len(res.Refused), res.RefusedTotal)
	}
	want := map[int]string{3: "32 hexadecimal digits", 4: "not hexadecimal", 5: "24 to 48", 7: "another key", 8: "another device",
		9: "wrong number of fields", 10: "another product", 11: "CSV", 13: "128 bytes"}
	for _, r := range res.Refused {
		if want[r.Line] == "" || !strings.Contains(r.Reason, want[r.Line]) {
			t.Errorf("line %d: %s; want %q", r.Line, r.Reason, want[r.Line])
		}
		delete(want, r.Line)
	}
	if len(want) > 0 {
		t.Errorf("not refused: %v", want)
	}
}

func TestImportRefusesBadFiles(t *testing.T) {
	s := newServer(t)
	pk := s.product("lamp", "aes128")
	for name, c := range map[string]struct{ file, part string }{
		"empty":             {"", "header"},
		"no header":         {id(1) + "," + key(1) + "\n", "header line is missing"},
		"unknown column":    {"id2,key_hex,colour\n", `"colour"`},
		"column twice":      {"id2,key_hex,id2\n", "twice"},
		"no key column":     {"id2,name\n", "key_hex"},
		"no id column":      {"key_hex\n", "id2"},
		"bad quote":         {"id2,\"key_hex\n", "header"},
		"not text":          {"\x00\x01\x02", "unknown column"},
		"endless quote":     {"id2,key_hex\n\"" + strings.Repeat("x", 3<<20), "longer than"},
		"binary with lines": {strings.Repeat("\xff\n", 10), "unknown column"},
	} {
		t.Run(name, func(t *testing.T) {
			s.t = t
			s.refused(s.importCSV(pk, c.file), http.StatusBadRequest, "invalid_input", c.part)
		})
	}
	s.t = t
	path := "/api/v1/products/" + pk + "/devices:import"
	s.refused(s.send("POST", path, "application/json", rows(1, 2)), http.StatusUnsupportedMediaType, "unsupported_media_type", "")
	s.refused(s.send("POST", path, "", rows(1, 2)), http.StatusUnsupportedMediaType, "unsupported_media_type", "")
}

// generator makes a CSV file of n devices as it is read.
type generator struct {
	next, end int
	line      []byte
	breakAt   int    // fail before this device, 0 never
	broken    func() // called when it fails
	given     atomic.Int64
}

var errBroken = errors.New("the cable was pulled")

func (g *generator) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		if len(g.line) == 0 {
			if g.breakAt > 0 && g.next == g.breakAt {
				g.broken()
				return n, errBroken
			}
			if g.next > g.end {
				return n, eofAfter(n)
			}
			g.line = g.row()
			g.next++
			g.given.Add(1)
		}
		k := copy(p[n:], g.line)
		n, g.line = n+k, g.line[k:]
	}
	return n, nil
}

func eofAfter(n int) error {
	if n > 0 {
		return nil
	}
	return io.EOF
}

func (g *generator) row() []byte {
	if g.next == 0 {
		return []byte("id2,key_hex\n")
	}
	return fmt.Appendf(nil, "%s,%s\n", id(g.next), key(g.next))
}

// manyDevices is how many the large transfer moves.
var manyDevices = 100_000

// 100 000 devices go in and come out while the heap stays small. The bound is
// generous: the file alone has 6.6 MB, and all devices at once would take 30.
func TestLargeImportAndExportInBoundedMemory(t *testing.T) {
	devices := manyDevices
	s := newServer(t)
	pk := s.product("lamp", "aes128")
	peak := watchHeap(t)
	res, err := s.client().ImportDevices(context.Background(), pk, &generator{end: devices})
	if err != nil || res.Imported != int64(devices) || res.RefusedTotal != 0 {
		t.Fatalf("import: %+v, %v", res, err)
	}
	for _, format := range []string{"csv", "ndjson"} {
		stream, err := s.client().ExportDevices(context.Background(), operator.DeviceQuery{Product: pk}, format)
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for scan := bufio.NewScanner(stream); scan.Scan(); lines++ {
		}
		stream.Close()
		if want := map[string]int{"csv": devices + 1, "ndjson": devices}[format]; lines != want {
			t.Errorf("%s: %d lines, want %d", format, lines, want)
		}
	}
	if grown := peak(); grown > 48<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
}

// watchHeap returns what tells how far the heap has grown at most.
func watchHeap(t *testing.T) func() uint64 {
	var peak atomic.Uint64
	sample := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapInuse > peak.Load() {
			peak.Store(m.HeapInuse)
		}
	}
	runtime.GC()
	sample()
	base := peak.Load()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				sample()
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-done
		return peak.Load() - base
	}
}

// An import that breaks off leaves whole rows behind, and running it again
// completes it.
func TestBrokenImportCanBeRunAgain(t *testing.T) {
	s := newServer(t)
	pk := s.product("lamp", "aes128")
	const devices, broken = 6000, 5000 // more than the registry takes at once
	cut := &generator{end: devices, breakAt: broken, broken: s.waitForDevices}
	if _, err := s.client().ImportDevices(context.Background(), pk, cut); err == nil {
		t.Fatal("the broken upload passed")
	}
	res, err := s.client().ImportDevices(context.Background(), pk, &generator{end: devices})
	if err != nil || res.Imported+res.Unchanged != devices || res.RefusedTotal != 0 {
		t.Fatalf("second run: %+v, %v", res, err)
	}
	if res.Unchanged == 0 {
		t.Error("nothing of the broken import was kept")
	}
	third, err := s.client().ImportDevices(context.Background(), pk, &generator{end: devices})
	if err != nil || third.Unchanged != devices {
		t.Errorf("third run: %+v, %v", third, err)
	}
}

// waitForDevices returns once the first batch of an import is in.
func (s *server) waitForDevices() {
	for range 1000 {
		page, err := s.client().Devices(context.Background(), operator.DeviceQuery{Limit: 1})
		if err != nil || len(page.Devices) > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// When the fault is in the file, the caller is there to hear what is in.
func TestImportSaysHowFarItCame(t *testing.T) {
	s := newServer(t)
	pk := s.product("lamp", "aes128")
	file := rows(1, 3001) + "\"" + strings.Repeat("x", 3<<20)
	a := s.importCSV(pk, file)
	s.refused(a, http.StatusBadRequest, "import_incomplete", "3000 rows imported")
	var body operator.ErrorBody
	s.into(a, http.StatusBadRequest, &body)
	if !strings.Contains(body.Error.Hint, "again") {
		t.Errorf("hint %q", body.Error.Hint)
	}
}

// A source that says nothing more does not hold up a caller who gives up.
func TestImportFromASilentSourceCanBeCancelled(t *testing.T) {
	s := newServer(t)
	pk := s.product("lamp", "aes128")
	for range 20 { // how far the request is when it is cancelled differs
		source, in := io.Pipe()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() {
			_, err := s.client().ImportDevices(ctx, pk, source)
			done <- err
		}()
		if _, err := in.Write([]byte("id2,key_hex\n")); err != nil {
			t.Fatal(err)
		}
		cancel()
		select {
		case err := <-done:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("the import goes on")
		}
		in.Close()
	}
}

// A refusal must arrive although the file behind the request is long.
func TestRefusedUploadIsNotSent(t *testing.T) {
	s := newServer(t)
	for _, c := range []*operator.Client{s.client(), operator.NewClient(operator.ClientOptions{URL: s.url, Token: "wrong"})} {
		g := &generator{end: 10_000_000}
		_, err := c.ImportDevices(context.Background(), "a1nowhere00", g)
		var refused *operator.Error
		if !errors.As(err, &refused) || refused.Status/100 != 4 {
			t.Errorf("error %v", err)
		}
		if n := g.given.Load(); n > 1000 {
			t.Errorf("%d rows were sent for nothing", n)
		}
	}
}

// An ordinary request's time limits do not end a transfer that moves.
func TestTransfersOutliveTheServersTimeouts(t *testing.T) {
	s := newServer(t)
	pk := s.product("lamp", "aes128")
	short := s.withTimeouts(100 * time.Millisecond)
	c := operator.NewClient(operator.ClientOptions{URL: short.URL, Token: token})
	pr, pw := io.Pipe()
	go func() {
		fmt.Fprint(pw, "id2,key_hex\n")
		for n := range 5 {
			time.Sleep(60 * time.Millisecond)
			fmt.Fprintf(pw, "%s,%s\n", id(n), key(n))
		}
		pw.Close()
	}()
	res, err := c.ImportDevices(context.Background(), pk, pr)
	if err != nil || res.Imported != 5 {
		t.Errorf("slow import: %+v, %v", res, err)
	}
	stream, err := c.ExportDevices(context.Background(), operator.DeviceQuery{}, "csv")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	time.Sleep(150 * time.Millisecond)
	if text, err := io.ReadAll(stream); err != nil || strings.Count(string(text), "\n") != 6 {
		t.Errorf("slow export: %q, %v", text, err)
	}
}

func TestExportMatchesList(t *testing.T) {
	s := newServer(t)
	pk := s.product("lamp", "aes128")
	s.into(s.importCSV(pk, "id2,key_hex,device_key,name\n"+id(1)+","+key(1)+",serial 1,\"a, \"\"b\"\"\"\n"+id(2)+","+key(2)+",,\n"), http.StatusOK, &operator.ImportResult{})
	s.post("/api/v1/devices/"+id(2)+"/suspend", "")
	var list operator.DeviceList
	s.into(s.get("/api/v1/devices"), http.StatusOK, &list)

	var fromLines []operator.Device
	dec := json.NewDecoder(strings.NewReader(string(s.get("/api/v1/devices:export?format=ndjson").body)))
	for dec.More() {
		var d operator.Device
		if err := dec.Decode(&d); err != nil {
			t.Fatal(err)
		}
		fromLines = append(fromLines, d)
	}
	if diff := cmp.Diff(list.Devices, fromLines); diff != "" {
		t.Error(diff)
	}
	a := s.get("/api/v1/devices:export?state=unactivated")
	records, err := csv.NewReader(strings.NewReader(string(a.body))).ReadAll()
	if err != nil || len(records) != 2 || records[0][0] != "id2" || records[1][0] != id(1) || records[1][2] != `a, "b"` {
		t.Errorf("csv %q, %v", records, err)
	}
	if a := s.get("/api/v1/devices:export?state=discarded"); strings.Count(string(a.body), "\n") != 1 {
		t.Errorf("an empty export has a header and no more: %q", a.body)
	}
}

// An export that fails half way must not look like a whole one.
func TestBrokenExportIsSeen(t *testing.T) {
	s := newServer(t)
	pk := s.product("lamp", "aes128")
	if _, err := s.client().ImportDevices(context.Background(), pk, &generator{end: 4000}); err != nil {
		t.Fatal(err)
	}
	// A small window, so that the server cannot be done before the store fails.
	narrow := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			err = conn.(*net.TCPConn).SetReadBuffer(8 << 10)
		}
		return conn, err
	}}
	c := operator.NewClient(operator.ClientOptions{URL: s.url, Token: token, Transport: narrow})
	stream, err := c.ExportDevices(context.Background(), operator.DeviceQuery{}, "ndjson")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := io.CopyN(io.Discard, stream, 100); err != nil {
		t.Fatal(err)
	}
	s.store.Close()
	if n, err := io.Copy(io.Discard, stream); err == nil {
		t.Errorf("the rest of the export, %d bytes, ended without an error", n)
	}
}

// withTimeouts serves the same API with short limits for ordinary requests.
func (s *server) withTimeouts(limit time.Duration) *httptest.Server {
	s.t.Helper()
	h := httptest.NewUnstartedServer(s.handler)
	h.Config.ReadTimeout, h.Config.WriteTimeout, h.Config.IdleTimeout = limit, limit, limit
	h.Start()
	s.t.Cleanup(h.Close)
	return h
}

func TestClientDescribesFailures(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + silent.Addr().String()
	silent.Close()
	html := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "<html>nginx</html>", http.StatusBadGateway)
	}))
	defer html.Close()
	elsewhere := httptest.NewServer(http.RedirectHandler("http://example.invalid/", http.StatusFound))
	defer elsewhere.Close()
	garbage := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "{") }))
	defer garbage.Close()
	for _, c := range []struct{ url, code string }{
		{gone, "unreachable"}, {"not an address", "unreachable"}, {"http://[::1", "unreachable"},
		{html.URL, "not_hallmark"}, {elsewhere.URL, "not_hallmark"}, {garbage.URL, "unreachable"},
	} {
		_, err := operator.NewClient(operator.ClientOptions{URL: c.url, Token: token}).Orgs(context.Background())
		var failure *operator.Error
		if !errors.As(err, &failure) || failure.Code != c.code || failure.Hint == "" {
			t.Errorf("%s: %+v", c.url, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := operator.NewClient(operator.ClientOptions{URL: html.URL}).Orgs(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancelling: %v", err)
	}
}
