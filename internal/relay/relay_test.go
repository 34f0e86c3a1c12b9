package relay

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/openapi"
)

// A well-formed answer is passed on as it came, but for the RequestId.
func TestAnswersArePassedOn(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct{ action, upstream, want string }{
		"a challenge":        {"GetServerRandom", `{"RequestId":"U","Data":"AB12","Code":200,"Success":true}`, `{"RequestId":"","Data":"AB12","Code":200,"Success":true}`},
		"a genuine device":   {"Verify", `{"RequestId":"U","Data":true,"Code":200,"Success":true}`, `{"RequestId":"","Data":true,"Code":200,"Success":true}`},
		"all of it text":     {"Verify", `{"RequestId":"U","Data":"true","Code":"200","Success":"true"}`, `{"RequestId":"","Data":true,"Code":200,"Success":true}`},
		"not genuine":        {"Verify", `{"Data":false,"Code":200,"Success":true}`, `{"RequestId":"","Data":false,"Code":200,"Success":true}`},
		"lower case of 2019": {"Verify", `{"code":33,"requestId":"U","success":false}`, `{"RequestId":"","Code":33,"Success":false}`},
		"a message":          {"Verify", `{"Code":33,"Success":false,"Message":"时间戳 \"old\""}`, `{"RequestId":"","Code":33,"Success":false,"Message":"时间戳 \"old\""}`},
		"a code of theirs":   {"Verify", `{"Code":1234,"Success":false}`, `{"RequestId":"","Code":1234,"Success":false}`},
		"unknown there too":  {"GetServerRandom", `{"Code":18,"Success":false}`, `{"RequestId":"","Code":18,"Success":false}`},
		"encrypted":          {"VerifyAndEncrypt", `{"Data":"c2VhbGVk","Code":200,"Success":true}`, `{"RequestId":"","Data":"c2VhbGVk","Code":200,"Success":true}`},
		"both": {"GetServerAuthCodeAndEncryptData", `{"Data":{"ServerAuthCode":"S","EncryptData":"E","More":1},"Code":200,"Success":true}`,
			`{"RequestId":"","Data":{"EncryptData":"E","ServerAuthCode":"S"},"Code":200,"Success":true}`},
	} {
		f.answers(http.StatusOK, c.upstream)
		if got := body(f.forward(c.action)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
	f.secretKept()
}

// The upstream sees what the back end sent of the API document, signed with the
// owner's key, and nothing else.
func TestWhatTheUpstreamSees(t *testing.T) {
	f := newFixture(t)
	credential := openapi.NewCredential("LTAItest", secret)
	f.does(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		var q openapi.Request
		if err := q.Decode(r, text); err != nil {
			t.Error(err)
			return
		}
		for _, refusal := range []*openapi.Error{q.CheckSystem(), q.CheckTime(f.clock.Now(), time.Minute), q.Verify(credential)} {
			if refusal != nil {
				t.Error(refusal)
			}
		}
		extra, has := q.Get("Extra")
		_, other := q.Get("Other")
		_, mine := q.Get("RequestId")
		if extra != "é +&~" || !has || other || mine || r.URL.RawQuery != "" || q.Action != "Verify" || q.Version != "2017-07-07" || !strings.HasPrefix(q.Nonce, NoncePrefix) {
			t.Errorf("the upstream got %q %q", r.URL.RawQuery, text)
		}
		_, _ = io.WriteString(w, `{"Data":true,"Code":200,"Success":true}`)
	})
	if reply := f.forward("Verify", "Extra", "é +&~", "Other", "x", "RequestId", "mine"); reply.Code != 200 {
		t.Errorf("%+v", reply)
	}
}

// Nothing that is not a well-formed answer becomes one: each kind of nonsense is
// answered with 54 or 700, and never with what the upstream said.
func TestWrongAnswers(t *testing.T) {
	f, cases := newFixture(t), 0
	const good = `{"Data":true,"Code":200,"Success":true}`
	for name, c := range map[string]struct {
		action string
		status int
		body   string
		result result
	}{
		"nothing":                     {"Verify", 200, ``, resultMalformed},
		"no JSON":                     {"Verify", 200, `<html>Welcome</html>`, resultMalformed},
		"half of it":                  {"Verify", 200, good[:20], resultMalformed},
		"more than it":                {"Verify", 200, good + good, resultMalformed},
		"a list":                      {"Verify", 200, `[` + good + `]`, resultMalformed},
		"null":                        {"Verify", 200, `null`, resultMalformed},
		"an empty object":             {"Verify", 200, `{}`, resultMalformed},
		"no code":                     {"Verify", 200, `{"Data":true,"Success":true}`, resultMalformed},
		"no success":                  {"Verify", 200, `{"Data":true,"Code":200}`, resultMalformed},
		"success without data":        {"Verify", 200, `{"Code":200,"Success":true}`, resultMalformed},
		"data null":                   {"Verify", 200, `{"Data":null,"Code":200,"Success":true}`, resultMalformed},
		"data of another kind":        {"Verify", 200, `{"Data":"AB","Code":200,"Success":true}`, resultMalformed},
		"data 1":                      {"Verify", 200, `{"Data":1,"Code":200,"Success":true}`, resultMalformed},
		"code and success differ":     {"Verify", 200, `{"Data":true,"Code":33,"Success":true}`, resultMalformed},
		"success and code differ":     {"Verify", 200, `{"Data":true,"Code":200,"Success":false}`, resultMalformed},
		"a code with a fraction":      {"Verify", 200, `{"Data":true,"Code":200.5,"Success":true}`, resultMalformed},
		"a negative code":             {"Verify", 200, `{"Code":-1,"Success":false}`, resultMalformed},
		"a huge code":                 {"Verify", 200, `{"Code":99999999999999999999,"Success":false}`, resultMalformed},
		"success in another word":     {"Verify", 200, `{"Data":true,"Code":200,"Success":"yes"}`, resultMalformed},
		"a challenge that is empty":   {"GetServerRandom", 200, `{"Data":"","Code":200,"Success":true}`, resultMalformed},
		"a challenge that is true":    {"GetServerRandom", 200, good, resultMalformed},
		"a challenge that is huge":    {"GetServerRandom", 200, `{"Data":"` + strings.Repeat("A", maxText+1) + `","Code":200,"Success":true}`, resultMalformed},
		"half of both":                {"GetServerAuthCodeAndEncryptData", 200, `{"Data":{"EncryptData":"E"},"Code":200,"Success":true}`, resultMalformed},
		"both as text":                {"GetServerAuthCodeAndEncryptData", 200, `{"Data":"E","Code":200,"Success":true}`, resultMalformed},
		"endless":                     {"Verify", 200, `{"Data":true,"Code":200,"Success":true,"Message":"` + strings.Repeat("A", 2<<20) + `"}`, resultMalformed},
		"elsewhere":                   {"Verify", 302, good, resultRejected},
		"success of a bad status":     {"Verify", 404, good, resultRejected},
		"a page that is not there":    {"Verify", 404, `<html>`, resultRejected},
		"a wrong access key":          {"Verify", 404, `{"Code":"InvalidAccessKeyId.NotFound","Message":"LTAItest is not found"}`, resultRejected},
		"a numeric gateway code":      {"Verify", 400, `{"Code":400}`, resultRejected},
		"no right":                    {"Verify", 403, `{"Code":"Forbidden.RAM"}`, resultRejected},
		"too often":                   {"Verify", 400, `{"Code":"Throttling.User"}`, resultThrottled},
		"too often, says a proxy":     {"Verify", 429, `slow down`, resultThrottled},
		"a fault":                     {"Verify", 500, `{"Code":"InternalError"}`, resultFailed},
		"a proxy without an upstream": {"Verify", 502, `<html>Bad Gateway</html>`, resultFailed},
	} {
		t.Run(name, func(t *testing.T) {
			cases++
			f.set(registry.Upstream{Timeout: 10*time.Second + time.Duration(cases)*time.Millisecond}) // and with it a new breaker
			f.answers(c.status, c.body)
			counted, alarms := f.counted(c.action, c.result), strings.Count(f.log.String(), "level=ERROR")
			reply := f.forward(c.action)
			want := 54
			if c.result == resultRejected {
				want = 700
			}
			if text := body(reply); reply.Code != want || strings.Contains(text, "LTAItest") || strings.Contains(text, `"Data"`) {
				t.Errorf("answered %s, want code %d", text, want)
			}
			if n := f.counted(c.action, c.result) - counted; n != 1 {
				t.Errorf("%s counted %d times", c.result, n)
			}
			if h := f.relay.Health(f.org); h.Last.Result != string(c.result) || h.Last.At != registry.At(f.clock.Now()) {
				t.Errorf("health %+v", h)
			}
			if n, err := f.reg.CountRelayed(t.Context(), f.org); err != nil || n != (registry.RelayedCount{}) {
				t.Errorf("counted as a device: %+v %v", n, err)
			}
			if strings.Count(f.log.String(), "level=ERROR") != alarms+1 {
				t.Errorf("log:\n%s", f.log.String())
			}
			f.secretKept()
		})
	}
}

// cut answers with less than it announced.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = io.WriteString(w, `{"Data":true,"Code":200,"Success":true}`)
}

