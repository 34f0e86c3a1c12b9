package ciss

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Request is the body of a request.
type Request struct {
	AppID string // in clear text
	Param string // the sealed message
}

// ErrBody tells that a body is not the JSON object it should be.
var ErrBody = errors.New("ciss: the body must be a JSON object with the texts appId and param")

// ParseRequest reads the body of a request. In lenient mode it reads what the
// examples of the vendor's document show (ciss §2.5).
func ParseRequest(body []byte, lenient bool) (Request, error) {
	if len(body) > MaxBody {
		return Request{}, ErrBody
	}
	members, err := parseMembers(body, lenient)
	if err != nil {
		return Request{}, ErrBody
	}
	id, param := find(members, nameAppID), find(members, nameParam)
	if id == nil || param == nil || id.null || param.null || len(members) > 2 && !lenient {
		return Request{}, ErrBody
	}
	return Request{AppID: id.value, Param: param.value}, nil
}

// Append writes the request as JSON.
func (r Request) Append(out []byte) []byte {
	return appendMembers(out, []member{{name: nameAppID, value: r.AppID}, {name: nameParam, value: r.Param}})
}

// Answer is the body of an answer.
type Answer struct {
	StatusCode int
	ReturnObj  string // sealed, but for status 212; empty when null or absent
}

// Append writes the answer as JSON.
func (a Answer) Append(out []byte) []byte {
	out = strconv.AppendInt(append(out, `{"statusCode":`...), int64(a.StatusCode), 10)
	out = append(out, `,"returnObj":`...)
	if a.ReturnObj == "" {
		out = append(out, "null"...)
	} else {
		out = appendText(out, a.ReturnObj)
	}
	return append(out, '}')
}

// ParseAnswer reads the body of an answer.
func ParseAnswer(body []byte) (Answer, error) {
	var a struct {
		StatusCode *int    `json:"statusCode"`
		ReturnObj  *string `json:"returnObj"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return Answer{}, fmt.Errorf("ciss: unreadable answer: %w", err)
	}
	if a.StatusCode == nil {
		return Answer{}, errors.New("ciss: the answer has no statusCode")
	}
	answer := Answer{StatusCode: *a.StatusCode}
	if a.ReturnObj != nil {
		answer.ReturnObj = *a.ReturnObj
	}
	return answer, nil
}
