/*
 * What a device does with its identity, with every error that arguments, buffers and
 * the lack of an identity can cause. provisioning.c has the other functions.
 */
#include "id2_client.h"

#include "check.h"

/* The identity and the values of the vendor's test vectors. */
#define ID "2122232425262728292A2B2C"
#define KEY "2122232425262728292a2b2c2d2e2f30"
#define SECRET_A "41374BF2A3345EA70E8CC549349C36EDF7436A7B681EA56A0B2F15ED979A5380"
static const uint8_t derived_a[16] = {0x84, 0x26, 0x48, 0xa6, 0xca, 0xfd, 0x21, 0x99,
                                      0x5b, 0x77, 0x53, 0x26, 0x80, 0x61, 0x06, 0xbe};
#define SERVER_CODE                                                                                \
	"10~2~163BE4BC7DB7B688~08t2Ul7r5VqZ/PR06kM95DoGn2uSNMcXlWlW3/T6zGCXnA1nt3r97vPi1Bnh6fF1"
#define SERVER_CHALLENGE "163BE4BC7DB7B688"

static irot_result_t get_id(size_t size, uint32_t *length, const char *want)
{
	uint8_t *id = buffer(size);
	irot_result_t result;

	*length = (uint32_t)size;
	result = id2_client_get_id(id, length);
	if (result == IROT_SUCCESS)
		CHECK(memcmp(id, want, *length), 0);
	free(id);
	return result;
}

typedef irot_result_t auth_function(const char *, const uint8_t *, uint32_t, uint8_t *, uint32_t *);

/* An auth code in a buffer of size bytes; type is how it should begin. */
static irot_result_t auth_code(auth_function *function, const char *value, const uint8_t *extra,
                               uint32_t extra_len, size_t size, char type)
{
	uint8_t *code = buffer(size);
	uint32_t length = (uint32_t)size;
	irot_result_t result = function(value, extra, extra_len, code, &length);

	if (result == IROT_SUCCESS) {
		CHECK(code[0], type);
		CHECK(length, 86 + strlen(value));
		CHECK(code[length], 0);
		CHECK(strlen((char *)code), length);
	} else if (result == IROT_ERROR_SHORT_BUFFER) {
		CHECK(length, 256);
	} else {
		CHECK(length, size);
	}
	free(code);
	return result;
}