// hang answers when the asker has gone.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only then is the asker's going seen
	<-r.Context().Done()
}

// trickle begins an answer and does not end it.
func trickle(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, `{"Data":true,`)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func TestUpstreamsThatDoNotAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		serve  http.HandlerFunc
		result result
	}{"cut short": {cut, resultUnreachable}, "silent": {hang, resultTimeout}, "slow": {trickle, resultTimeout}} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if c.result == resultTimeout {
				f.set(registry.Upstream{Timeout: 200 * time.Millisecond})
			}
			f.does(c.serve)
			if reply := f.forward("Verify"); reply.Code != 54 {
				t.Errorf("%+v", reply)
			}
			if f.counted("Verify", c.result) != 1 {
				t.Errorf("not counted as %s: %+v", c.result, f.relay.Health(f.org))
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		f := newFixture(t)
		l, err := net.Listen("tcp", "127.0.0.1:0")
		f.must(err)
		f.set(registry.Upstream{Endpoint: "http://" + l.Addr().String()})
		f.must(l.Close())
		if reply := f.forward("Verify"); reply.Code != 54 || f.counted("Verify", resultUnreachable) != 1 {
			t.Errorf("%+v, %+v", reply, f.relay.Health(f.org))
		}
	})
	t.Run("an authority that is not trusted", func(t *testing.T) {
		f := newFixture(t)
		f.set(registry.Upstream{Endpoint: f.server.URL}) // with the system's authorities
		if reply := f.forward("Verify"); reply.Code != 54 || f.called() != 0 {
			t.Errorf("%+v after %d calls", reply, f.called())
		}
	})
}

