//go:build pcsc

package pcsc

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/id2/device"
	"github.com/hallmark-id/hallmark/id2/se"
	"github.com/hallmark-id/hallmark/id2/se/virtual"
	"github.com/hallmark-id/hallmark/internal/pcsctest"
)

const testID = "00AAABBB11122281FE15B400"

// newCard makes a card with an id and a key.
func newCard(t *testing.T, style virtual.Style, a id2.Algorithm) (*virtual.Card, id2.Key) {
	t.Helper()
	id, err := hex.DecodeString(testID)
	if err != nil {
		t.Fatal(err)
	}
	key, err := id2.GeneratePrivateKey(rand.Reader, a)
	if err != nil {
		t.Fatal(err)
	}
	card := virtual.New(rand.Reader, virtual.Config{Style: style, Vendor: se.Watchdata, ID: id})
	if err := card.SetKey(0, key); err != nil {
		t.Fatal(err)
	}
	return card, key.Public()
}

// present waits until the daemon has seen so many cards.
func present(t *testing.T, d *pcsctest.Daemon, driver Driver, want int) []Reader {
	t.Helper()
	var readers []Reader
	d.Await("the card is seen", func() bool {
		var err error
		if readers, err = driver.Readers(); err != nil {
			t.Fatal(err)
		}
		cards := 0
		for _, r := range readers {
			if r.Card {
				cards++
			}
		}
		return len(readers) == pcsctest.Slots && cards == want
	})
	return readers
}

// The whole device client over a card in a reader, in every style of answering
// and both protocols.
func TestPCSCDevice(t *testing.T) {
	d := pcsctest.Start(t)
	driver := Driver{Socket: d.Socket, Reader: "test reader"}
	for _, c := range []struct {
		name      string
		style     virtual.Style
		atr       []byte
		algorithm id2.Algorithm
	}{
		{"AES, T=1", virtual.Direct, pcsctest.T1, id2.AES128},
		{"AES-256, T=0, 61xx", virtual.T0, pcsctest.T0, id2.AES256},
		{"3DES, T=0, 61xx and 6Cxx", virtual.T0Exact, pcsctest.T0, id2.TDES168},
		{"SM4, T=1, 61xx", virtual.T0, pcsctest.T1, id2.SM4},
		{"SM2, T=0", virtual.T0, pcsctest.T0, id2.SM2},
		{"SM2, T=1", virtual.Direct, pcsctest.T1, id2.SM2},
	} {
		t.Run(c.name, func(t *testing.T) {
			card, key := newCard(t, c.style, c.algorithm)
			in := d.Insert(0, card, c.atr)
			defer present(t, d, driver, 0)
			defer in.Remove()
			for _, r := range present(t, d, driver, 1) {
				if r.Card && hex.EncodeToString(r.ATR) != hex.EncodeToString(c.atr) {
					t.Errorf("ATR %x", r.ATR)
				}
			}
			use(t, driver, c.algorithm, key)
		})
	}
}

// use goes through what a device does.
func use(t *testing.T, driver Driver, a id2.Algorithm, key id2.Key) {
	t.Helper()
	applet, err := se.Open(driver)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := applet.Close(); err != nil {
			t.Error(err)
		}
	}()
	if info, err := applet.VendorInfo(); err != nil || info.Vendor != se.Watchdata {
		t.Errorf("%+v, %v", info, err)
	}
	carrier, err := device.NewSecureElement(applet, a, id2.Key{})
	if err != nil {
		t.Fatal(err)
	}
	dev := device.NewClient(carrier, rand.Reader)
	if id, err := dev.ID(); err != nil || id != testID {
		t.Fatalf("%q, %v", id, err)
	}
	for _, extra := range [][]byte{nil, []byte("firmware 1.4.2")} {
		code, err := dev.ChallengeAuthCode("55B83408399FA660F05C82E4F25333DC", extra)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := id2.ParseAuthCode(code)
		if err != nil {
			t.Fatal(err)
		}
		message := id2.AppendMessage(nil, testID, parsed.DeviceRandom, parsed.Value, extra)
		if !key.Verify(parsed.Hash, message, parsed.Signature) {
			t.Errorf("the code is not genuine: %s", code)
		}
	}
	// 900 bytes take four blocks, and an answer of SM2 several parts.
	for _, n := range []int{1, 200, 900} {
		plain := strings.Repeat("x", n)
		sealed, err := key.Encrypt(rand.Reader, []byte(plain))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := dev.Decrypt(sealed); err != nil || string(got) != plain {
			t.Errorf("%d bytes: %q, %v", n, got, err)
		}
	}
}

