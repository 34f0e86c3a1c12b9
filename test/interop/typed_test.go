package interop

import (
	"encoding/json"
	"testing"

	"github.com/alibabacloud-go/tea/dara"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"
)

// verifyRequest and verifyResponse are what the SDK's generator writes for an
// action of this product.
type verifyRequest struct {
	*requests.RpcRequest
	APIVersion string `position:"Query" name:"ApiVersion"`
	ID2        string `position:"Query" name:"Id2"`
	AuthCode   string `position:"Query" name:"AuthCode"`
	ProductKey string `position:"Query" name:"ProductKey"`
}

type verifyResponse struct {
	*responses.BaseResponse
	RequestID string `json:"RequestId" xml:"RequestId"`
	Code      int    `json:"Code" xml:"Code"`
	Success   bool   `json:"Success" xml:"Success"`
	Data      bool   `json:"Data" xml:"Data"`
}

// TestTypedCommon has the generated kind of classes of alibaba-cloud-sdk-go
// decode, in both formats, a success and a failure, which has no data.
func TestTypedCommon(t *testing.T) {
	w := newWorld(t)
	c, err := newCommon(w.good)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"JSON", "XML"} {
		code := w.device.timestampCode(t, "")
		for _, want := range []int{200, 34} {
			r := &verifyRequest{RpcRequest: &requests.RpcRequest{}, APIVersion: "1.1.2", ID2: w.device.id, AuthCode: code, ProductKey: w.productKey}
			r.InitWithApiInfo("ID2", "2017-07-07", "Verify", "", "")
			r.Scheme, r.Domain, r.AcceptFormat = w.url.Scheme, w.url.Host, format
			a := &verifyResponse{BaseResponse: &responses.BaseResponse{}}
			if err := c.DoAction(r, a); err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			if ok := want == 200; a.Code != want || a.Success != ok || a.Data != ok || a.RequestID == "" {
				t.Errorf("%s: %+v, want %d", format, a, want)
			}
		}
	}
}

// TestTypedDarabonba has dara.Convert fill a model of the generated kind.
func TestTypedDarabonba(t *testing.T) {
	w := newWorld(t)
	for _, c := range clients[1:] {
		b := &bench{w, c, c.layouts[0]}
		code := w.device.timestampCode(t, "")
		for _, want := range []int32{200, 34} {
			text, err := b.send(w, b.request("Verify", w.verify(w.device, code)))
			var body map[string]any
			if err != nil || json.Unmarshal(text, &body) != nil {
				t.Fatalf("%s: %v", text, err)
			}
			var a struct {
				RequestID *string `json:"RequestId"`
				Code      *int32  `json:"Code"`
				Success   *bool   `json:"Success"`
				Data      *bool   `json:"Data"`
			}
			if err := dara.Convert(body, &a); err != nil {
				t.Fatal(err)
			}
			if ok := want == 200; *a.Code != want || *a.Success != ok || (a.Data != nil) != ok || *a.RequestID == "" {
				t.Errorf("%s: %s, want %d", c.signature, text, want)
			}
		}
	}
}
