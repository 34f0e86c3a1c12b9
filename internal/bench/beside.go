package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/internal/load"
	"github.com/hallmark-id/hallmark/internal/process"
	"github.com/hallmark-id/hallmark/internal/target"
)

// Other is a server that is measured beside ours: what a user would take instead.
type Other struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	// PID is its process, on this machine, whose CPU counts.
	PID int `json:"pid"`
	// Requests are sent in turn, again and again.
	Requests []OtherRequest `json:"requests"`
	// Success is text that a successful answer, of status 200, holds.
	Success string `json:"success"`
}

// OtherRequest is a request as it is to be sent.
type OtherRequest struct {
	Method string            `json:"method"`
	Path   string            `json:"path"`
	Header map[string]string `json:"header"`
	Body   string            `json:"body"`
}

// ParseOthers reads a JSON array of other servers.
func ParseOthers(text []byte) ([]Other, error) {
	var list []Other
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		return nil, fmt.Errorf("not a list of servers: %w", err)
	}
	for _, o := range list {
		u, err := url.Parse(o.URL)
		switch {
		case o.Name == "" || len(o.Requests) == 0 || o.PID <= 0:
			return nil, errors.New("each server needs a name, a pid and requests")
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			return nil, fmt.Errorf("%s: the url must be http or https", o.Name)
		}
	}
	return list, nil
}

// measurement sends its requests.
func (o *Other) measurement() measurement {
	return measurement{name: o.Name, open: func(context.Context) (Subject, error) {
		dial, err := target.Dialer(o.URL, nil)
		if err != nil {
			return Subject{}, err
		}
		ready, err := o.raw()
		return Subject{Dial: dial, Judge: o.judge, CPU: func() (time.Duration, error) { return process.CPU(o.PID) },
			Prepare: func(_ context.Context, n int) ([]load.Request, error) {
				return slices.Repeat(ready, n/len(ready)+1)[:n], nil
			}}, err
	}}
}

// raw are its requests as they go over the wire.
func (o *Other) raw() ([]load.Request, error) {
	var all []load.Request
	for _, r := range o.Requests {
		req, err := http.NewRequest(r.Method, strings.TrimRight(o.URL, "/")+r.Path, strings.NewReader(r.Body))
		if err != nil {
			return nil, err
		}
		for name, value := range r.Header {
			req.Header.Set(name, value)
		}
		var b bytes.Buffer
		if err := req.Write(&b); err != nil {
			return nil, err
		}
		all = append(all, b.Bytes())
	}
	return all, nil
}

func (o *Other) judge(status int, body []byte) (code, message string) {
	if status == http.StatusOK && bytes.Contains(body, []byte(o.Success)) {
		return "", ""
	}
	return fmt.Sprint("HTTP ", status), string(body[:min(len(body), 200)])
}
