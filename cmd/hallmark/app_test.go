package main

import (
	"bytes"
	"context"
	"errors"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hallmark-id/hallmark/internal/scanlogin"
	"github.com/hallmark-id/hallmark/internal/server"
)

// wholeKey is where a script finds its server.
type wholeKey struct{}

// shown is the session whose code a script shows.
type shown struct{ authID, secret string }

// The scripts run a phone against a whole server, whose pages are stood in for by
// the commands code and page.
func TestAppScripts(t *testing.T) {
	codes := make(map[*testscript.TestScript]shown)
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/app",
		Setup: startWholeServer,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"take":    take,
			"oneline": oneLine,
			"code":    func(ts *testscript.TestScript, _ bool, args []string) { codes[ts] = showQR(ts, args) },
			"page":    func(ts *testscript.TestScript, _ bool, args []string) { checkSession(ts, codes[ts], args) },
		},
	})
}

func startWholeServer(env *testscript.Env) error {
	data := filepath.Join(env.WorkDir, "data")
	s, err := server.Start(context.Background(), server.Config{DataDir: data, Listen: "127.0.0.1:0"})
	if err != nil {
		return err
	}
	env.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
	})
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	env.Setenv("URL", s.URL())
	env.Values[wholeKey{}] = s
	return nil
}

func wholeServer(ts *testscript.TestScript) *server.Server {
	return ts.Value(wholeKey{}).(*server.Server)
}

// code FILE [PREFIX] shows a new code: a picture of the kind that the name says,
// or its text.
func showQR(ts *testscript.TestScript, args []string) shown {
	s := wholeServer(ts)
	org, err := s.Registry().Org(context.Background(), "")
	ts.Check(err)
	session, secret, err := s.Scans().Create(context.Background(), org.ID, scanlogin.Requester{Address: "203.0.113.7", Agent: "Firefox"})
	ts.Check(err)
	text := session.AuthID
	if len(args) > 1 {
		text = args[1] + text
	}
	ts.Check(writePicture(ts.MkAbs(args[0]), text))
	return shown{session.AuthID, secret}
}

func writePicture(path, text string) error {
	code, err := scanlogin.NewQR(text)
	if err != nil {
		return err
	}
	data, err := code.PNG(300)
	if err != nil {
		return err
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return err
	}
	var out bytes.Buffer
	switch filepath.Ext(path) {
	case ".png":
		out.Write(data)
	case ".jpg":
		err = jpeg.Encode(&out, picture, nil)
	case ".gif":
		err = gif.Encode(&out, picture, nil)
	default:
		out.WriteString(text + "\n")
	}
	return errors.Join(err, os.WriteFile(path, out.Bytes(), 0o600))
}

// page STATE checks what has become of the code that was shown last.
func checkSession(ts *testscript.TestScript, code shown, args []string) {
	session, err := wholeServer(ts).Scans().Session(context.Background(), code.authID, code.secret)
	ts.Check(err)
	if session.State.String() != args[0] {
		ts.Fatalf("the session is %v, want %s", session.State, args[0])
	}
}
