package store

import (
	"strconv"
	"strings"
)

// query gathers conditions whose values are numbered parameters.
type query struct {
	b    strings.Builder
	args []any
}

// newQuery begins with text that uses $1… for args and ends in a condition.
func newQuery(text string, args ...any) *query {
	q := &query{args: args}
	q.b.WriteString(text)
	return q
}

// and adds a condition in which ? stands for the value.
func (q *query) and(condition string, value any) {
	q.args = append(q.args, value)
	q.b.WriteString(" AND " + strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(q.args))))
}

func (q *query) text() string { return q.b.String() }

func itoa(n int) string { return strconv.Itoa(n) }

func itoa64(n int64) string { return strconv.FormatInt(n, 10) }
