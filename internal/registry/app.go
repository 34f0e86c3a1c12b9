package registry

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/hallmark-id/hallmark/ciss"
	"github.com/hallmark-id/hallmark/internal/audit"
)

// AppSettings returns the settings of an app of the ciss door.
func (r *Registry) AppSettings(ctx context.Context, org ID, id string) (ciss.Settings, error) {
	row, err := r.app(ctx, org, id)
	if err != nil {
		return ciss.Settings{}, err
	}
	return row.appSettings()
}

// app returns an app of the ciss door, ErrNotFound for any other client.
func (r *Registry) app(ctx context.Context, org ID, id string) (ClientRow, error) {
	row, err := r.store.Client(ctx, id)
	if err == nil && (row.Org != org || row.Door != DoorCISS) {
		err = ErrNotFound
	}
	return row, err
}

func (row *ClientRow) appSettings() (ciss.Settings, error) {
	if row.Settings == "" {
		return ciss.DefaultSettings(), nil
	}
	return ciss.DefaultSettings().With([]byte(row.Settings))
}

// SetAppSettings changes the settings of an app that a JSON object names, and
// returns all of them.
func (r *Registry) SetAppSettings(ctx context.Context, org ID, id string, change []byte, by audit.Actor) (s ciss.Settings, err error) {
	for range updateTries {
		if s, err = r.setAppSettings(ctx, org, id, change, by); !errors.Is(err, ErrConflict) {
			break
		}
	}
	return s, err
}

func (r *Registry) setAppSettings(ctx context.Context, org ID, id string, change []byte, by audit.Actor) (ciss.Settings, error) {
	row, err := r.app(ctx, org, id)
	if err != nil {
		return ciss.Settings{}, err
	}
	s, err := row.appSettings()
	if err != nil {
		return ciss.Settings{}, err
	}
	if s, err = s.With(change); err != nil {
		return ciss.Settings{}, invalid("%s", err.Error())
	}
	text, err := json.Marshal(s)
	if err != nil {
		return ciss.Settings{}, err
	}
	event := by.Did("client.settings", "client", id, map[string]any{"settings": json.RawMessage(text)})
	err = r.store.SetClientSettings(ctx, org, id, row.Settings, string(text), event.In(int64(org)))
	r.clients.invalidate(id)
	return s, err
}

// newChannel returns what seals and opens the messages of an app.
func (r *Registry) newChannel(row *ClientRow, secret string) (*ciss.Channel, error) {
	s, err := row.appSettings()
	if err != nil {
		return nil, err
	}
	key, err := ciss.ParseKey(secret)
	if err != nil {
		return nil, err
	}
	return ciss.NewChannel(row.ID, key, s, r.random)
}
