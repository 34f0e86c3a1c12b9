package openapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/hallmark-id/hallmark/openapi"
)

// A server makes its checks in this order; a client needs an endpoint and an
// access key.
func Example() {
	credential := openapi.NewCredential("exampleId", "exampleSecret")

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, openapi.MaxBody))
		var q openapi.Request
		refused := q.Decode(r, body)
		if refused == nil {
			refused = q.CheckSystem()
		}
		if refused == nil && q.Action != "GetServerRandom" {
			refused = openapi.ErrActionNotFound
		}
		if refused == nil && q.AccessKeyID != credential.AccessKeyID() {
			refused = openapi.ErrAccessKeyNotFound
		}
		if refused == nil {
			refused = q.CheckTime(time.Now(), 15*time.Minute)
		}
		if refused == nil {
			refused = q.Verify(credential)
		}
		// A real server also refuses a nonce that was used before.
		w.Header().Set("Content-Type", q.Format.ContentType())
		if refused != nil {
			w.WriteHeader(refused.Status)
			w.Write(openapi.AppendError(nil, q.Format, "EXAMPLE", r.Host, refused))
			return
		}
		w.Write(openapi.AppendReply(nil, q.Format, false, &openapi.Reply{RequestID: "EXAMPLE", Action: q.Action,
			Code: openapi.CodeOK, Data: openapi.TextData("6F5DDB5F21C28F06484A4695FAB90000")}))
	}))
	defer server.Close()

	client, err := openapi.NewClient(openapi.ClientOptions{Endpoint: server.URL, Credential: credential})
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := client.Call(context.Background(), "GetServerRandom", []openapi.Param{{Name: "Id2", Value: "00FFFF00FFFFFF1DB47A0001"}})
	fmt.Println(result.Code, string(result.Data), err)

	_, err = client.Call(context.Background(), "Nonsense", nil)
	fmt.Println(err)
	// Output:
	// 200 "6F5DDB5F21C28F06484A4695FAB90000" <nil>
	// InvalidAction.NotFound: Specified api is not found, please check your url and method.
}
