//go:build race

package operator_test

// The embedded database is some ten times slower under the race detector.
func init() { manyDevices = 6000 }
