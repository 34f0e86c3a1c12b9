/* The functions of id2_client.h: each enters Go if it may. */
#define _GNU_SOURCE
#include "_cgo_export.h"
#include "guard.h"

#include <stdlib.h>

#define ENTER(call)                                                                                \
	do {                                                                                       \
		irot_result_t refused = hallmark_guard_enter();                                             \
		return refused != IROT_SUCCESS ? refused : (call);                                 \
	} while (0)

/* The environment is read here: Go would see it as it was when the program started. */
irot_result_t id2_client_init(void)
{
	irot_result_t refused = hallmark_guard_start();

	if (refused != IROT_SUCCESS)
		return refused;
	return hallmarkInit(secure_getenv("HALLMARK_ID2_STORE"), secure_getenv("HOME"),
	                    secure_getenv("HALLMARK_ID2_SEAL_KEY_FILE"),
	                    secure_getenv("HALLMARK_ID2_FINGERPRINT"),
	                    secure_getenv("HALLMARK_ID2_ALGORITHM"), secure_getenv("HALLMARK_ID2_LOG"));
}

irot_result_t id2_client_cleanup(void)
{
	irot_result_t refused = hallmark_guard_enter();

	if (refused == IROT_ERROR_GENERIC)
		return IROT_SUCCESS; /* there is nothing to clean up */
	return refused != IROT_SUCCESS ? refused : hallmarkCleanup();
}

irot_result_t id2_client_get_version(uint32_t *version)
{
	ENTER(hallmarkVersion(version));
}

irot_result_t id2_client_get_id(uint8_t *id, uint32_t *len)
{
	ENTER(hallmarkID(id, len));
}

irot_result_t id2_client_get_challenge_auth_code(const char *challenge, const uint8_t *extra,
                                                 uint32_t extra_len, uint8_t *auth_code,
                                                 uint32_t *auth_code_len)
{
	ENTER(hallmarkAuthCode(0, (char *)challenge, (uint8_t *)extra, extra_len, auth_code,
	                       auth_code_len));
}

irot_result_t id2_client_get_timestamp_auth_code(const char *timestamp, const uint8_t *extra,
                                                 uint32_t extra_len, uint8_t *auth_code,
                                                 uint32_t *auth_code_len)
{
	ENTER(hallmarkAuthCode(1, (char *)timestamp, (uint8_t *)extra, extra_len, auth_code,
	                       auth_code_len));
}

irot_result_t id2_client_decrypt(const uint8_t *in, uint32_t in_len, uint8_t *out,
                                 uint32_t *out_len)
{
	ENTER(hallmarkDecrypt((uint8_t *)in, in_len, out, out_len));
}

irot_result_t id2_client_encrypt(const char *seed, const uint8_t *in, uint32_t in_len,
                                 uint8_t *out, uint32_t *out_len)
{
	ENTER(hallmarkEncrypt((char *)(seed != NULL ? seed : ""), (uint8_t *)in, in_len, out,
	                      out_len));
}

irot_result_t id2_client_get_device_challenge(uint8_t *random, uint32_t *random_len)
{
	ENTER(hallmarkDeviceChallenge(random, random_len));
}

irot_result_t id2_client_verify_server(const uint8_t *auth_code, uint32_t auth_code_len,
                                       const uint8_t *device_random, uint32_t device_random_len,
                                       const uint8_t *server_extra, uint32_t server_extra_len)
{
	ENTER(hallmarkVerifyServer((uint8_t *)auth_code, auth_code_len, (uint8_t *)device_random,
	                           device_random_len, (uint8_t *)server_extra, server_extra_len));
}

irot_result_t id2_client_get_secret(const char *seed, uint8_t *secret, uint32_t *secret_len)
{
	ENTER(hallmarkSecret((char *)seed, secret, secret_len));
}

irot_result_t id2_client_derive_key(const char *seed, uint8_t *key, uint32_t key_len)
{
	ENTER(hallmarkDeriveKey((char *)seed, key, key_len));
}

irot_result_t id2_client_get_prov_stat(bool *is_prov)
{
	ENTER(hallmarkProvisioned(is_prov));
}

irot_result_t id2_client_get_otp_auth_code(const uint8_t *token, uint32_t token_len,
                                           uint8_t *auth_code, uint32_t *len)
{
	ENTER(hallmarkOTPAuthCode((uint8_t *)token, token_len, auth_code, len));
}

irot_result_t id2_client_load_otp_data(const uint8_t *otp_data, uint32_t len)
{
	ENTER(hallmarkLoadOTPData((uint8_t *)otp_data, len));
}

irot_result_t id2_client_set_id2_and_key(const char *id2, int key_type, const char *key_value)
{
	ENTER(hallmarkSetKey((char *)id2, key_type, (char *)key_value));
}

irot_result_t id2_client_dpm_get_totp(uint64_t timestamp, uint32_t index, uint32_t otp_step,
                                      uint32_t otp_len, uint8_t *otp_data)
{
	ENTER(hallmarkTOTP(timestamp, index, otp_step, otp_len, otp_data));
}

irot_result_t id2_client_dpm_get_index(uint8_t *otp_data, uint32_t otp_len, uint32_t *index)
{
	ENTER(hallmarkTOTPIndex(otp_data, otp_len, index));
}

irot_result_t id2_client_wrap_do_provisioning(const char *host, uint32_t port,
                                              const char *product_key,
                                              const char *product_secret, uint32_t timeout_ms)
{
	ENTER(hallmarkProvision((char *)host, port, (char *)product_key, (char *)product_secret,
	                        timeout_ms));
}