// A card that is pulled out ends its session; the next one finds the next card.
func TestPCSCRemovalInMidSession(t *testing.T) {
	d := pcsctest.Start(t)
	driver := Driver{Socket: d.Socket, Reader: "reader"}
	card, key := newCard(t, virtual.Direct, id2.AES128)
	in := d.Insert(0, card, pcsctest.T1)
	present(t, d, driver, 1)
	applet, err := se.Open(driver)
	if err != nil {
		t.Fatal(err)
	}
	carrier, err := device.NewSecureElement(applet, id2.AES128, id2.Key{})
	if err != nil {
		t.Fatal(err)
	}
	dev := device.NewClient(carrier, rand.Reader)
	if _, err := dev.ChallengeAuthCode("1", nil); err != nil {
		t.Fatal(err)
	}
	in.Remove()
	_, err = dev.ChallengeAuthCode("2", nil)
	if !errors.Is(err, device.ErrCommunication) || !errors.Is(err, se.ErrSession) {
		t.Errorf("at once: %v", err)
	}
	present(t, d, driver, 0)
	_, err = dev.ChallengeAuthCode("3", nil)
	if !errors.Is(err, device.ErrCommunication) || !errors.Is(err, RemovedCard) {
		t.Errorf("when the daemon has noticed: %v", err)
	}
	if err := applet.Close(); err != nil {
		t.Error(err)
	}
	if _, err := se.Open(driver); !errors.Is(err, NoCard) {
		t.Errorf("an empty reader: %v", err)
	}
	again := d.Insert(1, card, pcsctest.T0)
	defer again.Remove()
	present(t, d, driver, 1)
	use(t, driver, id2.AES128, key)
}

// Another program's reset is told, and a session of its own works again.
func TestPCSCResetInMidSession(t *testing.T) {
	d := pcsctest.Start(t)
	driver := Driver{Socket: d.Socket, Shared: true}
	card, key := newCard(t, virtual.Direct, id2.AES128)
	d.Insert(0, card, pcsctest.T1)
	present(t, d, driver, 1)
	applet, err := se.Open(driver)
	if err != nil {
		t.Fatal(err)
	}
	other, err := driver.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := applet.ID(); err != nil {
		t.Errorf("beside another program: %v", err)
	}
	other.(*session).leave = resetCard
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := applet.ID(); !errors.Is(err, ResetCard) || !errors.Is(err, se.ErrSession) {
		t.Errorf("after a reset: %v", err)
	}
	if err := applet.Close(); err != nil {
		t.Error(err)
	}
	use(t, driver, id2.AES128, key)
}

func TestPCSCSharingViolation(t *testing.T) {
	d := pcsctest.Start(t)
	driver := Driver{Socket: d.Socket}
	card, key := newCard(t, virtual.Direct, id2.AES128)
	d.Insert(0, card, pcsctest.T1)
	present(t, d, driver, 1)
	first, err := driver.Open()
	if err != nil {
		t.Fatal(err)
	}
	for _, shared := range []bool{false, true} {
		second := driver
		second.Shared = shared
		if _, err := second.Open(); !errors.Is(err, SharingViolation) {
			t.Errorf("shared %v: %v", shared, err)
		}
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	use(t, driver, id2.AES128, key)
}

// A daemon that ends in mid-session, and then is not there.
func TestPCSCDaemonEnds(t *testing.T) {
	d := pcsctest.Start(t)
	driver := Driver{Socket: d.Socket}
	card, _ := newCard(t, virtual.Direct, id2.AES128)
	d.Insert(0, card, pcsctest.T1)
	present(t, d, driver, 1)
	applet, err := se.Open(driver)
	if err != nil {
		t.Fatal(err)
	}
	d.Stop()
	if _, _, err := applet.ID(); !errors.Is(err, ErrNoDaemon) || !errors.Is(err, se.ErrSession) {
		t.Errorf("in mid-session: %v", err)
	}
	if err := applet.Close(); err != nil {
		t.Error(err)
	}
	driver.Socket += ".none"
	if _, err := se.Open(driver); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("without a daemon: %v", err)
	}
}

// stuck is a card that does not answer until it is let go.
type stuck struct {
	*virtual.Card
	release chan struct{}
}

func (s stuck) Process(command []byte) []byte {
	if len(command) > 1 && command[1] == se.InsGetID {
		<-s.release
	}
	return s.Card.Process(command)
}

func TestPCSCCardThatHangs(t *testing.T) {
	d := pcsctest.Start(t)
	driver := Driver{Socket: d.Socket, Timeout: DefaultTimeout}
	virtualCard, _ := newCard(t, virtual.Direct, id2.AES128)
	card := stuck{virtualCard, make(chan struct{})}
	defer close(card.release)
	d.Insert(0, card, pcsctest.T1)
	present(t, d, driver, 1)
	session, err := driver.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	setTimeout(session)
	applet, err := se.Open(opened{session})
	if err != nil {
		t.Fatal(err)
	}
	carrier, err := device.NewSecureElement(applet, id2.AES128, id2.Key{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := device.NewClient(carrier, rand.Reader).ID(); !errors.Is(err, device.ErrTimeout) || !errors.Is(err, se.ErrTimeout) {
		t.Errorf("a card that hangs: %v", err)
	}
	if _, _, err := applet.ID(); !errors.Is(err, se.ErrTimeout) {
		t.Errorf("a session that is out of step goes on: %v", err)
	}
}

// opened is a driver whose session is open already.
type opened struct{ se.Session }

func (o opened) Open() (se.Session, error) { return o.Session, nil }

// setTimeout makes the next steps of a session short: SELECT is answered at once,
// and what hangs is not waited for.
func setTimeout(s se.Session) { s.(*session).conn.timeout = 2 * time.Second }
