package server

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/authn"
	"github.com/hallmark-id/hallmark/internal/durable"
	"github.com/hallmark-id/hallmark/internal/itlsd"
	"github.com/hallmark-id/hallmark/internal/keyring"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/provision"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/relay"
	"github.com/hallmark-id/hallmark/internal/replay"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
	"github.com/hallmark-id/hallmark/internal/store"
)

// Server is a running server.
type Server struct {
	config    Config
	store     *store.Store
	ring      *keyring.Ring
	journal   *replay.Journal // of an embedded store
	shared    *replay.Shared  // of a store that several nodes share
	clock     *storeClock
	node      registry.Node
	draining  atomic.Bool // as an operator asked
	stopping  atomic.Bool // as a signal asked
	registry  *registry.Registry
	authn     *authn.Service
	provision *provision.Service
	relay     *relay.Service
	pki       *pki.Service
	accounts  *account.Service
	scans     *scanlogin.Service
	token     [sha256.Size]byte // hash of the operator token

	listeners   []*listener
	url         string
	itls        *itlsd.Server // nil without that door
	itlsAddress string
	background  sync.WaitGroup
	stop        context.CancelFunc // ends the background work
	sealError   atomic.Pointer[error]
	failed      chan error // a listener that ended by itself
}

// Start opens everything and answers requests when it returns. Shutdown must
// be called on the server it returns.
func Start(ctx context.Context, config Config) (*Server, error) {
	c, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{config: c, failed: make(chan error, 4), stop: func() {}}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.listen(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.work(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.announce(); err != nil {
		return nil, errors.Join(err, s.Shutdown(context.Background()))
	}
	return s, nil
}

// open brings up all that lies behind the listeners.
func (s *Server) open(ctx context.Context) error {
	c := &s.config
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return err
	}
	s.clock = &storeClock{local: c.Now}
	var err error
	if s.store, err = store.Open(ctx, store.Options{DSN: c.Store, Now: c.Now, Random: rand.Reader}); err != nil {
		return err
	}
	if err := s.clock.set(ctx, s.store); err != nil {
		return err
	}
	fresh, err := s.openKeyring(ctx)
	if err != nil {
		return err
	}
	guard, err := s.openGuard(fresh)
	if err != nil {
		return err
	}
	s.registry = registry.New(registry.Options{Store: s.store, Ring: s.ring, Now: s.clock.Now, Random: rand.Reader, CacheEntries: c.CacheEntries})
	if err := s.registry.EnsureOrg(ctx); err != nil {
		return err
	}
	if err := s.openPKI(ctx); err != nil {
		return err
	}
	if err := s.openEnOS(ctx); err != nil {
		return err
	}
	s.accounts = account.New(account.Options{Store: s.store, Ring: s.ring, Now: s.clock.Now, Random: rand.Reader})
	s.scans = scanlogin.New(scanlogin.Options{Store: s.store, Accounts: s.accounts, Now: s.clock.Now, Random: rand.Reader})
	if err := s.openToken(); err != nil {
		return err
	}
	return s.openAuthn(ctx, guard)
}

// openKeyring opens the store's keyring, or makes one for a new store, which is
// then fresh. The new root key is on disk before the store learns of it. Of
// several nodes that start at once one makes the keyring and the others open
// it, which needs the same root key.
func (s *Server) openKeyring(ctx context.Context) (fresh bool, err error) {
	check, err := s.store.Meta(ctx, metaCheck)
	fresh = errors.Is(err, registry.ErrNotFound)
	if err != nil && !fresh {
		return false, err
	}
	root, err := keyring.ReadOrCreateFile(s.config.RootKeyFile, fresh, rand.Reader)
	if err != nil {
		return false, err
	}
	if fresh {
		made, err := s.makeKeyring(ctx, root)
		if made || err != nil {
			return made, err
		}
		if check, err = s.store.Meta(ctx, metaCheck); err != nil {
			return false, err
		}
	}
	dataKey, err := s.store.Meta(ctx, metaDataKey)
	if err != nil {
		return false, err
	}
	s.ring, err = keyring.Open(root, keyring.Wrapped{Check: check, DataKey: dataKey}, rand.Reader)
	return false, err
}

// Names of the keyring's values in the store.
const (
	metaCheck   = "keyring.check"
	metaDataKey = "keyring.data_key"
)

// makeKeyring makes the keyring of a new store; made is false when another
// node was faster.
func (s *Server) makeKeyring(ctx context.Context, root keyring.RootKey) (made bool, err error) {
	ring, w, err := keyring.Create(root, rand.Reader)
	if err != nil {
		return false, err
	}
	made, err = s.store.ClaimMeta(ctx, metaCheck, map[string][]byte{metaCheck: w.Check, metaDataKey: w.DataKey})
	if made {
		s.ring = ring
	}
	return made, err
}

// openGuard returns the single-use guard that goes with the store's engine.
func (s *Server) openGuard(fresh bool) (authn.Guard, error) {
	file, ok := store.Embedded(s.config.Store)
	if !ok {
		shared, err := replay.NewShared(s.store.Ledger(), replay.SharedOptions{Lifetime: s.config.ChallengeLifetime, Random: rand.Reader})
		s.shared = shared
		return shared, err
	}
	if err := s.openJournal(file+".guard", fresh); err != nil {
		return nil, err
	}
	return replay.NewLocal(s.journal, authn.Ticks(s.config.ChallengeLifetime)), nil
}

func (s *Server) openJournal(dir string, fresh bool) (err error) {
	s.journal, err = replay.OpenJournal(replay.JournalOptions{Dir: dir, Fresh: fresh, Now: s.config.Now,
		Skew: authn.Skew, MaxLive: s.config.JournalRecords})
	if err != nil {
		return fmt.Errorf("replay guard in %s: %w", dir, err)
	}
	if opening := s.journal.Opening(); opening.Reset != "" {
		s.config.Log.Warn("the memory of used timestamp codes was lost", "why", opening.Reset)
	}
	if floor := s.journal.Floor(); floor.After(s.config.Now()) {
		s.config.Log.Warn("timestamp auth codes are refused for a while; challenges work", "until", floor.UTC().Format(time.RFC3339))
	}
	return nil
}

// openToken reads the operator token, or makes one.
func (s *Server) openToken() error {
	path := filepath.Join(s.config.DataDir, TokenFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		var raw [32]byte
		if _, err := rand.Read(raw[:]); err != nil {
			return err
		}
		text = []byte(hex.EncodeToString(raw[:]) + "\n")
		err = durable.WriteFile(path, text, 0o600)
	}
	if err != nil {
		return fmt.Errorf("operator token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < 32 {
		return fmt.Errorf("operator token: %s is too short to be one; remove it and the next start makes a new one", path)
	}
	s.token = sha256.Sum256([]byte(token))
	return nil
}

func (s *Server) openAuthn(ctx context.Context, guard authn.Guard) error {
	epoch, began, err := s.store.NewEpoch(ctx)
	if err != nil {
		return fmt.Errorf("take an epoch: %w", err)
	}
	keys, err := s.challengeKeys(ctx)
	if err != nil {
		return fmt.Errorf("challenge keys: %w", err)
	}
	o := authn.Options{Registry: s.registry, Ring: s.ring, Guard: guard, Epoch: authn.Epoch{Number: epoch, Began: began},
		ChallengeKeys: keys, ChallengeLifetime: s.config.ChallengeLifetime, Now: s.clock.Now, Random: rand.Reader, Log: s.config.Log}
	if s.store.Shared() {
		o.Epochs = remember(s.store.EpochBegan)
	}
	s.authn = authn.New(o)
	s.provision = provision.New(provision.Options{Registry: s.registry, Note: s.authn.Note, Now: s.clock.Now})
	return nil
}

// remember keeps the answers of a function that does not change its mind.
func remember(ask func(context.Context, uint32) (time.Time, error)) func(context.Context, uint32) (time.Time, error) {
	var known sync.Map
	return func(ctx context.Context, number uint32) (time.Time, error) {
		if began, ok := known.Load(number); ok {
			return began.(time.Time), nil
		}
		began, err := ask(ctx, number)
		if err == nil {
			known.Store(number, began)
		}
		return began, err
	}
}

// work starts what goes on behind the requests.
func (s *Server) work(ctx context.Context) error {
	if err := s.attend(ctx); err != nil {
		return err
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.background.Go(func() { s.authn.Run(work) })
	s.background.Go(func() { s.pki.Run(work) })
	s.background.Go(func() { s.relay.Run(work) })
	s.background.Go(func() { s.sealAudit(work) })
	s.background.Go(func() { s.attendLoop(work) })
	if s.store.Shared() {
		s.background.Go(func() { s.watchChanges(work) })
	}
	return nil
}

// sealEvery is how long an audit event may wait for its place in the chain.
const sealEvery = time.Second

func (s *Server) sealAudit(ctx context.Context) {
	key := s.ring.Derive(registry.AuditKeyPurpose)
	ticker := time.NewTicker(sealEvery)
	defer ticker.Stop()
	for running := true; running; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			running = false
		}
		s.sealPending(context.WithoutCancel(ctx), key)
	}
}

func (s *Server) sealPending(ctx context.Context, key [32]byte) {
	for n := 1; n > 0; {
		var err error
		n, err = s.store.SealAudit(ctx, key)
		if err != nil {
			s.sealError.Store(&err)
			s.config.Log.Error("the audit record could not be chained", "error", err)
			return
		}
	}
	s.sealError.Store(nil)
}

// readyTimeout bounds a word with a store that may be gone.
const readyTimeout = 5 * time.Second

// ready says why the server cannot serve, or nil.
func (s *Server) ready(ctx context.Context) error {
	if err := s.store.Ping(ctx); err != nil {
		s.config.Log.Error("not ready: the store does not answer", "error", err)
		return errors.New("the store does not answer")
	}
	if s.draining.Load() || s.stopping.Load() {
		return errors.New("draining")
	}
	if s.sealError.Load() != nil {
		return errors.New("the store cannot be written")
	}
	return nil
}

// Registry gives the demo and tests the domain behind the server.
func (s *Server) Registry() *registry.Registry { return s.registry }

// Accounts gives tests the accounts behind the console.
func (s *Server) Accounts() *account.Service { return s.accounts }

// Scans gives tests the scan sessions behind the console.
func (s *Server) Scans() *scanlogin.Service { return s.scans }

// Drain says that the server is not ready any more, and goes on answering for a
// while so that balancers hear of it. New requests end their connections.
func (s *Server) Drain(delay time.Duration) {
	s.stopping.Store(true)
	for _, l := range s.listeners {
		l.server.SetKeepAlivesEnabled(false)
	}
	time.Sleep(delay)
}

// Shutdown stops taking requests, finishes those under way, writes what waits
// to be written and closes everything. It gives up on requests when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.server.Shutdown(ctx))
	}
	if s.itls != nil {
		errs = append(errs, s.itls.Shutdown(ctx))
	}
	errs = append(errs, s.withdraw(), s.close())
	return errors.Join(errs...)
}

// Failed delivers the error of a listener that ended by itself.
func (s *Server) Failed() <-chan error { return s.failed }

func (s *Server) close() error {
	var errs []error
	for _, l := range s.listeners {
		errs = append(errs, l.server.Close())
	}
	if s.itls != nil {
		s.itls.Close()
	}
	s.stop()
	s.background.Wait()
	if s.shared != nil {
		s.shared.Close()
	}
	if s.store != nil && s.node.ID != 0 {
		ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
		errs = append(errs, s.store.RemoveNode(ctx, s.node.ID))
		cancel()
	}
	if s.journal != nil {
		errs = append(errs, s.journal.Close())
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	return errors.Join(errs...)
}
