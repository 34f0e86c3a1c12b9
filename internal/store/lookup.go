package store

import (
	"context"

	"github.com/hallmark-id/hallmark/internal/batch"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// deviceName is what a device is looked up by.
type deviceName struct {
	org registry.ID
	id2 string
}

// found is a device, or that there is none.
type found struct {
	device registry.DeviceRow
	ok     bool
}

// lookups answers devices that are asked for at the same time in one round
// trip. The embedded engine has no round trips to save.
type lookups = batch.Batcher[deviceName, found]

func (s *Store) newLookups() *lookups {
	return batch.New(context.Background(), batch.Options{}, func(ctx context.Context, names []deviceName) ([]found, error) {
		ctx, cancel := context.WithTimeout(ctx, postgresStatement)
		defer cancel()
		return s.lookUp(ctx, names)
	})
}

// lookUp finds devices of any organisations, one query for each of them.
func (s *Store) lookUp(ctx context.Context, names []deviceName) ([]found, error) {
	byOrg := make(map[registry.ID][]string)
	for _, n := range names {
		byOrg[n.org] = append(byOrg[n.org], n.id2)
	}
	rows := make(map[deviceName]registry.DeviceRow, len(names))
	for org, ids := range byOrg {
		devices, err := s.DevicesByID2(ctx, org, ids)
		if err != nil {
			return nil, err
		}
		for _, d := range devices {
			rows[deviceName{org, d.ID2}] = d
		}
	}
	out := make([]found, len(names))
	for i, n := range names {
		out[i].device, out[i].ok = rows[n]
	}
	return out, nil
}
