package fleet

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/hallmark-id/hallmark/id2"
)

var sample = Snapshot{Devices: 10_000, Connections: 64, Server: "http://127.0.0.1:8080", ProductKey: "a1lamp", Elapsed: 65 * time.Second, Late: 20,
	Provisioning: Figures{Succeeded: 9000, Refused: []Refusal{{id2.CodeQuota, "the product's quota is used up", 1000}}, Failed: 3, LastFailure: "connection\n\x1brefused", Rate: 1923.4,
		P50: 950, P99: 4100, P999: 31_000, CPU: 505},
	Authentication: Figures{Succeeded: 1_234_567, Rate: 1003, P50: 88, P99: 12_345, P999: 1_200_000, CPU: 60}}

func TestView(t *testing.T) {
	want := []string{
		"10 000 devices at http://127.0.0.1:8080, 1m5s",
		"provisioned       9 000  ██████████████████░░     1923/s  p50 950 µs  p99 4.1 ms  p99.9 31 ms",
		"authenticated 1 234 567                           1003/s  p50 88 µs  p99 12 ms  p99.9 1.2 s",
		"refused           1 000  OtpGetId2 16, the product's quota is used up",
		"failed                3  connection  refused",
	}
	if diff := cmp.Diff(want, View(sample, 95)); diff != "" {
		t.Error(diff)
	}
	want = []string{
		"10 devices at http://127.0.0.1:8080, 0s",
		"provisioned           0  ░░░░░",
		"authenticated         0",
	}
	if diff := cmp.Diff(want, View(Snapshot{Devices: 10, Server: "http://127.0.0.1:8080"}, 80)); diff != "" {
		t.Error(diff)
	}
}

// No line is wider than the terminal, or the next frame would not cover it.
func TestViewFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sample
		s.Devices = rapid.IntRange(0, 1e9).Draw(t, "devices")
		s.Provisioning.Succeeded = rapid.Int64Range(0, 2e9).Draw(t, "provisioned")
		width := rapid.IntRange(1, 300).Draw(t, "width")
		for _, line := range View(s, width) {
			if utf8.RuneCountInString(line) > width || strings.ContainsAny(line, "\n\r\x1b") {
				t.Fatalf("%d columns: %q", width, line)
			}
		}
	})
}

func TestLine(t *testing.T) {
	const want = "1m5s: provisioned 9000 of 10000, authenticated 1234567 at 1003/s, p99 12 ms; refused 1000 and 0, failed 3"
	if got := Line(sample); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	s := sample
	s.Interrupted = true
	Print(&out, s)
	const want = "The server spent 505 µs of CPU on a provisioning, 60 µs on an authentication.\n" +
		"Interrupted after 1m5s.\n10000 devices over 64 connections; the latest came 20 ms after its time. Product a1lamp.\n"
	if !strings.HasPrefix(out.String(), "provisioned ") || !strings.HasSuffix(out.String(), want) {
		t.Errorf("%s", out.String())
	}
}
