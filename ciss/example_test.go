package ciss_test

import (
	"bytes"
	"fmt"
	"time"

	"github.com/hallmark-id/hallmark/ciss"
)

// The worked example of docs/ciss.md: what an app sends when it has scanned a
// code, and what the platform answers.
func ExampleChannel() {
	key, err := ciss.ParseKey("0123456789abcdeffedcba9876543210")
	if err != nil {
		panic(err)
	}
	channel, err := ciss.NewChannel("1010000000000099", key, ciss.DefaultSettings(), bytes.NewReader(nil))
	if err != nil {
		panic(err)
	}
	at := time.Date(2024, 1, 2, 3, 4, 5, 0, time.FixedZone("", 8*3600))

	param, err := channel.SealScan(ciss.Scan{AuthID: "5f3c2a9e8b7d4c61a0e1f2d3c4b5a697", Status: ciss.StatusScanned, Time: at})
	if err != nil {
		panic(err)
	}
	scan, err := channel.OpenScan(param, at)
	if err != nil {
		panic(err)
	}
	fmt.Println(scan.AuthID, scan.Status, scan.Signature)

	returnObj, err := channel.SealResponse(ciss.Response{Desc: "成功", Time: at})
	if err != nil {
		panic(err)
	}
	response, err := channel.OpenResponse(returnObj, at.Add(time.Second))
	if err != nil {
		panic(err)
	}
	fmt.Println(response.Desc, response.Signature)
	// Output:
	// 5f3c2a9e8b7d4c61a0e1f2d3c4b5a697 81 7X/UCG7pUC3RnkTCQSJ+YRhmFgW30N0E2EnhDu7RaC8=
	// 成功 5dl+xaW1V1fflMZAwDbn4nIfNV4BaifJycW409t0v2w=
}
