package ciss

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMembers(t *testing.T) {
	tests := []struct {
		text            string
		strict, lenient string // members as name=value, or "!" for refused
	}{
		{`{}`, "", ""},
		{" {\n\t} \r\n", "", ""},
		{`{"a":"b"}`, "a=b", "a=b"},
		{`{ "a" : "b" , "c":null}`, "a=b c=null", "a=b c=null"},
		{`{"a":"\"\\\/\n\u6210功\ud83d\ude00"}`, "a=\"\\/\n成功😀", "a=\"\\/\n成功😀"},
		{`{" signCert ":"b"}`, " signCert =b", "signCert=b"},
		{`{"a":"b",}`, "!", "a=b"},
		{`{"a":"b",,}`, "!", "!"},
		{`{,}`, "!", "!"},
		{`“a”:”b”,“c”:"d",`, "!", "a=b c=d"},
		{`"a":"b"`, "!", "a=b"},
		{`"a":"b"}`, "!", "!"},
		{`{"a":"b"`, "!", "!"},
		{``, "!", ""},
		{`{"a":"b","a":"c"}`, "!", "!"},
		{`{"a":"b"," a":"c"}`, "a=b  a=c", "!"},
		{`{"a":"b"}x`, "!", "!"},
		{`{"a":"b"}{}`, "!", "!"},
		{`{"a":1}`, "!", "!"},
		{`{"a":true}`, "!", "!"},
		{`{"a":{}}`, "!", "!"},
		{`{"a":["b"]}`, "!", "!"},
		{`{"a"}`, "!", "!"},
		{`{"a":}`, "!", "!"},
		{`{a:"b"}`, "!", "!"},
		{`{'a':'b'}`, "!", "!"},
		{`{"a":"b" "c":"d"}`, "!", "!"},
		{`["a","b"]`, "!", "!"},
		{`"a"`, "!", "!"},
		{"{\"a\":\"\n\"}", "!", "!"},
		{"{\"a\":\"\xff\"}", "!", "!"},
		{`{"a":"\x"}`, "!", "!"},
		{`{"a":"\u12"}`, "!", "!"},
		{`{"a":"b\`, "!", "!"},
		{"\ufeff{}", "!", "!"},
		{`{` + strings.Repeat(`"a":"b",`, 3) + `"c":"d"}`, "!", "!"},
		{`{` + many(16) + `}`, manyOut(16), manyOut(16)},
		{`{` + many(17) + `}`, "!", "!"},
	}
	for _, test := range tests {
		for lenient, want := range map[bool]string{false: test.strict, true: test.lenient} {
			if got := describe(parseMembers([]byte(test.text), lenient)); got != want {
				t.Errorf("%q, lenient %v: %q, want %q", test.text, lenient, got, want)
			}
		}
	}
}

func many(n int) string {
	var parts []string
	for i := range n {
		parts = append(parts, `"`+string(rune('a'+i))+`":"1"`)
	}
	return strings.Join(parts, ",")
}

func manyOut(n int) string {
	return strings.NewReplacer(`"`, "", ",", " ", ":", "=").Replace(many(n))
}

func describe(members []member, err error) string {
	if err != nil {
		return "!"
	}
	var parts []string
	for _, m := range members {
		if m.null {
			m.value = "null"
		}
		parts = append(parts, m.name+"="+m.value)
	}
	return strings.Join(parts, " ")
}

func TestAppendMembers(t *testing.T) {
	in := []member{{name: "a", value: "“<\"\\\x01\n成功>&/+"}, {name: "b", null: true}}
	out := appendMembers(nil, in)
	if want := `{"a":"“<\"\\\u0001\u000a成功>&/+","b":null}`; string(out) != want {
		t.Errorf("%s, want %s", out, want)
	}
	var m map[string]*string
	if err := json.Unmarshal(out, &m); err != nil || *m["a"] != in[0].value || m["b"] != nil {
		t.Errorf("%v, %v", m, err)
	}
}

func TestRequestBody(t *testing.T) {
	want := Request{AppID: testAppID, Param: "abc%2B="}
	if got, err := ParseRequest(want.Append(nil), false); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	// The example of the vendor's document.
	printed := []byte("{\n    \"param\": \"abc%2B=\",\n    \"appId\": \"1010000000000099\",\n}")
	if got, err := ParseRequest(printed, false); err == nil {
		t.Errorf("a comma after the last member is accepted: %+v", got)
	}
	if got, err := ParseRequest(printed, true); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{``, `{}`, `{"appId":"1"}`, `{"param":"1"}`, `{"appId":null,"param":"1"}`, `{"appId":"1","param":null}`,
		`{"appId":1,"param":"1"}`, `{"appId":"1","param":"1","more":"1"}`, `{"appId":"1","param":"` + strings.Repeat("x", MaxBody) + `"}`} {
		if got, err := ParseRequest([]byte(bad), false); err == nil {
			t.Errorf("%.50s is accepted: %+v", bad, got)
		}
	}
	if _, err := ParseRequest([]byte(`{"appId":"1","param":"1","more":"1"}`), true); err != nil {
		t.Errorf("lenient mode does not pass over a member it does not know: %v", err)
	}
}

func TestAnswerBody(t *testing.T) {
	for text, want := range map[string]Answer{
		`{"statusCode":200,"returnObj":"abc%2B="}`: {200, "abc%2B="},
		`{"statusCode":212,"returnObj":"接入信息不存在"}`: {212, UnknownAppText},
		`{"statusCode":500,"returnObj":null}`:      {500, ""},
	} {
		got, err := ParseAnswer([]byte(text))
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if back := string(want.Append(nil)); back != text {
			t.Errorf("%s, want %s", back, text)
		}
	}
	if got, err := ParseAnswer([]byte(`{"statusCode":200}`)); err != nil || got.ReturnObj != "" {
		t.Errorf("no returnObj: %+v, %v", got, err)
	}
	for _, bad := range []string{``, `{}`, `null`, `{"statusCode":null}`, `{"statusCode":"200"}`, `{"statusCode":1.5}`, `{"statusCode":200,"returnObj":1}`} {
		if got, err := ParseAnswer([]byte(bad)); err == nil {
			t.Errorf("%s is accepted: %+v", bad, got)
		}
	}
}
