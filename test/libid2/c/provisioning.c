/*
 * How a device comes to an identity, and what it can do before and after, with every
 * error that arguments, buffers and states can cause.
 */
#include "id2_client.h"

#include "check.h"

#define ID "2122232425262728292A2B2C"
#define KEY "2122232425262728292a2b2c2d2e2f30"
#define TOKEN "i11ABCDEFGHabcdefgh0123456789ABC"

static irot_result_t otp_code(const char *token, size_t size)
{
	uint8_t *bytes = copy(token), *code = buffer(size);
	uint32_t length = (uint32_t)size;
	irot_result_t result = id2_client_get_otp_auth_code(bytes, (uint32_t)strlen(token), code, &length);

	/* The store's fingerprint has 32 characters. */
	if (result == IROT_SUCCESS || result == IROT_ERROR_SHORT_BUFFER)
		CHECK(length, 68 + 64);
	else
		CHECK(length, size);
	free(bytes);
	free(code);
	return result;
}

static void provisioning(bool provisioned)
{
	uint8_t *data = buffer(1025), *code = buffer(256);
	uint32_t length = 256;
	char *long_token = repeat('A', 257);
	bool is = !provisioned;

	CHECK(id2_client_get_prov_stat(NULL), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_get_prov_stat(&is), IROT_SUCCESS);
	CHECK(is, provisioned);
	CHECK(id2_client_get_otp_auth_code(NULL, 32, code, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_get_otp_auth_code(data, 32, NULL, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_get_otp_auth_code(data, 32, code, NULL), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_get_otp_auth_code(data, 0, code, &length), IROT_ERROR_BAD_PARAMETERS);
	CHECK(otp_code(TOKEN + 1, 256), IROT_ERROR_BAD_PARAMETERS);
	CHECK(otp_code(long_token, 256), IROT_ERROR_BAD_PARAMETERS);
	CHECK(otp_code("q11ABCDEFGHabcdefgh0123456789ABC", 256), IROT_ERROR_GENERIC);
	CHECK(otp_code("i31ABCDEFGHabcdefgh0123456789ABC", 256), IROT_ERROR_NOT_SUPPORTED);
	CHECK(otp_code("i16ABCDEFGHabcdefgh0123456789ABC", 256), IROT_ERROR_NOT_SUPPORTED);
	CHECK(id2_client_load_otp_data(data, 89), IROT_ERROR_GENERIC); /* no code was made */
	CHECK(otp_code(TOKEN, 0), IROT_ERROR_SHORT_BUFFER);
	CHECK(otp_code(TOKEN, 131), IROT_ERROR_SHORT_BUFFER);
	CHECK(otp_code(TOKEN, 132), IROT_SUCCESS);
	CHECK(otp_code(TOKEN "further", 256), IROT_SUCCESS);
	CHECK(id2_client_load_otp_data(NULL, 89), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_load_otp_data(data, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_load_otp_data(data, 1025), IROT_ERROR_EXCESS_DATA);
	CHECK(id2_client_load_otp_data(data, UINT32_MAX), IROT_ERROR_EXCESS_DATA);
	for (uint32_t n = 1; n <= 1024; n++)
		CHECK(id2_client_load_otp_data(data, n), IROT_ERROR_GENERIC);
	CHECK(id2_client_get_prov_stat(&is), IROT_SUCCESS);
	CHECK(is, provisioned);
	free(data);
	free(code);
	free(long_token);
}

/* What a device that reaches the server itself can do wrong; server_test.go has the
 * rest. Port 1 of this machine takes no connections. */
static void own_provisioning(bool provisioned)
{
	char *long_host = repeat('h', 129), *long_key = repeat('k', 65);

	CHECK(id2_client_wrap_do_provisioning(NULL, 1, "pk", TOKEN, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_wrap_do_provisioning("127.0.0.1", 1, NULL, TOKEN, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_wrap_do_provisioning("127.0.0.1", 1, "pk", NULL, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_wrap_do_provisioning("", 1, "pk", TOKEN, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_wrap_do_provisioning(long_host, 1, "pk", TOKEN, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_wrap_do_provisioning("127.0.0.1", 1, "", TOKEN, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_wrap_do_provisioning("127.0.0.1", 1, long_key, TOKEN, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_wrap_do_provisioning("127.0.0.1", 0, "pk", TOKEN, 0), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_wrap_do_provisioning("127.0.0.1", 65536, "pk", TOKEN, 0), IROT_ERROR_BAD_PARAMETERS);
	if (provisioned) {
		CHECK(id2_client_wrap_do_provisioning("127.0.0.1", 1, "pk", "", 0), IROT_SUCCESS);
	} else {
		CHECK(id2_client_wrap_do_provisioning("127.0.0.1", 1, "pk", "", 0), IROT_ERROR_BAD_PARAMETERS);
		CHECK(id2_client_wrap_do_provisioning("127.0.0.1", 1, "pk", TOKEN, 0), IROT_ERROR_COMMUNICATION);
	}
	free(long_host);
	free(long_key);
}

static void set_key(void)
{
	char *long_key = repeat('0', 66);

	CHECK(id2_client_set_id2_and_key(NULL, 2, KEY), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_set_id2_and_key(ID, 2, NULL), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_set_id2_and_key(ID "00", 2, KEY), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_set_id2_and_key("short", 2, KEY), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_set_id2_and_key(ID, 0, KEY), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_set_id2_and_key(ID, 4, KEY), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_set_id2_and_key(ID, 2, KEY "0"), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_set_id2_and_key(ID, 2, "xx"), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_set_id2_and_key(ID, 2, long_key), IROT_ERROR_BAD_PARAMETERS);
	CHECK(id2_client_set_id2_and_key(ID, 1, KEY), IROT_SUCCESS); /* 3DES */
	CHECK(id2_client_set_id2_and_key(ID, 3, KEY), IROT_SUCCESS); /* SM4 */
	CHECK(id2_client_set_id2_and_key(ID, 2, KEY), IROT_SUCCESS); /* AES */
	free(long_key);
}

/* Before init and after the last cleanup everything is IROT_ERROR_GENERIC. */
static void not_ready(void)
{
	uint8_t *b = buffer(512);
	uint32_t n = 512;
	bool is = false;

	CHECK(id2_client_get_version(&n), IROT_ERROR_GENERIC);
	CHECK(id2_client_get_version(NULL), IROT_ERROR_GENERIC);
	CHECK(id2_client_get_id(b, &n), IROT_ERROR_GENERIC);
	CHECK(id2_client_get_challenge_auth_code("1", NULL, 0, b, &n), IROT_ERROR_GENERIC);
	CHECK(id2_client_get_timestamp_auth_code("1", NULL, 0, b, &n), IROT_ERROR_GENERIC);
	CHECK(id2_client_decrypt(b, 16, b, &n), IROT_ERROR_GENERIC);
	CHECK(id2_client_encrypt("s", b, 16, b, &n), IROT_ERROR_GENERIC);
	CHECK(id2_client_get_device_challenge(b, &n), IROT_ERROR_GENERIC);
	CHECK(id2_client_verify_server(b, 16, b, 16, NULL, 0), IROT_ERROR_GENERIC);
	CHECK(id2_client_get_secret("s", b, &n), IROT_ERROR_GENERIC);
	CHECK(id2_client_derive_key("s", b, 16), IROT_ERROR_GENERIC);
	CHECK(id2_client_get_prov_stat(&is), IROT_ERROR_GENERIC);
	CHECK(id2_client_get_otp_auth_code(b, 32, b, &n), IROT_ERROR_GENERIC);
	CHECK(id2_client_load_otp_data(b, 89), IROT_ERROR_GENERIC);
	CHECK(id2_client_set_id2_and_key(ID, 2, KEY), IROT_ERROR_GENERIC);
	CHECK(id2_client_dpm_get_totp(1, 1, 180, 6, b), IROT_ERROR_GENERIC);
	CHECK(id2_client_dpm_get_index(b, 6, &n), IROT_ERROR_GENERIC);
	CHECK(id2_client_wrap_do_provisioning("", 0, "", "", 0), IROT_ERROR_GENERIC);
	CHECK(id2_client_cleanup(), IROT_SUCCESS);
	free(b);
}

int main(void)
{
	not_ready();
	CHECK(setenv("HALLMARK_ID2_STORE", "/dev/null/nowhere", 1), 0);
	CHECK(id2_client_init(), IROT_ERROR_GENERIC);
	not_ready();
	CHECK(unsetenv("HALLMARK_ID2_STORE"), 0); /* from now on it is under $HOME */

	CHECK(id2_client_init(), IROT_SUCCESS);
	provisioning(false);
	own_provisioning(false);
	set_key();
	CHECK(id2_client_cleanup(), IROT_SUCCESS);
	not_ready();

	CHECK(id2_client_init(), IROT_SUCCESS); /* the identity was kept */
	CHECK(id2_client_init(), IROT_SUCCESS);
	CHECK(id2_client_cleanup(), IROT_SUCCESS);
	provisioning(true);
	own_provisioning(true);
	CHECK(id2_client_cleanup(), IROT_SUCCESS);
	not_ready();

	CHECK(setenv("HALLMARK_ID2_SEAL_KEY_FILE", "other.key", 1), 0);
	CHECK(id2_client_init(), IROT_ERROR_AUTHENTICATION);
	CHECK(setenv("HALLMARK_ID2_SEAL_KEY_FILE", "missing.key", 1), 0);
	CHECK(id2_client_init(), IROT_ERROR_AUTHENTICATION);
	not_ready();
	return finish("provisioning");
}
