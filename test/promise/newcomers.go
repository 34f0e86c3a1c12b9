package promise

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/operator"
	"github.com/hallmark-id/hallmark/openapi"
)

// Newcomers are devices on their first day, and the back end that passes on what
// they ask. Each has the token of one product and a fingerprint of its own; the
// product has licences for some of them only.
type Newcomers struct {
	Product string

	quota      int64
	token      id2.Token
	credential *openapi.Credential
	clients    []*openapi.Client // one for each server
	devices    []newcomer
	serial     atomic.Uint64
}

// newcomer is one of them. Only one goroutine at a time plays it.
type newcomer struct {
	answer    id2.Code // 0 until one has come
	tries     int
	remaining int64 // as it was told
	id        string
	key       id2.PrivateKey
	proven    bool // has authenticated
}

// NewNewcomers makes a product with a quota, n devices and an API client.
func NewNewcomers(ctx context.Context, op *operator.Client, n int, quota int64) (*Newcomers, error) {
	p, err := op.CreateProduct(ctx, operator.ProductSpec{Name: "newcomers", Algorithm: "aes128", Quota: &quota, OTP: true})
	if err != nil {
		return nil, err
	}
	token, err := id2.ParseToken(p.ProductSecret)
	if err != nil {
		return nil, err
	}
	access, err := op.CreateAPIClient(ctx, operator.ClientSpec{Door: "id2"})
	return &Newcomers{Product: p.ProductKey, quota: quota, token: token, devices: make([]newcomer, n),
		credential: openapi.NewCredential(access.AccessKeyID, access.AccessKeySecret)}, err
}

// Connect points the back end at one or more servers, among which it spreads the
// devices. No request may be under way.
func (n *Newcomers) Connect(transport *http.Transport, urls ...string) error {
	n.clients = nil
	for _, url := range urls {
		c, err := openapi.NewClient(openapi.ClientOptions{Endpoint: url, Credential: n.credential,
			HTTP: &http.Client{Transport: transport, Timeout: 5 * time.Minute}})
		if err != nil {
			return err
		}
		n.clients = append(n.clients, c)
	}
	return nil
}

// client is the one that asks for a device.
func (n *Newcomers) client(device int) *openapi.Client { return n.clients[device%len(n.clients)] }

// Provision lets every device ask that has no answer yet, workers of them at
// once, until ctx ends or a worker meets an error that again does not forgive;
// a forgiven device asks again, with a new code. It calls answered with the
// number of answers so far.
func (n *Newcomers) Provision(ctx context.Context, workers int, answered func(int64), forgive func(error) bool) error {
	var count atomic.Int64
	return n.each(workers, func(i int) error {
		d := &n.devices[i]
		for ctx.Err() == nil && d.answer == 0 {
			answer, err := n.ask(ctx, i)
			if err == nil && answer == id2.CodeBusy {
				err = errBusy
			}
			switch {
			case err != nil && !forgive(err):
				return err
			case err != nil:
			case answer != id2.CodeOK && answer != id2.CodeQuota:
				return fmt.Errorf("%w: newcomer %d got %d", ErrRefused, i, answer)
			default:
				d.answer = answer
				answered(count.Add(1))
			}
		}
		return nil
	})
}

// AskAgain lets every device that was told its identity ask for another, workers
// of them at once: it must get the same id with a new key as long as it has not
// authenticated, and be refused with 57 from then on.
func (n *Newcomers) AskAgain(ctx context.Context, workers int) error {
	return n.each(workers, func(i int) error {
		d := &n.devices[i]
		if d.answer != id2.CodeOK {
			return nil
		}
		id, key, want := d.id, d.key.Public(), id2.CodeOK
		if d.proven {
			want = id2.CodeFingerprintDuplicate
		}
		answer, err := n.ask(ctx, i)
		now := d.key.Public()
		if err == nil && (answer != want || d.id != id || (now == key) != d.proven) {
			err = fmt.Errorf("%w: newcomer %d, proven %v, asked again: %d, id %s became %s", ErrRefused, i, d.proven, answer, id, d.id)
		}
		return err
	})
}