// An upstream that fails is left alone for a while, tried once, and asked again
// when it is back.
func TestUpstreamGoesAndComesBack(t *testing.T) {
	f := newFixture(t)
	f.answers(http.StatusServiceUnavailable, "down")
	for range breakAfter {
		f.forward("Verify")
	}
	if reply := f.forward("Verify"); reply.Code != 54 || f.called() != breakAfter || f.counted("Verify", resultOpen) != 1 {
		t.Fatalf("%+v after %d calls", reply, f.called())
	}
	if h := f.relay.Health(f.org); h.Breaker != stateOpen || h.Last.Result != string(resultFailed) || f.relay.openBreakers() != 1 {
		t.Errorf("health %+v", h)
	}
	f.clock.Advance(breakFor)
	f.forward("Verify")
	if f.forward("Verify"); f.called() != breakAfter+1 {
		t.Fatalf("%d calls; want one try", f.called())
	}
	f.clock.Advance(breakFor)
	f.answers(http.StatusOK, `{"Data":true,"Code":200,"Success":true}`)
	for range 3 {
		if reply := f.forward("Verify"); reply.Code != 200 {
			t.Fatalf("%+v", reply)
		}
	}
	if h := f.relay.Health(f.org); h.Breaker != stateClosed || f.relay.openBreakers() != 0 {
		t.Errorf("health %+v", h)
	}
	// One line a minute: at the first failure, and none for those that followed.
	if n := strings.Count(f.log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d lines of alarm", n)
	}
}

// New settings begin with a new breaker.
func TestNewSettingsAreTriedAtOnce(t *testing.T) {
	f := newFixture(t)
	f.answers(http.StatusBadGateway, "")
	for range breakAfter {
		f.forward("Verify")
	}
	f.answers(http.StatusOK, `{"Data":true,"Code":200,"Success":true}`)
	f.set(registry.Upstream{Timeout: 10 * time.Second})
	if reply := f.forward("Verify"); reply.Code != 200 {
		t.Errorf("%+v", reply)
	}
}

