package openapi

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sampleID = "F6AFB45A-0FD1-405E-AD2A-C50E34C429E5"

// sampleReplies are the replies of the vendor's API document, with the samples
// of the document: XML, and JSON in which every scalar is a string.
var sampleReplies = []struct {
	reply        Reply
	xml          string
	json         string
	stringlyJSON string
}{
	{
		Reply{RequestID: sampleID, Action: "Verify", Code: 200, Data: BoolData(true)},
		`<VerifyResponse>
  <RequestId>F6AFB45A-0FD1-405E-AD2A-C50E34C429E5</RequestId>
  <Data>true</Data>
  <Code>200</Code>
  <Success>true</Success>
</VerifyResponse>`,
		`{"RequestId":"F6AFB45A-0FD1-405E-AD2A-C50E34C429E5","Data":true,"Code":200,"Success":true}`,
		`{
  "RequestId": "F6AFB45A-0FD1-405E-AD2A-C50E34C429E5",
  "Data": "true",
  "Code": "200",
  "Success": "true"
}`,
	},
	{
		Reply{RequestID: sampleID, Action: "GetServerRandom", Code: 200, Data: TextData("6F5DDB5F21C28F06484A4695FAB9****")},
		`<GetServerRandomResponse>
  <RequestId>F6AFB45A-0FD1-405E-AD2A-C50E34C429E5</RequestId>
  <Data>6F5DDB5F21C28F06484A4695FAB9****</Data>
  <Code>200</Code>
  <Success>true</Success>
</GetServerRandomResponse>`,
		`{"RequestId":"F6AFB45A-0FD1-405E-AD2A-C50E34C429E5","Data":"6F5DDB5F21C28F06484A4695FAB9****","Code":200,"Success":true}`,
		`{
  "RequestId": "F6AFB45A-0FD1-405E-AD2A-C50E34C429E5",
  "Data": "6F5DDB5F21C28F06484A4695FAB9****",
  "Code": "200",
  "Success": "true"
}`,
	},
	{
		Reply{RequestID: sampleID, Action: "GetServerAuthCodeAndEncryptData", Code: 200, Data: StructData(
			TextField("EncryptData", "3s+wT***x4="),
			TextField("ServerAuthCode", "10~2~3DDFA7A45590CF12~QaB/DeZhx4KpBahW***gAZ5Q=="))},
		`<GetServerAuthCodeAndEncryptDataResponse>
  <RequestId>F6AFB45A-0FD1-405E-AD2A-C50E34C429E5</RequestId>
  <Data>
    <EncryptData>3s+wT***x4=</EncryptData>
    <ServerAuthCode>10~2~3DDFA7A45590CF12~QaB/DeZhx4KpBahW***gAZ5Q==</ServerAuthCode>
  </Data>
  <Code>200</Code>
  <Success>true</Success>
</GetServerAuthCodeAndEncryptDataResponse>`,
		`{"RequestId":"F6AFB45A-0FD1-405E-AD2A-C50E34C429E5","Data":{"EncryptData":"3s+wT***x4=",` +
			`"ServerAuthCode":"10~2~3DDFA7A45590CF12~QaB/DeZhx4KpBahW***gAZ5Q=="},"Code":200,"Success":true}`,
		`{
  "RequestId": "F6AFB45A-0FD1-405E-AD2A-C50E34C429E5",
  "Data": {
    "EncryptData": "3s+wT***x4=",
    "ServerAuthCode": "10~2~3DDFA7A45590CF12~QaB/DeZhx4KpBahW***gAZ5Q=="
  },
  "Code": "200",
  "Success": "true"
}`,
	},
	{
		Reply{RequestID: sampleID, Action: "OtpGetId2", Code: 200, Data: StructData(
			IntField("Remaining", 100), TextField("ProvisionData", "ATAww****nNfro="))},
		`<OtpGetId2Response>
  <RequestId>F6AFB45A-0FD1-405E-AD2A-C50E34C429E5</RequestId>
  <Data>
    <Remaining>100</Remaining>
    <ProvisionData>ATAww****nNfro=</ProvisionData>
  </Data>
  <Code>200</Code>
  <Success>true</Success>
</OtpGetId2Response>`,
		`{"RequestId":"F6AFB45A-0FD1-405E-AD2A-C50E34C429E5","Data":{"Remaining":100,"ProvisionData":"ATAww****nNfro="},` +
			`"Code":200,"Success":true}`,
		`{
  "RequestId": "F6AFB45A-0FD1-405E-AD2A-C50E34C429E5",
  "Data": {
    "Remaining": "100",
    "ProvisionData": "ATAww****nNfro="
  },
  "Code": "200",
  "Success": "true"
}`,
	},
	{
		Reply{RequestID: sampleID, Action: "Verify", Code: 33, Message: "timestamp expired", Data: BoolData(true)},
		`<VerifyResponse>
  <RequestId>F6AFB45A-0FD1-405E-AD2A-C50E34C429E5</RequestId>
  <Code>33</Code>
  <Success>false</Success>
  <Message>timestamp expired</Message>
</VerifyResponse>`,
		`{"RequestId":"F6AFB45A-0FD1-405E-AD2A-C50E34C429E5","Code":33,"Success":false,"Message":"timestamp expired"}`,
		`{
  "RequestId": "F6AFB45A-0FD1-405E-AD2A-C50E34C429E5",
  "Code": "33",
  "Success": "false",
  "Message": "timestamp expired"
}`,
	},
	{
		Reply{RequestID: "R", Action: "Verify", Code: 200},
		`<VerifyResponse><RequestId>R</RequestId><Code>200</Code><Success>true</Success></VerifyResponse>`,
		`{"RequestId":"R","Code":200,"Success":true}`,
		`{"RequestId":"R","Code":"200","Success":"true"}`,
	},
	{
		Reply{RequestID: "R", Action: "Verify", Code: 200, Data: StructData()},
		`<VerifyResponse><RequestId>R</RequestId><Data></Data><Code>200</Code><Success>true</Success></VerifyResponse>`,
		`{"RequestId":"R","Data":{},"Code":200,"Success":true}`,
		`{"RequestId":"R","Data":{},"Code":"200","Success":"true"}`,
	},
}

