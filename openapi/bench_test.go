package openapi

import (
	"testing"
	"time"
)

// benchmarkCapture measures all the checks of one captured request.
func benchmarkCapture(b *testing.B, name string) {
	r, body := mustReadRaw(b, captures(b)[name])
	c := NewCredential(captureID, captureSecret)
	var q Request
	b.ReportAllocs()
	for b.Loop() {
		if err := check(&q, r, body, c, captureTime); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkV1Get(b *testing.B)      { benchmarkCapture(b, "go-commonrequest_v1_get_nasty") }
func BenchmarkV1PostForm(b *testing.B) { benchmarkCapture(b, "node-popcore_v1_post_form_nasty") }
func BenchmarkV3PostForm(b *testing.B) { benchmarkCapture(b, "go-darabonba_v3_post_form_nasty") }
func BenchmarkV3PostJSON(b *testing.B) { benchmarkCapture(b, "go-darabonba_v3_post_json_nasty") }

func BenchmarkDecodeOnly(b *testing.B) {
	r, body := mustReadRaw(b, captures(b)["go-commonrequest_v1_get_nasty"])
	var q Request
	b.ReportAllocs()
	for b.Loop() {
		if err := q.Decode(r, body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkV1Plain measures a request as most are: hardly a character in it needs
// an escape.
func BenchmarkV1Plain(b *testing.B) {
	c := NewCredential(captureID, captureSecret)
	m := Message{Method: "GET", Action: "Verify", Version: "2017-07-07", Nonce: "0f5d6c3a9e7b4d21", Time: captureTime,
		Params: []Param{{"ApiVersion", "1.1.2"}, {"Id2", "00AAABBB11122281FE150001"}, {"ProductKey", "a1BwAGV0001"},
			{"AuthCode", "0~3~0123456789ABCDEF~0123456789ABCDEF0123456789ABCDEF~MDEyMzQ1Njc4OUFCQ0RFRjAxMjM0NTY3ODlBQkNERUY="}}}
	system, api, err := m.SignV1(c, HMACSHA1)
	if err != nil {
		b.Fatal(err)
	}
	r := query(system + "&" + api)
	var q Request
	b.ReportAllocs()
	for b.Loop() {
		if err := check(&q, r, nil, c, captureTime); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignV1(b *testing.B) {
	c := NewCredential(captureID, captureSecret)
	m := Message{Method: "GET", Action: "Verify", Version: "2017-07-07", Nonce: "0f5d6c3a9e7b4d21", Time: time.Unix(1e9, 0),
		Params: []Param{{"ApiVersion", "1.1.2"}, {"Id2", "00AAABBB11122281FE150001"}, {"ProductKey", "a1BwAGV0001"}}}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := m.SignV1(c, HMACSHA1); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendReply(b *testing.B) {
	r := &Reply{RequestID: "F6AFB45A-0FD1-405E-AD2A-C50E34C429E5", Action: "Verify", Code: CodeOK, Data: BoolData(true)}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = AppendReply(dst[:0], FormatJSON, false, r)
	}
}