static void auth_codes(auth_function *function, char plain, irot_result_t good)
{
	char *value = repeat('1', 32), *long_value = repeat('1', 33);
	uint8_t *extra = buffer(513), *code = buffer(256);
	uint32_t length = 256;

	CHECK(function(NULL, NULL, 0, code, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(function(value, NULL, 0, NULL, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(function(value, NULL, 0, code, NULL), IROT_ERROR_BAD_PARAMETERS);
	CHECK(function(value, NULL, 1, code, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(auth_code(function, "", NULL, 0, 256, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(auth_code(function, long_value, NULL, 0, 256, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(auth_code(function, long_value, NULL, 0, 0, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(auth_code(function, value, extra, 0, 256, 0), IROT_ERROR_EXCESS_DATA);
	CHECK(auth_code(function, value, extra, 513, 256, 0), IROT_ERROR_EXCESS_DATA);
	CHECK(auth_code(function, value, extra, UINT32_MAX, 0, 0), IROT_ERROR_EXCESS_DATA);
	CHECK(auth_code(function, value, NULL, 0, 255, 0), IROT_ERROR_SHORT_BUFFER);
	CHECK(auth_code(function, value, NULL, 0, 0, 0), IROT_ERROR_SHORT_BUFFER);
	CHECK(auth_code(function, value, NULL, 0, 256, plain), good);
	CHECK(auth_code(function, value, extra, 1, 256, (char)(plain + 2)), good);
	CHECK(auth_code(function, "1", extra, 512, 1000, (char)(plain + 2)), good);
	free(value);
	free(long_value);
	free(extra);
	free(code);
}

static irot_result_t decrypt(const uint8_t *in, uint32_t in_len, size_t size, const char *want)
{
	uint8_t *out = buffer(size);
	uint32_t length = (uint32_t)size;
	irot_result_t result = id2_client_decrypt(in, in_len, out, &length);

	if (result == IROT_SUCCESS) {
		CHECK(length, strlen(want));
		CHECK(memcmp(out, want, length), 0);
	} else if (result != IROT_ERROR_SHORT_BUFFER) {
		CHECK(length, size);
	} else {
		CHECK(length, 4);
	}
	free(out);
	return result;
}

/* AES-128 of "1234" under KEY. */
static const uint8_t sealed[16] = {0xec, 0xe1, 0x8c, 0xe9, 0xb9, 0x61, 0xae, 0xd7, 0x50, 0x02, 0xa4, 0x8e, 0xb9, 0x95, 0x5e, 0x44};

static void decryption(irot_result_t good)
{
	uint8_t *in = buffer(1040), *out = buffer(1040);
	uint32_t length = 1040;
	int provisioned = good == IROT_SUCCESS;

	CHECK(id2_client_decrypt(NULL, 16, out, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_decrypt(in, 16, NULL, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_decrypt(in, 16, out, NULL), IROT_ERROR_BAD_PARAMETERS);
	CHECK(decrypt(in, 0, 16, ""), IROT_ERROR_BAD_PARAMETERS);
	CHECK(decrypt(in, 1025, 16, ""), IROT_ERROR_EXCESS_DATA);
	CHECK(decrypt(in, UINT32_MAX, 16, ""), IROT_ERROR_EXCESS_DATA);
	CHECK(decrypt(sealed, 15, 16, ""), provisioned ? IROT_ERROR_BAD_PARAMETERS : good);
	CHECK(decrypt(in, 16, 16, ""), provisioned ? IROT_ERROR_GENERIC : good);
	CHECK(decrypt(sealed, 16, 3, ""), provisioned ? IROT_ERROR_SHORT_BUFFER : good);
	CHECK(decrypt(sealed, 16, 4, "1234"), good);
	memcpy(in, sealed, 16);
	length = 16;
	CHECK(id2_client_decrypt(in, 16, in, &length), good);
	CHECK(memcmp(in, provisioned ? "1234" : (const char *)sealed, 4), 0);
	free(in);
	free(out);
}

static irot_result_t encrypt(const char *seed, uint32_t in_len, size_t size)
{
	uint8_t *in = buffer(1024), *out = buffer(size);
	uint32_t length = (uint32_t)size;
	irot_result_t result = id2_client_encrypt(seed, in, in_len, out, &length);

	if (result == IROT_SUCCESS || result == IROT_ERROR_SHORT_BUFFER)
		CHECK(length, in_len - in_len % 16 + 16);
	else
		CHECK(length, size);
	free(in);
	free(out);
	return result;
}

static void encryption(irot_result_t good)
{
	char *seed = repeat('s', 128), *long_seed = repeat('s', 129);
	uint8_t *in = buffer(16), *out = buffer(32);
	uint32_t length = 32;

	CHECK(id2_client_encrypt(seed, NULL, 16, out, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_encrypt(seed, in, 16, NULL, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_encrypt(seed, in, 16, out, NULL), IROT_ERROR_BAD_PARAMETERS);
	CHECK(encrypt(seed, 0, 32), IROT_ERROR_BAD_PARAMETERS);
	CHECK(encrypt(seed, 1025, 2000), IROT_ERROR_EXCESS_DATA);
	CHECK(encrypt(seed, UINT32_MAX, 2000), IROT_ERROR_EXCESS_DATA);
	CHECK(encrypt(long_seed, 1, 16), IROT_ERROR_EXCESS_DATA);
	CHECK(encrypt(seed, 16, 31), good == IROT_SUCCESS ? IROT_ERROR_SHORT_BUFFER : good);
	CHECK(encrypt(seed, 16, 32), good);
	CHECK(encrypt("", 15, 16), good);
	CHECK(encrypt(NULL, 1024, 1040), good);
	free(seed);
	free(long_seed);
	free(in);
	free(out);
}

static void challenges(void)
{
	uint8_t *random = buffer(200);
	uint32_t length = 128;
	size_t sizes[] = {1, 16, 17, 127, 128};

	CHECK(id2_client_get_device_challenge(NULL, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_get_device_challenge(random, NULL), IROT_ERROR_BAD_PARAMETERS);
	length = 0;
	CHECK(id2_client_get_device_challenge(random, &length), IROT_ERROR_BAD_PARAMETERS);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		uint8_t *exact = buffer(sizes[i]);

		length = (uint32_t)sizes[i];
		CHECK(id2_client_get_device_challenge(exact, &length), IROT_SUCCESS);
		CHECK(length, sizes[i]);
		for (uint32_t j = 0; j < length; j++)
			CHECK(strchr("0123456789ABCDEF", exact[j]) != NULL, 1);
		free(exact);
	}
	length = 200;
	CHECK(id2_client_get_device_challenge(random, &length), IROT_SUCCESS);
	CHECK(length, 128);
	CHECK(random[128], 0xEE);
	free(random);
}

static void server_codes(irot_result_t good)
{
	uint8_t *code = copy(SERVER_CODE), *challenge = copy(SERVER_CHALLENGE);
	uint8_t *extra = buffer(513), *big = buffer(8000);
	uint32_t n = (uint32_t)strlen(SERVER_CODE), m = (uint32_t)strlen(SERVER_CHALLENGE);
	irot_result_t refused = good == IROT_SUCCESS ? IROT_ERROR_GENERIC : good;

	CHECK(id2_client_verify_server(NULL, n, challenge, m, NULL, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_verify_server(code, 0, challenge, m, NULL, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_verify_server(code, n, NULL, m, NULL, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_verify_server(code, n, challenge, 0, NULL, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_verify_server(code, n, challenge, m, NULL, 1), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_verify_server(code, n, challenge, m, extra, 0), IROT_ERROR_EXCESS_DATA);
	CHECK(id2_client_verify_server(code, n, challenge, m, extra, 513), IROT_ERROR_EXCESS_DATA);
	CHECK(id2_client_verify_server(code, n, extra, 129, NULL, 0), IROT_ERROR_EXCESS_DATA);
	CHECK(id2_client_verify_server(code, n, challenge, m, NULL, 0), good);
	CHECK(id2_client_verify_server(code, n, challenge, m, extra, 512), refused);
	CHECK(id2_client_verify_server(code, n, challenge, m - 1, NULL, 0), refused);
	CHECK(id2_client_verify_server(code, n - 1, challenge, m, NULL, 0), refused);
	CHECK(id2_client_verify_server(code, 1, challenge, m, NULL, 0), refused);
	CHECK(id2_client_verify_server(big, 8000, challenge, m, NULL, 0), refused);
	code[n - 1] ^= 1;
	CHECK(id2_client_verify_server(code, n, challenge, m, NULL, 0), refused);
	free(code);
	free(challenge);
	free(extra);
	free(big);
}

static void derived(irot_result_t good)
{
	char *seed = repeat('s', 128), *long_seed = repeat('s', 129);
	uint8_t *out = buffer(64);
	uint32_t length = 64;

	CHECK(id2_client_get_secret(NULL, out, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_get_secret("a", NULL, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_get_secret("a", out, NULL), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_get_secret("", out, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_get_secret(long_seed, out, &length), IROT_ERROR_EXCESS_DATA);
	length = 63;
	CHECK(id2_client_get_secret("a", out, &length), IROT_ERROR_SHORT_BUFFER);
	CHECK(length, 64);
	CHECK(id2_client_get_secret(seed, out, &length), good);
	CHECK(id2_client_get_secret("a", out, &length), good);
	CHECK(length, 64);
	if (good == IROT_SUCCESS)
		CHECK(memcmp(out, SECRET_A, 64), 0);

	CHECK(id2_client_derive_key(NULL, out, 16), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_derive_key("a", NULL, 16), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_derive_key("a", out, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_derive_key("a", out, 33), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_derive_key("a", out, UINT32_MAX), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_derive_key(long_seed, out, 16), IROT_ERROR_EXCESS_DATA);
	CHECK(id2_client_derive_key(seed, out, 32), good);
	CHECK(id2_client_derive_key("", out, 1), good);
	CHECK(id2_client_derive_key("a", out, 16), good);
	if (good == IROT_SUCCESS)
		CHECK(memcmp(out, derived_a, 16), 0);
	free(seed);
	free(long_seed);
	free(out);
}

static void passwords(irot_result_t good)
{
	uint8_t *six = buffer(6), *sixteen = buffer(17);
	uint32_t index = 0;

	CHECK(id2_client_dpm_get_totp(1512022279, 7, 180, 6, NULL), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_dpm_get_totp(0, 7, 180, 6, six), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_dpm_get_totp(UINT64_MAX, 7, 180, 6, six), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_dpm_get_totp(1512022279, 100, 180, 6, six), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_dpm_get_totp(1512022279, UINT32_MAX, 180, 6, six), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_dpm_get_totp(1512022279, 7, 179, 6, six), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_dpm_get_totp(1512022279, 7, 1801, 6, six), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_dpm_get_totp(1512022279, 7, 180, 5, six), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_dpm_get_totp(1512022279, 7, 180, 17, sixteen), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_dpm_get_totp(1512022279, 42, 0, 6, six), good);
	CHECK(id2_client_dpm_get_totp(1512022279, 7, 1800, 16, sixteen), good);
	if (good == IROT_SUCCESS) {
		CHECK(id2_client_dpm_get_index(six, 6, &index), IROT_SUCCESS);
		CHECK(index, 42);
		CHECK(id2_client_dpm_get_index(sixteen, 16, &index), IROT_SUCCESS);
		CHECK(index, 7);
	}
	CHECK(id2_client_dpm_get_index(NULL, 6, &index), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_dpm_get_index(six, 6, NULL), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_dpm_get_index(six, 5, &index), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_dpm_get_index(sixteen, 17, &index), IROT_ERROR_BAD_PARAMETERS);
	six[0] = 'x';
	CHECK(id2_client_dpm_get_index(six, 6, &index), IROT_ERROR_BAD_PARAMETERS);
	free(six);
	free(sixteen);
}

/* Everything, for a device with or without an identity. */
static void everything(irot_result_t good)
{
	uint32_t length, version = 0;
	uint8_t *id = buffer(48);

	CHECK(id2_client_get_version(NULL), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_get_version(&version), IROT_SUCCESS);
	CHECK(version, 0x00030100);

	length = 48;
	CHECK(id2_client_get_id(NULL, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_get_id(id, NULL), IROT_ERROR_BAD_PARAMETERS);
	CHECK(get_id(0, &length, ID), IROT_ERROR_SHORT_BUFFER);
	CHECK(length, 48);
	CHECK(get_id(23, &length, ID), IROT_ERROR_SHORT_BUFFER);
	CHECK(length, 48);
	CHECK(get_id(24, &length, ID), good);
	CHECK(length, 24);
	CHECK(get_id(48, &length, ID), good);
	CHECK(length, good == IROT_SUCCESS ? 24 : 48);
	free(id);

	auth_codes(id2_client_get_challenge_auth_code, '0', good);
	auth_codes(id2_client_get_timestamp_auth_code, '1', good);
	decryption(good);
	encryption(good);
	challenges();
	server_codes(good);
	derived(good);
	passwords(good);
}

int main(void)
{
	CHECK(id2_client_init(), IROT_SUCCESS);
	everything(IROT_ERROR_ITEM_NOT_FOUND);
	CHECK(id2_client_set_id2_and_key(ID, 1, KEY), IROT_SUCCESS); /* 3DES */
	CHECK(encrypt("s", 1, 16), IROT_ERROR_NOT_SUPPORTED);
	CHECK(id2_client_set_id2_and_key(ID, 2, KEY), IROT_SUCCESS); /* AES */
	everything(IROT_SUCCESS);
	CHECK(id2_client_cleanup(), IROT_SUCCESS);
	return finish("operations");
}
