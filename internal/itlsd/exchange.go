package itlsd

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/itls"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/authn"
	"github.com/hallmark-id/hallmark/internal/provision"
	"github.com/hallmark-id/hallmark/internal/requestid"
)

// alerts are the answers to what provisioning refuses; all else is
// itls.AlertGeneric.
var alerts = map[id2.Code]itls.Alert{
	id2.CodeQuota:                itls.AlertNoQuota,
	id2.CodeAuthCode:             itls.AlertAuthCode,
	id2.CodeOTPDisabled:          itls.AlertNotSupported,
	id2.CodeSuspended:            itls.AlertSuspended,
	id2.CodeDiscarded:            itls.AlertDiscarded,
	id2.CodeAlreadyActivated:     itls.AlertOtherProduct,
	id2.CodeProductNotFound:      itls.AlertProductNotFound,
	id2.CodeBusy:                 itls.AlertBusy,
	id2.CodeFingerprint:          itls.AlertFingerprint,
	id2.CodeFingerprintDuplicate: itls.AlertFingerprintDuplicate,
	id2.CodeNotSupported:         itls.AlertKeyType, // of provisioning: the key's kind is not the product's
}

// answer is how an exchange ends: with provision data, or with an alert.
type answer struct {
	request string
	hello   itls.Hello
	data    []byte
	alert   itls.Alert // 0 with provision data
	ours    bool       // the alert is for a fault of the server's own
}

// exchange reads a hello and answers it.
func (s *Server) exchange(conn net.Conn, addr netip.Addr) {
	a := answer{request: requestid.New()}
	var err error
	a.hello, err = itls.ReadHello(conn)
	began := time.Now()
	switch {
	case err == nil:
		s.judge(&a, addr)
	case errors.Is(err, itls.ErrNotProvisioning):
		a.alert = itls.AlertNotSupported
	case errors.Is(err, itls.ErrProductKey):
		a.alert = itls.AlertProductKey
	case errors.Is(err, itls.ErrMalformed):
		a.alert = itls.AlertGeneric
	case errors.Is(err, io.EOF): // it said nothing, as a health check does
		s.options.Metrics.dropped(dropSilent)
		return
	default:
		s.limiter.Failed(addr)
		s.options.Metrics.dropped(dropIncomplete)
		return
	}
	if a.alert != 0 && !a.ours {
		s.limiter.Failed(addr)
	}
	s.options.Metrics.answered(a.alert, time.Since(began))
	if s.options.AccessLog {
		s.options.Log.Info("itls", "request", a.request, "product", a.hello.ProductKey, "alert", int(a.alert), "address", addr)
	}
	send(conn, &a)
}

// judge asks for the device's identity.
func (s *Server) judge(a *answer, addr netip.Addr) {
	got, err := s.options.Provision.Provision(s.ctx, &provision.Request{ProductKey: a.hello.ProductKey, Code: a.hello.AuthCode,
		By: audit.Actor{Name: "itls:" + addr.String(), Request: a.request}})
	var refusal *authn.Refusal
	switch {
	case err == nil:
		a.data = got.Data
	case errors.As(err, &refusal):
		a.alert = alertOf(refusal.Code)
		a.ours = refusal.Code == id2.CodeBusy
	default:
		a.alert, a.ours = itls.AlertGeneric, true
		s.options.Log.Error("the provisioning failed", "request", a.request, "product", a.hello.ProductKey, "error", err)
	}
}

func alertOf(code id2.Code) itls.Alert {
	if alert, ok := alerts[code]; ok {
		return alert
	}
	return itls.AlertGeneric
}

// send sends the answer. The device may have gone; there is nobody to tell, and
// it may ask again.
func send(conn net.Conn, a *answer) {
	record := itls.AppendAlert(nil, a.alert)
	if a.alert == 0 {
		record = itls.AppendAnswer(nil, a.data)
	}
	if conn.SetWriteDeadline(time.Now().Add(answerTimeout)) == nil {
		_, _ = conn.Write(record)
	}
}
