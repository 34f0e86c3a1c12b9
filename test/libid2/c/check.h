/*
 * Checks for the test programs. Buffers come from the heap in their exact size, so
 * that the address sanitizer sees every byte written beyond them.
 */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
static int checks;

/* Compares the result of a call with what it should be. */
#define CHECK(call, want)                                                                          \
	do {                                                                                       \
		long got_ = (long)(call), want_ = (long)(want);                                    \
		checks++;                                                                          \
		if (got_ != want_) {                                                               \
			failures++;                                                                \
			printf("%s:%d: %s = %ld, want %ld\n", __FILE__, __LINE__, #call, got_, want_); \
		}                                                                                  \
	} while (0)

/* A buffer of n bytes; for n of 0 one that must not be touched. */
static inline uint8_t *buffer(size_t n)
{
	uint8_t *b = malloc(n);

	if (b == NULL)
		abort();
	memset(b, 0xEE, n);
	return b;
}

/* A copy without a terminating zero. */
static inline uint8_t *copy(const char *text)
{
	uint8_t *b = buffer(strlen(text));

	memcpy(b, text, strlen(text));
	return b;
}

/* n characters c and a zero, to be freed. */
static inline char *repeat(char c, size_t n)
{
	char *s = (char *)buffer(n + 1);

	memset(s, c, n);
	s[n] = 0;
	return s;
}

static inline int finish(const char *name)
{
	printf("%s: %d checks, %d failures\n", name, checks, failures);
	return failures != 0;
}

#endif
