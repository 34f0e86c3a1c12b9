/*
 * A device: it does what its standard input says, a command a line, and prints the
 * result of each. It uses nothing of the project but the two headers.
 */
#include "id2_client.h"
#include "se_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 2048 };

static uint8_t in[SIZE], out[SIZE];
static uint32_t in_len, out_len;

/* Reads hex digits into in. */
static void from_hex(const char *text)
{
	unsigned byte;

	for (in_len = 0; in_len < SIZE && sscanf(text + 2 * in_len, "%2x", &byte) == 1; in_len++)
		in[in_len] = (uint8_t)byte;
}

static void answer(irot_result_t result)
{
	printf("%d ", result);
	for (uint32_t i = 0; result == IROT_SUCCESS && i < out_len; i++)
		printf("%02x", out[i]);
	putchar('\n');
	fflush(stdout);
}

static irot_result_t perform(const char *command, const char *a, const char *b, const char *c,
                             const char *d)
{
	const uint8_t *extra = *b != 0 ? (const uint8_t *)b : NULL;
	uint32_t extra_len = (uint32_t)strlen(b);

	out_len = SIZE;
	if (strcmp(command, "id") == 0)
		return id2_client_get_id(out, &out_len);
	if (strcmp(command, "ask") == 0)
		return id2_client_get_otp_auth_code((const uint8_t *)a, (uint32_t)strlen(a), out, &out_len);
	if (strcmp(command, "provision") == 0) {
		out_len = 0;
		return id2_client_wrap_do_provisioning("127.0.0.1", (uint32_t)atoi(a), b, c,
		                                       (uint32_t)atoi(d));
	}
	if (strcmp(command, "challenge") == 0)
		return id2_client_get_challenge_auth_code(a, extra, extra_len, out, &out_len);
	if (strcmp(command, "timestamp") == 0)
		return id2_client_get_timestamp_auth_code(a, extra, extra_len, out, &out_len);
	if (strcmp(command, "device-challenge") == 0) {
		out_len = 32;
		return id2_client_get_device_challenge(out, &out_len);
	}
	from_hex(a);
	if (strcmp(command, "decrypt") == 0)
		return id2_client_decrypt(in, in_len, out, &out_len);
	out_len = 0;
	if (strcmp(command, "load") == 0)
		return id2_client_load_otp_data(in, in_len);
	if (strcmp(command, "verify-server") == 0)
		return id2_client_verify_server((const uint8_t *)a, (uint32_t)strlen(a), (const uint8_t *)b,
		                                (uint32_t)strlen(b), *c != 0 ? (const uint8_t *)c : NULL,
		                                (uint32_t)strlen(c));
	return IROT_ERROR_NOT_IMPLEMENTED;
}

int main(void)
{
	char line[4 * SIZE], command[32], a[SIZE], b[SIZE], c[SIZE], d[SIZE];
	irot_result_t result = id2_client_init();

	out_len = 0;
	answer(result);
	while (fgets(line, sizeof line, stdin) != NULL) {
		*command = *a = *b = *c = *d = 0;
		sscanf(line, "%31s %2047s %2047s %2047s %2047s", command, a, b, c, d);
		answer(perform(command, a, b, c, d));
	}
	return result != IROT_SUCCESS || id2_client_cleanup() != IROT_SUCCESS;
}
