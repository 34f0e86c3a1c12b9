package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/hallmark-id/hallmark/internal/durable"
	"github.com/hallmark-id/hallmark/internal/operator"
)

// CertRevokeCmd revokes certificates.
type CertRevokeCmd struct {
	Serial []string `arg:"" optional:"" help:"Their serial numbers in decimal."`
	File   string   `placeholder:"FILE|-" help:"Revoke those of a file as well, one serial number a line; - for standard input."`
	Reason string   `enum:"unspecified,key-compromise,affiliation-changed,superseded,cessation-of-operation,privilege-withdrawn" default:"unspecified" placeholder:"REASON" help:"Why: ${enum}."`
}

// Help implements kong.HelpProvider.
func (CertRevokeCmd) Help() string {
	return "They are in the revocation list within a second or two. A key that was revoked as key-compromise is never certified again. " +
		"Certificates that cannot be revoked are named and do not stop the rest; the exit status is then 3.\n\nExample:\n\n" +
		"    hallmark --data ./data cert revoke 1840033 --reason key-compromise\n" +
		"    hallmark --data ./data cert revoke --file stolen.txt --reason cessation-of-operation"
}

// revokeChunk is how many certificates one request revokes.
const revokeChunk = 500

// Run revokes certificates.
func (cmd *CertRevokeCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	serials, err := cmd.serials(e)
	if err != nil {
		return err
	}
	if len(serials) == 0 {
		return usage("which certificates? give serial numbers, or --file FILE")
	}
	reason := strings.ToUpper(strings.ReplaceAll(cmd.Reason, "-", "_"))
	all := operator.Revocations{Refused: []operator.RefusedRevoking{}}
	bar := e.counting("revoking", len(serials))
	for chunk := range slices.Chunk(serials, revokeChunk) {
		done, err := c.RevokeCertificates(ctx, operator.RevocationsSpec{Serials: chunk, Reason: reason})
		if err != nil {
			bar.finish()
			return withHint(fmt.Errorf("%d are revoked, then it broke off: %w", all.Revoked, err), "run it again: those that are revoked are only named as refused")
		}
		all.Revoked += done.Revoked
		all.Refused = append(all.Refused, done.Refused...)
		bar.add(len(chunk))
	}
	bar.finish()
	return e.printRevocations(all)
}

// serials are those of the command line and of the file; empty lines and those
// that begin with # do not count.
func (cmd *CertRevokeCmd) serials(e *Env) ([]string, error) {
	all := cmd.Serial
	if cmd.File == "" {
		return all, nil
	}
	file, err := e.open(cmd.File)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && line[0] != '#' {
			all = append(all, line)
		}
	}
	return all, lines.Err()
}

func (e *Env) printRevocations(all operator.Revocations) error {
	err := e.show(all, func(w io.Writer) {
		fmt.Fprintf(w, "revoked %d, refused %d\n", all.Revoked, len(all.Refused))
		t := table{header: []string{"SERIAL", "REASON"}}
		for _, r := range all.Refused[:min(len(all.Refused), shownRefusals)] {
			t.add(r.Serial, r.Reason)
		}
		if len(t.rows) > 0 {
			t.write(w)
		}
	})
	if err == nil && len(all.Refused) > 0 {
		err = &partlyError{fmt.Sprintf("certificates refused: %d; the rest is revoked", len(all.Refused)), ""}
	}
	return err
}

// CertIssueAllCmd certifies many devices.
type CertIssueAllCmd struct {
	kindFlag

	Dir  string `arg:"" help:"Directory of requests, each named after its device: DEVICE.csr."`
	Out  string `required:"" placeholder:"DIR" help:"Directory for the certificates: DEVICE.pem. A device that has one there is passed over."`
	Days int    `placeholder:"N" help:"How long they are valid; the product's default if not given."`
}

// Help implements kong.HelpProvider.
func (CertIssueAllCmd) Help() string {
	return "DEVICE is an id2 or an asset id. Requests that are refused are named and do not stop the rest; the exit status is then 3. " +
		"Run it again after it broke off: it goes on where it was.\n\nExample:\n\n" +
		"    hallmark --data ./data cert issue-all requests/ --out certificates/ --kind ecc"
}

