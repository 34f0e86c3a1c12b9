package registry

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/hallmark-id/hallmark/id2"
)

func same[K any](k K) K { return k }

// A load that began before an invalidation is given to its asker and not kept:
// what it read may be what the invalidation was about.
func TestCacheDropsOldLoads(t *testing.T) {
	for name, invalidate := range map[string]func(*cache[string, int]){
		"one key":  func(c *cache[string, int]) { c.invalidate("a") },
		"all keys": func(c *cache[string, int]) { c.invalidateAll() },
	} {
		t.Run(name, func(t *testing.T) {
			value := 1
			reading, proceed := make(chan struct{}), make(chan struct{})
			block := true
			c := newCache(1000, same, func(context.Context, string) (int, error) {
				v := value
				if block {
					close(reading)
					<-proceed
				}
				return v, nil
			})
			var got int
			var wg sync.WaitGroup
			wg.Go(func() { got, _ = c.get(t.Context(), "a") })
			<-reading
			value, block = 2, false // the store changes, then the cache is told
			invalidate(c)
			close(proceed)
			wg.Wait()
			if got != 1 {
				t.Errorf("the asker got %d", got)
			}
			if got, _ := c.get(t.Context(), "a"); got != 2 {
				t.Errorf("the old load was kept: %d", got)
			}
			value = 3
			if got, _ := c.get(t.Context(), "a"); got != 2 {
				t.Errorf("the new load was not kept: %d", got)
			}
		})
	}
}

// A load between the two steps of invalidateAll must not survive it either.
func TestCacheInvalidateAllMidway(t *testing.T) {
	c := newCache(1000, same, func(context.Context, string) (int, error) { return 1, nil })
	_, _ = c.get(t.Context(), "a")
	c.all.Add(1) // the first step: entries of before are absent
	loads := 0
	c.load = func(context.Context, string) (int, error) { loads++; return 2, nil }
	if v, _ := c.get(t.Context(), "a"); v != 2 || loads != 1 {
		t.Errorf("got %d after %d loads", v, loads)
	}
}

func TestCacheKeepsNoErrorAndNoAbsence(t *testing.T) {
	loads := 0
	err := ErrNotFound
	c := newCache(1000, same, func(context.Context, string) (int, error) { loads++; return 7, err })
	for range 3 {
		if _, got := c.get(t.Context(), "a"); !errors.Is(got, ErrNotFound) {
			t.Fatal(got)
		}
	}
	err = nil
	for range 3 {
		if v, got := c.get(t.Context(), "a"); v != 7 || got != nil {
			t.Fatal(v, got)
		}
	}
	if loads != 4 {
		t.Errorf("%d loads; want 3 of the absent key and 1 of the present", loads)
	}
}

// entries counts what a cache can find.
func (c *cache[K, V]) entries() (found, slots int) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		found += len(s.index)
		slots += len(s.slots)
		s.mu.Unlock()
	}
	return found, slots
}

func TestCacheIsBounded(t *testing.T) {
	for _, limit := range []int{0, 1, 64, 1000} {
		c := newCache(limit, same, func(_ context.Context, k int) (int, error) { return -k, nil })
		for round := range 3 {
			for k := range 5000 {
				if v, _ := c.get(t.Context(), k); v != -k {
					t.Fatalf("key %d has the value %d", k, v)
				}
				if k%7 == round {
					c.invalidate(k)
				}
			}
			found, slots := c.entries()
			if bound := max(limit, cacheShards); found > bound || slots > bound {
				t.Fatalf("limit %d: %d entries in %d slots", limit, found, slots)
			}
		}
	}
}

// Eviction is by second chance: what is read between two misses stays.
func TestCacheKeepsWhatIsRead(t *testing.T) {
	hotLoads := 0
	c := newCache(10*cacheShards, same, func(_ context.Context, k int) (int, error) {
		if k == 0 {
			hotLoads++
		}
		return k, nil
	})
	for k := 1; k < 20_000; k++ {
		_, _ = c.get(t.Context(), 0)
		_, _ = c.get(t.Context(), k)
	}
	if hotLoads != 1 {
		t.Errorf("the key that is read all the time was loaded %d times", hotLoads)
	}
}