// The calls under way are bounded; who waits too long for a turn is told so.
func TestCallsAreBounded(t *testing.T) {
	f := newFixture(t)
	release, under := make(chan struct{}), make(chan struct{}, 2*maxCalls)
	f.does(func(w http.ResponseWriter, _ *http.Request) {
		under <- struct{}{}
		<-release
		_, _ = io.WriteString(w, `{"Data":true,"Code":200,"Success":true}`)
	})
	var wg sync.WaitGroup
	for range maxCalls {
		wg.Go(func() {
			if reply := f.forward("Verify"); reply.Code != 200 {
				t.Errorf("%+v", reply)
			}
		})
	}
	for range maxCalls {
		<-under
	}
	ctx, gone := context.WithCancel(t.Context())
	gone()
	reply, relayed := f.relay.Forward(ctx, f.request("Verify"))
	if !relayed || reply.Code != 54 || f.counted("Verify", resultFull) != 1 || f.called() != maxCalls {
		t.Errorf("one more: %+v after %d calls", reply, f.called())
	}
	close(release)
	wg.Wait()
}

// Refusals worth knowing are audited with the upstream's own id of the request.
func TestRefusalsAreNoted(t *testing.T) {
	f := newFixture(t)
	for code, want := range map[int]int{21: 1, 18: 0, 33: 0, 45: 1} {
		f.notes = nil
		f.answers(http.StatusOK, fmt.Sprintf(`{"RequestId":"U-1","Code":%d,"Success":false}`, code))
		f.forward("Verify")
		if len(f.notes) != want {
			t.Errorf("code %d: %d notes", code, len(f.notes))
		}
		for _, e := range f.notes {
			if e.Action != "device.relay_refused" || e.Subject != deviceID || e.Org != int64(f.org) || !strings.Contains(e.Detail, `"upstream_request":"U-1"`) {
				t.Errorf("noted %+v", e)
			}
		}
	}
	if !strings.Contains(f.log.String(), "upstream_request=U-1") {
		t.Error("the log does not name the upstream's request")
	}
}

// Settings that make no sense are refused and change nothing.
func TestUpstreamSettings(t *testing.T) {
	f := newFixture(t)
	good := registry.Upstream{Endpoint: "https://id2.example.com/", AccessKeyID: "LTAI", Secret: secret}
	for name, change := range map[string]func(*registry.Upstream){
		"no endpoint":        func(u *registry.Upstream) { u.Endpoint = "" },
		"no scheme":          func(u *registry.Upstream) { u.Endpoint = "id2.example.com" },
		"another scheme":     func(u *registry.Upstream) { u.Endpoint = "ftp://id2.example.com" },
		"a file":             func(u *registry.Upstream) { u.Endpoint = "file:///etc/passwd" },
		"a path":             func(u *registry.Upstream) { u.Endpoint = "https://id2.example.com/x" },
		"a query":            func(u *registry.Upstream) { u.Endpoint = "https://id2.example.com?x" },
		"a password":         func(u *registry.Upstream) { u.Endpoint = "https://a:b@id2.example.com" },
		"a port alone":       func(u *registry.Upstream) { u.Endpoint = "https://:443" },
		"plain HTTP":         func(u *registry.Upstream) { u.Endpoint = "http://id2.example.com" },
		"no key":             func(u *registry.Upstream) { u.AccessKeyID = "" },
		"no secret":          func(u *registry.Upstream) { u.Secret = "" },
		"a secret of lines":  func(u *registry.Upstream) { u.Secret = "a\nb" },
		"no time":            func(u *registry.Upstream) { u.Timeout = time.Millisecond },
		"too much time":      func(u *registry.Upstream) { u.Timeout = time.Minute },
		"nobody's authority": func(u *registry.Upstream) { u.CA = "not PEM" },
	} {
		u := good
		change(&u)
		if _, err := f.reg.SetUpstream(t.Context(), f.org, u, f.request("").By); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if row, err := f.reg.Upstream(t.Context(), f.org); err != nil || row.Endpoint != f.server.URL {
		t.Errorf("%+v, %v", row, err)
	}
	for _, endpoint := range []string{"http://127.0.0.1:8080", "http://[::1]:1", "http://localhost", "https://id2.example.com"} {
		u := good
		u.Endpoint = endpoint
		row, err := f.reg.SetUpstream(t.Context(), f.org, u, f.request("").By)
		if err != nil || row.Endpoint != endpoint || row.Timeout != registry.DefaultRelayTimeout {
			t.Errorf("%s: %+v, %v", endpoint, row, err)
		}
	}
	open := good
	open.Endpoint, open.InsecureHTTP = "http://id2.example.com", true
	if _, err := f.reg.SetUpstream(t.Context(), f.org, open, f.request("").By); err != nil {
		t.Error(err)
	}
	if text := fmt.Sprintf("%v %+v %#v %s", open, open, open, &open); strings.Contains(text, secret) {
		t.Errorf("printed: %s", text)
	}
}
