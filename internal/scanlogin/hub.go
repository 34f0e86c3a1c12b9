package scanlogin

import "sync"

// hub wakes the open pages of this node when their sessions change: a page costs
// a channel here, and the store is read when there is something to read. What
// other nodes change comes through [Service.Changed].
type hub struct {
	mu       sync.Mutex
	watchers map[string][]*Watcher // by authId
	closed   bool
}

// maxWatchers bounds the pages open on one session: a browser's tabs.
const maxWatchers = 4

func newHub() *hub { return &hub{watchers: make(map[string][]*Watcher)} }

// Watcher hears of one session.
type Watcher struct {
	// C has a word when the session may have changed. It is closed when later
	// watchers push this one out, or the server stops.
	C chan struct{}

	hub    *hub
	authID string
}

// Watch returns a watcher of a session. The caller closes it.
func (s *Service) Watch(authID string) *Watcher {
	w := &Watcher{C: make(chan struct{}, 1), hub: s.hub, authID: authID}
	s.hub.add(w)
	return w
}

// Close ends the watching.
func (w *Watcher) Close() { w.hub.remove(w) }

// Changed wakes the pages of a session that another node changed.
func (s *Service) Changed(authID string) { s.hub.changed(authID) }

// ChangedAll wakes all pages, when it is not known what other nodes changed.
func (s *Service) ChangedAll() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for _, list := range s.hub.watchers {
		wake(list)
	}
}

// Close ends all watching: the server stops.
func (s *Service) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for _, list := range s.hub.watchers {
		for _, w := range list {
			close(w.C)
		}
	}
	s.hub.watchers, s.hub.closed = nil, true
}

// Watching returns how many pages are open on this node.
func (s *Service) Watching() int {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	n := 0
	for _, list := range s.hub.watchers {
		n += len(list)
	}
	return n
}

func (h *hub) add(w *Watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(w.C)
		return
	}
	list := append(h.watchers[w.authID], w)
	if len(list) > maxWatchers {
		close(list[0].C)
		list = list[1:]
	}
	h.watchers[w.authID] = list
}

func (h *hub) remove(w *Watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.watchers[w.authID]
	for i, other := range list {
		if other == w {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if len(list) > 0 {
		h.watchers[w.authID] = list
	} else {
		delete(h.watchers, w.authID)
	}
}

func (h *hub) changed(authID string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	wake(h.watchers[authID])
}

// wake leaves a word for each, unless one waits already.
func wake(list []*Watcher) {
	for _, w := range list {
		select {
		case w.C <- struct{}{}:
		default:
		}
	}
}
