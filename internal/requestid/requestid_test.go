package requestid

import (
	"regexp"
	"testing"
)

// form is that of the vendor's RequestId: an upper-case UUID.
var form = regexp.MustCompile(`^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`)

func TestRequestIDs(t *testing.T) {
	seen := make(map[string]bool)
	var digits [36][16]int
	for range 20_000 {
		id := New()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("request id %q, seen before %v", id, seen[id])
		}
		seen[id] = true
		for i, c := range id {
			if c != '-' {
				digits[i][hexValue(c)]++
			}
		}
	}
	for i, counts := range digits {
		if i == 8 || i == 13 || i == 14 || i == 18 || i == 19 || i == 23 { // hyphens, version and variant
			continue
		}
		for digit, n := range counts {
			if n < 900 || n > 1600 { // 1250 expected; ten standard deviations
				t.Errorf("place %d is %X %d times of 20000", i, digit, n)
			}
		}
	}
}

func hexValue(c rune) int {
	if c <= '9' {
		return int(c - '0')
	}
	return int(c-'A') + 10
}