// Random operations against a map: the cache always answers what the map holds
// now, and the bound holds.
func TestCacheAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		model := make(map[string]int)
		limit := rapid.SampledFrom([]int{64, 128, 1024}).Draw(t, "limit")
		c := newCache(limit, strings.Clone, func(_ context.Context, k string) (int, error) {
			v, ok := model[k]
			if !ok {
				return 0, ErrNotFound
			}
			return v, nil
		})
		keys := rapid.Map(rapid.IntRange(0, 400), func(i int) string { return fmt.Sprint("k", i) })
		check := func(t *rapid.T, k string) {
			v, err := c.get(context.Background(), k)
			want, ok := model[k]
			if ok != (err == nil) || v != want {
				t.Fatalf("%s: got %d, %v; want %d, there %v", k, v, err, want, ok)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"get": func(t *rapid.T) { check(t, keys.Draw(t, "key")) },
			"set": func(t *rapid.T) {
				k := keys.Draw(t, "key")
				model[k] = rapid.Int().Draw(t, "value")
				c.invalidate(k)
				check(t, k)
			},
			"delete": func(t *rapid.T) {
				k := keys.Draw(t, "key")
				delete(model, k)
				c.invalidate(k)
				check(t, k)
			},
			"change all": func(t *rapid.T) {
				for k := range model {
					model[k]++
				}
				c.invalidateAll()
			},
			"scan": func(t *rapid.T) {
				from := rapid.IntRange(0, 300).Draw(t, "from")
				for i := range 100 {
					check(t, fmt.Sprint("k", from+i))
				}
			},
			"": func(t *rapid.T) {
				if found, slots := c.entries(); found > limit || slots > limit {
					t.Fatalf("%d entries in %d slots, limit %d", found, slots, limit)
				}
			},
		})
	})
}

// Readers and writers at once: after a write returns, nobody who asks later
// sees the value of before.
func TestCacheUnderConcurrency(t *testing.T) {
	var mu sync.Mutex
	store := make(map[int]int)
	c := newCache(256, same, func(_ context.Context, k int) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return store[k], nil
	})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 3000 {
				k := w*100 + i%100 // each writer has its own keys
				mu.Lock()
				store[k]++
				want := store[k]
				mu.Unlock()
				if i%500 == 0 {
					c.invalidateAll()
				} else {
					c.invalidate(k)
				}
				_, _ = c.get(t.Context(), (w*100+i+50)%400) // and reads everybody's
				if got, _ := c.get(t.Context(), k); got != want {
					t.Errorf("key %d: %d after %d was written", k, got, want)
				}
			}
		})
	}
	wg.Wait()
}

// A cached device costs what DESIGN §7 allows for it.
func TestCacheMemory(t *testing.T) {
	const devices = 200_000
	product := &LiveProduct{}
	c := newCache(devices+devices/4, deviceKey.own, func(_ context.Context, k deviceKey) (LiveDevice, error) {
		key, err := id2.NewSymmetricKey(id2.AES128, []byte(k.id2[8:24]))
		return LiveDevice{Key: key, Product: product}, err
	})
	before := heap()
	for i := range devices {
		if _, err := c.get(t.Context(), deviceKey{1, fmt.Sprintf("%024X", i)}); err != nil {
			t.Fatal(err)
		}
	}
	each := float64(heap()-before) / devices
	found, _ := c.entries()
	t.Logf("%d devices of AES, %.0f bytes each", found, each)
	if found != devices || each > 200 {
		t.Errorf("%d devices cached at %.0f bytes each", found, each)
	}
	runtime.KeepAlive(c)
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkCache measures a device that is there, asked for by all cores.
func BenchmarkCache(b *testing.B) {
	const devices = 100_000
	c := newCache(2*devices, deviceKey.own, func(context.Context, deviceKey) (LiveDevice, error) { return LiveDevice{}, nil })
	keys := make([]deviceKey, devices)
	for i := range keys {
		keys[i] = deviceKey{1, fmt.Sprintf("%024X", i)}
		_, _ = c.get(b.Context(), keys[i])
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i += 7919 {
			_, _ = c.get(b.Context(), keys[i%devices])
		}
	})
}