// squeeze takes the layout out of a sample: no text of the samples has line
// breaks, two spaces in a row or ": " in it.
func squeeze(s string) string {
	return strings.NewReplacer("\n", "", "  ", "", `": `, `":`).Replace(s)
}

func TestAppendReply(t *testing.T) {
	for _, v := range sampleReplies {
		for _, g := range []struct{ got, want string }{
			{string(AppendReply(nil, FormatJSON, false, &v.reply)), v.json},
			{string(AppendReply(nil, FormatJSON, true, &v.reply)), squeeze(v.stringlyJSON)},
			{string(AppendReply(nil, FormatXML, false, &v.reply)), xmlProlog + squeeze(v.xml)},
			{string(AppendReply(nil, FormatXML, true, &v.reply)), xmlProlog + squeeze(v.xml)},
			{string(AppendReply([]byte("kept"), FormatJSON, false, &v.reply)), "kept" + v.json},
		} {
			if diff := cmp.Diff(g.want, g.got); diff != "" {
				t.Error(diff)
			}
		}
	}
}

func TestAppendError(t *testing.T) {
	e := SignatureMismatchV3("ACS3-HMAC-SHA256\n00", "GET\n/\na=<&>")
	const text = "Specified signature does not match our calculation. server StringToSign is ["
	if diff := cmp.Diff(`{"RequestId":"R","HostId":"h:1","Code":"SignatureDoesNotMatch","Message":"`+text+
		`ACS3-HMAC-SHA256\n00] server CanonicalRequest is [GET\n/\na=<&>]"}`, string(AppendError(nil, FormatJSON, "R", "h:1", e))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(xmlProlog+"<Error><RequestId>R</RequestId><HostId>h:1</HostId><Code>SignatureDoesNotMatch</Code><Message>"+text+
		"ACS3-HMAC-SHA256\n00] server CanonicalRequest is [GET\n/\na=&lt;&amp;&gt;]</Message></Error>",
		string(AppendError(nil, FormatXML, "R", "h:1", e))); diff != "" {
		t.Error(diff)
	}
}

func TestContentTypes(t *testing.T) {
	if FormatJSON.ContentType() != "application/json;charset=utf-8" || FormatXML.ContentType() != "text/xml;charset=utf-8" ||
		FormatJSON.String() != "JSON" || FormatXML.String() != "XML" {
		t.Error("clients compare these texts as a whole")
	}
}

// TestStrangeNames checks that a name that XML cannot have does not break the
// document.
func TestStrangeNames(t *testing.T) {
	r := &Reply{RequestID: "R", Action: "a><b", Code: 200, Data: StructData(TextField("x y", "1"), IntField("ok", -7))}
	want := xmlProlog + "<Response><RequestId>R</RequestId><Data><ok>-7</ok></Data><Code>200</Code><Success>true</Success></Response>"
	if got := string(AppendReply(nil, FormatXML, false, r)); got != want {
		t.Error(got)
	}
}

// hasUnicodeEscape reports whether a JSON text has a \u escape.
func hasUnicodeEscape(s string) bool {
	return strings.Contains(strings.ReplaceAll(s, `\\`, ""), `\u`)
}

// textOf returns the character data of the first element of a name.
func textOf(t *testing.T, doc, name string) string {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(doc))
	text, inside := "", false
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return text
		}
		if err != nil {
			t.Fatalf("%v in %q", err, doc)
		}
		switch e := tok.(type) {
		case xml.StartElement:
			inside = e.Name.Local == name
		case xml.EndElement:
			inside = false
		case xml.CharData:
			if inside {
				text += string(e)
			}
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add("Verify", "R", "a&b<c>\"'\\ \u2028\x00\x1f\xff\ufffe", int64(33))
	f.Add("x y", "", "\r\n\t]]>", int64(200))
	f.Add("中", "\\u0026", "\U0001F600\ud7ff\ue000", int64(-1))
	f.Fuzz(func(t *testing.T, action, id, text string, n int64) {
		for _, r := range []Reply{
			{RequestID: id, Action: action, Code: int(n), Message: text, Data: TextData(text)},
			{RequestID: id, Action: action, Code: 200, Data: TextData(text)},
			{RequestID: id, Action: action, Code: 200, Data: StructData(TextField(action, text), IntField("N", n))},
		} {
			for _, stringly := range []bool{false, true} {
				checkJSON(t, string(AppendReply(nil, FormatJSON, stringly, &r)), id)
			}
			if got, want := textOf(t, string(AppendReply(nil, FormatXML, false, &r)), "RequestId"), sanitised(id, true); got != want {
				t.Errorf("RequestId %q, want %q", got, want)
			}
		}
		e := &Error{Code: action, Message: text}
		checkJSON(t, string(AppendError(nil, FormatJSON, id, text, e)), id)
		if got, want := textOf(t, string(AppendError(nil, FormatXML, id, text, e)), "Message"), sanitised(text, true); got != want {
			t.Errorf("Message %q, want %q", got, want)
		}
	})
}

// checkJSON checks that a document parses, keeps its text and has no \u escape.
func checkJSON(t *testing.T, doc, id string) {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(doc), &members); err != nil || hasUnicodeEscape(doc) {
		t.Fatalf("%v in %q", err, doc)
	}
	if want := sanitised(id, false); members["RequestId"] != want {
		t.Errorf("RequestId %q, want %q", members["RequestId"], want)
	}
}

// sanitised is what becomes of a text on the wire.
func sanitised(s string, inXML bool) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' || inXML && (r == 0xFFFE || r == 0xFFFF) {
			return '\uFFFD'
		}
		return r
	}, s)
}