// bulkWorkers is how many requests are under way at once.
const bulkWorkers = 8

// Issued is what issuing many answers.
type Issued struct {
	Issued    int               `json:"issued"`
	Unchanged int               `json:"unchanged"`
	Refused   []RefusedIssuance `json:"refused"`
}

// RefusedIssuance is a request that was refused.
type RefusedIssuance struct {
	Device string `json:"device"`
	Reason string `json:"reason"`
}

// Run certifies many devices.
func (cmd *CertIssueAllCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(cmd.Dir, "*.csr"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there is no *.csr in %s", cmd.Dir)
	}
	if err = errors.Join(err, os.MkdirAll(cmd.Out, 0o755)); err != nil {
		return err
	}
	bulk := &issuingAll{cmd: cmd, client: c, env: e, bar: e.counting("issuing", len(files))}
	err = bulk.run(ctx, files)
	bulk.bar.finish()
	if err != nil {
		return withHint(fmt.Errorf("%d are issued, then it broke off: %w", bulk.out.Issued, err), "run it again: it goes on where it was")
	}
	return e.printIssuedAll(bulk.out)
}

// issuingAll is the work of many at once.
type issuingAll struct {
	cmd    *CertIssueAllCmd
	client *operator.Client
	env    *Env
	bar    progress

	mu  sync.Mutex // guards what follows
	out Issued
	err error
}

func (b *issuingAll) run(ctx context.Context, files []string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan string)
	var workers sync.WaitGroup
	for range bulkWorkers {
		workers.Go(func() {
			for file := range queue {
				if err := b.one(ctx, file); err != nil {
					b.fail(err)
					cancel()
				}
			}
		})
	}
	for _, file := range files {
		select {
		case queue <- file:
			continue
		case <-ctx.Done():
			b.fail(ctx.Err())
		}
		break
	}
	close(queue)
	workers.Wait()
	slices.SortFunc(b.out.Refused, func(x, y RefusedIssuance) int { return cmp.Compare(x.Device, y.Device) })
	return b.err
}

// fail keeps the first error.
func (b *issuingAll) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = cmp.Or(b.err, err)
}

// one certifies a device. An error ends all: it is not about this request.
func (b *issuingAll) one(ctx context.Context, file string) error {
	device := strings.TrimSuffix(filepath.Base(file), ".csr")
	target := filepath.Join(b.cmd.Out, device+".pem")
	if _, err := os.Stat(target); !errors.Is(err, fs.ErrNotExist) {
		b.count(func(o *Issued) { o.Unchanged++ })
		return err
	}
	csr, err := b.env.readText(file)
	if err != nil {
		return err
	}
	k, err := b.client.IssueCertificate(ctx, operator.CertificateSpec{Device: device, CSRPEM: csr, Days: b.cmd.Days, Kind: b.cmd.Kind})
	var refusal *operator.Error
	switch {
	case errors.As(err, &refusal) && refusal.Status >= 400 && refusal.Status < 500 && refusal.Status != 401:
		b.count(func(o *Issued) { o.Refused = append(o.Refused, RefusedIssuance{device, refusal.Message}) })
		return nil
	case err != nil:
		return err
	}
	if err := durable.WriteFile(target, []byte(k.PEM), 0o644); err != nil {
		return err
	}
	b.count(func(o *Issued) { o.Issued++ })
	return nil
}

func (b *issuingAll) count(change func(*Issued)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.out)
	b.bar.add(1)
}

func (e *Env) printIssuedAll(all Issued) error {
	if all.Refused == nil {
		all.Refused = []RefusedIssuance{}
	}
	err := e.show(all, func(w io.Writer) {
		fmt.Fprintf(w, "issued %d, unchanged %d, refused %d\n", all.Issued, all.Unchanged, len(all.Refused))
		t := table{header: []string{"DEVICE", "REASON"}}
		for _, r := range all.Refused[:min(len(all.Refused), shownRefusals)] {
			t.add(r.Device, r.Reason)
		}
		if len(t.rows) > 0 {
			t.write(w)
		}
	})
	if err == nil && len(all.Refused) > 0 {
		err = &partlyError{fmt.Sprintf("requests refused: %d; the rest is issued", len(all.Refused)), "correct them and run it again"}
	}
	return err
}
