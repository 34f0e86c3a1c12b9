package browser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a page in a browser of its own, with all that went wrong in it.
type tab struct {
	*testing.T
	ctx context.Context

	mu     sync.Mutex
	errors []string
}

// newTab opens a page in a new browser whose user prefers a language.
func newTab(t *testing.T, language string) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.WSURLReadTimeout(time.Minute))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		// The browser is gone, and so its files, before the test's directory goes.
		_ = chromedp.Cancel(ctx)
		cancel()
	})
	ctx, cancel = context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(cancel)
	p := &tab{T: t, ctx: ctx}
	chromedp.ListenTarget(ctx, p.hear)
	p.run(network.Enable(), cdplog.Enable(), runtime.Enable(),
		network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": language}), chromedp.EmulateViewport(1280, 900))
	t.Cleanup(p.noErrors)
	return p
}

// hear keeps what the browser complains of: scripts that throw, the content
// security policy, requests that fail.
func (p *tab) hear(event any) {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		p.complain(e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			p.complain(fmt.Sprint("console: ", string(e.Args[0].Value)))
		}
	case *cdplog.EventEntryAdded:
		p.complain(fmt.Sprint(e.Entry.Source, ": ", e.Entry.Text, " ", e.Entry.URL))
	}
}

func (p *tab) complain(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors = append(p.errors, text)
}

// forgive expects one complaint that holds a text, such as of a status that the
// test provokes.
func (p *tab) forgive(part string) {
	p.Helper()
	p.until("the browser complains of "+part, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for i, e := range p.errors {
			if strings.Contains(e, part) {
				p.errors = append(p.errors[:i], p.errors[i+1:]...)
				return true
			}
		}
		return false
	})
}

func (p *tab) noErrors() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.errors {
		p.Error("the browser complains: ", e)
	}
}

func (p *tab) run(actions ...chromedp.Action) {
	p.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.picture("failed")
		p.Fatal(err)
	}
}

func (p *tab) open(url string) { p.Helper(); p.run(chromedp.Navigate(url)) }

// until waits for a condition, up to the end of the tab's time.
func (p *tab) until(what string, holds func() bool) {
	p.Helper()
	for !holds() {
		select {
		case <-p.ctx.Done():
			p.Fatal("never: ", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// shows waits until an element shows a text.
func (p *tab) shows(selector, part string) {
	p.Helper()
	var seen string
	for {
		err := chromedp.Run(p.ctx, chromedp.Evaluate(fmt.Sprintf(`(document.querySelector(%q) || {}).innerText || ""`, selector), &seen))
		if err == nil && strings.Contains(seen, part) {
			return
		}
		if p.ctx.Err() != nil {
			p.picture("failed")
			p.Fatalf("%s shows %q, never %q", selector, seen, part)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *tab) fill(selector, value string) {
	p.Helper()
	p.run(chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.SendKeys(selector, value, chromedp.ByQuery))
}

func (p *tab) click(selector string) {
	p.Helper()
	p.run(chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.Click(selector, chromedp.ByQuery))
}

func (p *tab) evaluate(expression string) (s string) {
	p.Helper()
	p.run(chromedp.Evaluate(expression, &s))
	return s
}

// dark makes the browser prefer dark or light pages.
func (p *tab) dark(dark bool) {
	p.Helper()
	scheme := map[bool]string{true: "dark", false: "light"}[dark]
	p.run(emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
}

// phone makes the window as narrow as a phone's.
func (p *tab) phone() {
	p.Helper()
	p.run(chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2)))
}

// fits checks that the page does not scroll sideways.
func (p *tab) fits(what string) {
	p.Helper()
	if got := p.evaluate(`String(document.documentElement.scrollWidth - document.documentElement.clientWidth)`); got != "0" {
		p.Errorf("%s is %s pixels wider than the window", what, got)
	}
}

// picture keeps a screenshot where SCREENSHOTS says, else in the system's
// directory for temporary files.
func (p *tab) picture(name string) {
	p.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), "hallmark-screenshots")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.Fatal(err)
	}
	var shot []byte
	err := chromedp.Run(p.ctx, chromedp.ActionFunc(func(ctx context.Context) (err error) {
		shot, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).Do(ctx)
		return err
	}))
	if err != nil {
		p.Log("no picture: ", err)
		return
	}
	path := filepath.Join(dir, name+".png")
	if err := os.WriteFile(path, shot, 0o644); err != nil {
		p.Fatal(err)
	}
	p.Log("picture: ", path)
}