// each plays all devices, one after the other in each worker.
func (n *Newcomers) each(workers int, play func(i int) error) error {
	var next atomic.Int64
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(n.devices) && errs[w] == nil; i = int(next.Add(1)) - 1 {
				errs[w] = play(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// errBusy says that the server does not know the outcome itself.
var errBusy = errors.New("the server is busy")

// ask makes a code with a new session key, sends it, and loads the identity if
// the answer has one.
func (n *Newcomers) ask(ctx context.Context, i int) (id2.Code, error) {
	d := &n.devices[i]
	d.tries++
	request := id2.OTPRequest{KeyType: n.token.KeyType, Fingerprint: fmt.Appendf(nil, "newcomer %d", i)}
	if _, err := rand.Read(request.SessionKey[:]); err != nil {
		return 0, err
	}
	code, err := request.AuthCode(n.token)
	if err != nil {
		return 0, err
	}
	res, err := n.client(i).Call(ctx, "OtpGetId2", params("DeviceAuthCode", base64.StdEncoding.EncodeToString(code)))
	if err != nil {
		return 0, err
	}
	if res.Code == int(id2.CodeOK) {
		err = d.load(&request, res.Data)
	}
	return id2.Code(res.Code), err
}

// load takes the identity out of an answer.
func (d *newcomer) load(request *id2.OTPRequest, answer json.RawMessage) error {
	var data struct {
		Remaining     int64
		ProvisionData []byte
	}
	err := json.Unmarshal(answer, &data)
	if err == nil {
		d.id, d.key, err = request.OpenProvisionData(data.ProvisionData)
	}
	if err != nil {
		return fmt.Errorf("%w: provision data: %w", ErrRefused, err)
	}
	d.remaining = data.Remaining
	return nil
}

// Authenticate lets every device that has an identity prove itself by the time,
// workers of them at once.
func (n *Newcomers) Authenticate(ctx context.Context, workers int) error {
	return n.each(workers, func(i int) error {
		d := &n.devices[i]
		if d.answer != id2.CodeOK {
			return nil
		}
		c := id2.AuthCode{Kind: id2.Timestamp, Hash: id2.SHA256, DeviceRandom: fmt.Sprintf("%016X", n.serial.Add(1)),
			Value: strconv.FormatInt(time.Now().UnixMilli(), 10)}
		var err error
		c.Signature, err = d.key.Sign(rand.Reader, c.Hash, id2.AppendMessage(nil, d.id, c.DeviceRandom, c.Value, nil))
		if err != nil {
			return err
		}
		res, err := n.client(i).Call(ctx, "Verify", params("Id2", d.id, "ProductKey", n.Product, "AuthCode", c.String()))
		if err == nil && res.Code != int(id2.CodeOK) {
			err = fmt.Errorf("%w: newcomer %d, %s, cannot authenticate: %d", ErrRefused, i, d.id, res.Code)
		}
		d.proven = d.proven || err == nil
		return err
	})
}

// CheckIdentities looks for an id that was handed out twice.
func (n *Newcomers) CheckIdentities() error {
	owner := make(map[string]int, len(n.devices))
	for i := range n.devices {
		d := &n.devices[i]
		if d.answer != id2.CodeOK {
			continue
		}
		if other, twice := owner[d.id]; twice {
			return fmt.Errorf("newcomers %d and %d both got %s", other, i, d.id)
		}
		owner[d.id] = i
	}
	return nil
}

// CheckLedger compares all that the database counts with each other and with
// what was promised: no fewer licences than devices that were told their
// identity, no more than devices that asked or than the quota.
func (n *Newcomers) CheckLedger(ctx context.Context, db *sql.DB) error {
	var used, licences, licensed, devices, fingerprints int64
	err := db.QueryRowContext(ctx, `SELECT (SELECT used FROM products WHERE product_key = $1),
		(SELECT count(*) FROM licences WHERE product_key = $1), (SELECT count(DISTINCT asset) FROM licences WHERE product_key = $1),
		(SELECT count(*) FROM devices WHERE product_key = $1),
		(SELECT count(*) FROM fingerprints JOIN devices ON devices.asset = fingerprints.asset WHERE product_key = $1)`, n.Product).
		Scan(&used, &licences, &licensed, &devices, &fingerprints)
	if err != nil {
		return err
	}
	if counts := []int64{used, licences, licensed, devices, fingerprints}; slices.Min(counts) != slices.Max(counts) {
		return fmt.Errorf("licences used, in the ledger, by device; devices, fingerprints: %d", counts)
	}
	told, asked := n.count(func(d *newcomer) bool { return d.answer == id2.CodeOK }), n.count(func(d *newcomer) bool { return d.tries > 0 })
	if used < told || used > min(asked, n.quota) {
		return fmt.Errorf("%d licences used; %d devices have an identity, %d asked for one, the quota is %d", used, told, asked, n.quota)
	}
	return nil
}

// CheckSpentQuota wants as many identities as the quota, every other device
// refused for want of a licence, and nothing open.
func (n *Newcomers) CheckSpentQuota() error {
	told, refused := n.count(func(d *newcomer) bool { return d.answer == id2.CodeOK }), n.count(func(d *newcomer) bool { return d.answer == id2.CodeQuota })
	if told != n.quota || told+refused != int64(len(n.devices)) {
		return fmt.Errorf("of %d devices %d were provisioned and %d refused; the quota is %d", len(n.devices), told, refused, n.quota)
	}
	return nil
}

// CheckRemaining wants each number of licences left to have been told once, from
// one below the quota down to 0. It holds when no answer was lost.
func (n *Newcomers) CheckRemaining() error {
	left := make([]int64, 0, n.quota)
	for i := range n.devices {
		if d := &n.devices[i]; d.answer == id2.CodeOK {
			left = append(left, d.remaining)
		}
	}
	slices.Sort(left)
	for want, got := range left {
		if got != int64(want) {
			return fmt.Errorf("nobody was told that %d are left; told: %d …", want, left[:min(len(left), want+3)])
		}
	}
	return nil
}

func (n *Newcomers) count(which func(*newcomer) bool) (c int64) {
	for i := range n.devices {
		if which(&n.devices[i]) {
			c++
		}
	}
	return c
}

// Summary tells how much was tried.
func (n *Newcomers) Summary() string {
	tries := 0
	for i := range n.devices {
		tries += n.devices[i].tries
	}
	return fmt.Sprintf("%d devices asked %d times, %d were provisioned", len(n.devices), tries,
		n.count(func(d *newcomer) bool { return d.answer == id2.CodeOK }))
}
