package ciss

import (
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// platform answers a client's calls with what answer returns.
func platform(t *testing.T, answer func(path string, r Request) (int, string)) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", r.Method, r.Header.Get("Content-Type"), err)
		}
		request, err := ParseRequest(body, false)
		if err != nil || request.AppID != testAppID {
			t.Errorf("%q: %v", body, err)
		}
		status, text := answer(r.URL.Path, request)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	client, err := NewClient(ClientOptions{BaseURL: server.URL + "/base/", AppID: testAppID, Key: testKey, Now: func() time.Time { return testTime }})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// sealed returns an answer of the platform.
func sealed(t *testing.T, c *Channel, code int, desc string, at time.Time) string {
	t.Helper()
	obj, err := c.SealResponse(Response{Desc: desc, Time: at})
	if err != nil {
		t.Fatal(err)
	}
	return string(Answer{code, obj}.Append(nil))
}

func TestClientCalls(t *testing.T) {
	server := newTestChannel(t, nil)
	var path string
	var got any
	client := platform(t, func(p string, r Request) (int, string) {
		path = p
		var err error
		switch strings.TrimPrefix(p, "/base") {
		case PathScan:
			got, err = server.OpenScan(r.Param, testTime)
		case PathLoginVerify:
			got, err = server.OpenLoginVerify(r.Param, testTime)
		default:
			got, err = server.OpenVerify(r.Param, testTime)
		}
		if err != nil {
			t.Error(err)
		}
		return http.StatusOK, sealed(t, server, StatusOK, "成功", testTime.Add(time.Second))
	})
	ctx := t.Context()
	result, err := client.Scan(ctx, testAuthID)
	if m, ok := got.(Scan); err != nil || !ok || m.Status != StatusScanned || m.AuthID != testAuthID || result != (Result{"成功", true}) || path != "/base"+PathScan {
		t.Errorf("%s %+v %+v %v", path, got, result, err)
	}
	_, err = client.Cancel(ctx, testAuthID)
	if m, ok := got.(Scan); err != nil || !ok || m.Status != StatusCancelled {
		t.Errorf("%+v %v", got, err)
	}
	_, err = client.Login(ctx, testAuthID, []byte{0x30, 0xab}, []byte{1, 2})
	if m, ok := got.(LoginVerify); err != nil || !ok || m.SignCert != "30ab" || m.SignData != "0102" {
		t.Errorf("%+v %v", got, err)
	}
	_, err = client.Verify(ctx, Signed{PhoneNumber: "13800000000", Data: []byte("text"), Cert: []byte{0x30}, Signature: []byte{1}})
	if m, ok := got.(Verify); err != nil || !ok || m.SrcData != "dGV4dA==" || m.UserName != "" || m.SignCert != hex.EncodeToString([]byte{0x30}) {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := client.Scan(ctx, "short"); err == nil {
		t.Error("an authId that is none is sent")
	}
}

func TestClientAnswers(t *testing.T) {
	server := newTestChannel(t, nil)
	other := newTestChannel(t, nil)
	other.key[0]++
	other, err := NewChannel(testAppID, other.key, other.settings, nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		status int
		body   string
		want   Result
		err    string // part of the error's text
	}{
		{"success", 200, sealed(t, server, 200, "成功", testTime), Result{"成功", true}, ""},
		{"success without words", 200, sealed(t, server, 200, "", testTime), Result{"", true}, ""},
		{"success and null", 200, `{"statusCode":200,"returnObj":null}`, Result{}, ""},
		{"failure", 200, sealed(t, server, 921, "二维码不存在或已失效", testTime), Result{}, "the platform answers 921: 二维码不存在或已失效"},
		{"failure and null", 200, `{"statusCode":500,"returnObj":null}`, Result{}, "the platform answers 500"},
		{"212", 200, `{"statusCode":212,"returnObj":"接入信息不存在"}`, Result{}, ErrUnknownApp.Error()},
		{"other key", 200, sealed(t, other, 200, "成功", testTime), Result{}, "cannot be trusted"},
		{"stale", 200, sealed(t, server, 200, "成功", testTime.Add(-time.Hour)), Result{}, "cannot be trusted"},
		{"clear text", 200, `{"statusCode":200,"returnObj":"成功"}`, Result{}, "cannot be trusted"},
		{"HTTP", 502, `bad gateway`, Result{}, `HTTP 502: "bad gateway"`},
		{"not JSON", 200, `<html>`, Result{}, "unreadable"},
		{"too long", 200, `{"statusCode":200,"returnObj":"` + strings.Repeat("A", MaxBody) + `"}`, Result{}, "unreadable"},
	}
	for _, test := range tests {
		client := platform(t, func(string, Request) (int, string) { return test.status, test.body })
		got, err := client.Scan(t.Context(), testAuthID)
		if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %+v, %v", test.name, got, err)
		}
		var status *StatusError
		if strings.HasPrefix(test.name, "failure") != errors.As(err, &status) || errors.Is(err, ErrUnknownApp) != (test.name == "212") {
			t.Errorf("%s: kind of error %v", test.name, err)
		}
	}
}

func TestNewClient(t *testing.T) {
	for _, base := range []string{"", "login.example.com", "ftp://login.example.com", "http://", "http://a/?b", "http://a/#b", "http://a b"} {
		if _, err := NewClient(ClientOptions{BaseURL: base, AppID: testAppID}); err == nil {
			t.Errorf("%q is accepted", base)
		}
	}
	if _, err := NewClient(ClientOptions{BaseURL: "http://a", AppID: "", Key: testKey}); err == nil {
		t.Error("no appId is accepted")
	}
	if _, err := NewClient(ClientOptions{BaseURL: "http://a", AppID: testAppID, Settings: &Settings{}}); err == nil {
		t.Error("no settings are accepted")
	}
	client, err := NewClient(ClientOptions{BaseURL: "http://127.0.0.1:1", AppID: testAppID, Key: testKey})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Scan(t.Context(), testAuthID); err == nil {
		t.Error("nobody answers, and that is a success")
	}
}
