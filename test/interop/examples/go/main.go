// Command go shows a service provider's back end that asks a Hallmark server
// with the vendor's Go SDK. README.md prints the marked part.
//
//	go run ./examples/go random ID2
//	go run ./examples/go verify ID2 AUTHCODE
//
// The first prints a challenge for the device, the second whether the device's
// answer is genuine. The environment names the server and the credential; see
// the documentation of package interop.
package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
)

// README:begin

// call asks the id2 door to perform an action and returns the answer's Data.
func call(client *sdk.Client, action string, params map[string]string) (any, error) {
	server, err := url.Parse(os.Getenv("HALLMARK_URL")) // http://127.0.0.1:8080
	if err != nil {
		return nil, err
	}
	request := requests.NewCommonRequest()
	request.Method = "POST"
	request.Scheme, request.Domain = server.Scheme, server.Host // the one change
	request.Version, request.ApiName = "2017-07-07", action
	request.FormParams["ApiVersion"] = "1.1.2"
	for name, value := range params {
		request.FormParams[name] = value
	}
	response, err := client.ProcessCommonRequest(request)
	if err != nil {
		return nil, err // refused by the gateway: a wrong secret, an unknown action …
	}
	var answer struct {
		Code    int
		Message string
		Data    any
	}
	if err := json.Unmarshal(response.GetHttpContentBytes(), &answer); err != nil {
		return nil, err
	}
	if answer.Code != 200 {
		return nil, fmt.Errorf("%s: code %d: %s", action, answer.Code, answer.Message)
	}
	return answer.Data, nil
}

// random asks for a challenge that the device must answer.
func random(client *sdk.Client, id string) (any, error) {
	return call(client, "GetServerRandom", map[string]string{"Id2": id})
}

// verify asks whether the device's answer is genuine.
func verify(client *sdk.Client, id, authCode string) (any, error) {
	return call(client, "Verify", map[string]string{
		"Id2": id, "AuthCode": authCode, "ProductKey": os.Getenv("HALLMARK_PRODUCT_KEY"),
	})
}

func newClient() (*sdk.Client, error) {
	return sdk.NewClientWithOptions("cn-shanghai", sdk.NewConfig(), credentials.NewAccessKeyCredential(
		os.Getenv("HALLMARK_ACCESS_KEY_ID"), os.Getenv("HALLMARK_ACCESS_KEY_SECRET")))
}

// README:end

func main() {
	data, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(data)
}

func run(args []string) (any, error) {
	client, err := newClient()
	if err != nil {
		return nil, err
	}
	switch {
	case len(args) == 2 && args[0] == "random":
		return random(client, args[1])
	case len(args) == 3 && args[0] == "verify":
		return verify(client, args[1], args[2])
	}
	return nil, fmt.Errorf("usage: random ID2 | verify ID2 AUTHCODE")
}
