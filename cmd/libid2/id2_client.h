/*
 * The ID2 device client, as the vendor's API document and the header of its
 * generation 3.1.0 declare it. docs/device.md tells how to build, link and use it.
 *
 * Every function returns IROT_SUCCESS or one of the errors below. A function that
 * returns an error has changed nothing, beside *len where it says so. All may be
 * called from several threads at once. Arguments are looked at first, then the
 * size of the output buffer, then the identity.
 *
 * Lengths with a star are in and out: the size of the buffer before, the length
 * of the result after; with IROT_ERROR_SHORT_BUFFER the size that is needed.
 */
#ifndef HALLMARK_ID2_CLIENT_H
#define HALLMARK_ID2_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Limits, in bytes. */
#define ID2_ID_LEN 24
#define ID2_ID_MIN_LEN 24
#define ID2_ID_MAX_LEN 48
#define ID2_DERIV_KEY_LEN 32
#define ID2_DERIV_SECRET_LEN 64
#define ID2_MAX_SERVER_RANDOM_LEN 32
#define ID2_MAX_DEVICE_RANDOM_LEN 128
#define ID2_MAX_SEED_LEN 128
#define ID2_MAX_EXTRA_LEN 512
#define ID2_MAX_AUTH_CODE_LEN 512
#define ID2_MAX_CRYPT_LEN 1024
#define ID2_MAX_CRYPT_ADD_LEN 16
#define ID2_MAX_OTP_DATA_LEN 1024
#define ID2_DPM_OTP_STEP_MIN_LEN 180
#define ID2_DPM_OTP_STEP_MAX_LEN 1800
#define ID2_DPM_OTP_DATA_MIN_LEN 6
#define ID2_DPM_OTP_DATA_MAX_LEN 16

/* Results. The number -6 is unused. */
#define IROT_SUCCESS 0
#define IROT_ERROR_GENERIC -1          /* failed, or id2_client_init was not called */
#define IROT_ERROR_BAD_PARAMETERS -2   /* an argument is missing or out of range */
#define IROT_ERROR_SHORT_BUFFER -3     /* the result does not fit */
#define IROT_ERROR_EXCESS_DATA -4      /* an argument is too long, or empty where it is given */
#define IROT_ERROR_OUT_OF_MEMORY -5
#define IROT_ERROR_COMMUNICATION -7    /* with the secure element or a server */
#define IROT_ERROR_NOT_SUPPORTED -8    /* by this key, this carrier or this token */
#define IROT_ERROR_NOT_IMPLEMENTED -9  /* by this build, or this driver */
#define IROT_ERROR_TIMEOUT -10
#define IROT_ERROR_ITEM_NOT_FOUND -11  /* the device has no identity */
#define IROT_ERROR_ACCESS_CONFLICT -12 /* the process was forked after id2_client_init */
#define IROT_ERROR_AUTHENTICATION -13  /* the store was changed, or sealed under another key */

/* The API document spells the type of results both ways. */
typedef int irot_result_t;
typedef int irod_result_t;

/*
 * Finds the carrier of the identity and makes it ready: the secure element whose
 * driver the program is linked with (se_driver.h), otherwise the store in
 * $HALLMARK_ID2_STORE or $HOME/.hallmark/id2. A device without an identity is no
 * error. Calls add up: each needs an id2_client_cleanup.
 *
 * A process that forks calls it after the fork, in each child that needs it: the
 * child of a process that has called it gets IROT_ERROR_ACCESS_CONFLICT.
 */
irot_result_t id2_client_init(void);

/* Ends what one id2_client_init began; more calls than that do nothing. */
irot_result_t id2_client_cleanup(void);

/* The generation whose limits hold: 0x00030100. */
irot_result_t id2_client_get_version(uint32_t *version);

/*
 * The ID2 string, not terminated: 24 characters in general, ID2_ID_MAX_LEN at
 * most. The buffer has ID2_ID_MIN_LEN bytes at least.
 */
irot_result_t id2_client_get_id(uint8_t *id, uint32_t *len);

/*
 * The answer to a server's challenge (server random) of 1 to
 * ID2_MAX_SERVER_RANDOM_LEN characters, with an extra of 1 to ID2_MAX_EXTRA_LEN
 * bytes or none, NULL and 0. The buffer has 256 bytes at least; the code is
 * terminated, which its length does not count.
 */
irot_result_t id2_client_get_challenge_auth_code(const char *challenge,
                                                 const uint8_t *extra, uint32_t extra_len,
                                                 uint8_t *auth_code, uint32_t *auth_code_len);

/* The same for a time: decimal milliseconds since 1970. */
irot_result_t id2_client_get_timestamp_auth_code(const char *timestamp,
                                                 const uint8_t *extra, uint32_t extra_len,
                                                 uint8_t *auth_code, uint32_t *auth_code_len);

/*
 * Opens what a server encrypted for the device: 1 to ID2_MAX_CRYPT_LEN bytes, after
 * base64. in and out may be the same buffer.
 */
irot_result_t id2_client_decrypt(const uint8_t *in, uint32_t in_len,
                                 uint8_t *out, uint32_t *out_len);

/*
 * Encrypts 1 to ID2_MAX_CRYPT_LEN bytes under a key derived for a seed of at most
 * ID2_MAX_SEED_LEN characters; NULL is the empty seed. The result is up to
 * ID2_MAX_CRYPT_ADD_LEN bytes longer. AES and SM4 only.
 */
irot_result_t id2_client_encrypt(const char *seed, const uint8_t *in, uint32_t in_len,
                                 uint8_t *out, uint32_t *out_len);

/*
 * A fresh challenge for a server, as long as the buffer but at most
 * ID2_MAX_DEVICE_RANDOM_LEN hex digits, not terminated.
 */
irot_result_t id2_client_get_device_challenge(uint8_t *random, uint32_t *random_len);

/*
 * Checks a server's answer to the challenge that the device gave it, with the
 * extra that was agreed on, or NULL and 0. IROT_ERROR_GENERIC is a refusal.
 */
irot_result_t id2_client_verify_server(const uint8_t *auth_code, uint32_t auth_code_len,
                                       const uint8_t *device_random, uint32_t device_random_len,
                                       const uint8_t *server_extra, uint32_t server_extra_len);

/*
 * The device's secret for a seed of 1 to ID2_MAX_SEED_LEN characters:
 * ID2_DERIV_SECRET_LEN hex digits, not terminated. 3DES, AES and SM4 only.
 */
irot_result_t id2_client_get_secret(const char *seed, uint8_t *secret, uint32_t *secret_len);

/*
 * key_len bytes, 1 to ID2_DERIV_KEY_LEN, of the device's key for a seed of at most
 * ID2_MAX_SEED_LEN characters. 3DES, AES and SM4 only.
 */
irot_result_t id2_client_derive_key(const char *seed, uint8_t *key, uint32_t key_len);

/* Whether the device has an identity. */
irot_result_t id2_client_get_prov_stat(bool *is_prov);

/*
 * Asks for an identity with a product's token (ProductSecret), of 32 bytes: the
 * binary code, at most 256 bytes, that goes to OtpGetId2 in base64. The process
 * must live until the answer is there, and each call makes answers to the codes
 * before it worthless, even if it returns IROT_ERROR_SHORT_BUFFER.
 */
irot_result_t id2_client_get_otp_auth_code(const uint8_t *token, uint32_t token_len,
                                           uint8_t *auth_code, uint32_t *len);

/*
 * Takes the identity out of the answer, the ProvisionData after base64, and keeps
 * it. If it returns an error the device has the identity it had before, or none.
 */
irot_result_t id2_client_load_otp_data(const uint8_t *otp_data, uint32_t len);

/*
 * Gets a device that has none an identity from a server that it reaches itself, over
 * iTLS at <product_key>.<host>; a host that is an address is used as it is. It waits
 * for timeout_ms milliseconds in all, 2000 at least. IROT_ERROR_GENERIC is a server's
 * refusal, IROT_ERROR_COMMUNICATION and IROT_ERROR_TIMEOUT are worth another try.
 */
irot_result_t id2_client_wrap_do_provisioning(const char *host, uint32_t port,
                                              const char *product_key,
                                              const char *product_secret, uint32_t timeout_ms);

/*
 * Gives the device an identity of 24 characters and a key in hex digits: key_type
 * 1 is 3DES, 2 AES, 3 SM4. For a key file of the chip's maker, and for tests.
 */
irot_result_t id2_client_set_id2_and_key(const char *id2, int key_type, const char *key_value);

/*
 * The one-time password of otp_len digits for the Unix time in seconds, divided
 * into steps of otp_step seconds (0: the shortest), and an index of 0 to 99. otp_data has
 * otp_len bytes; the password is not terminated.
 */
irot_result_t id2_client_dpm_get_totp(uint64_t timestamp, uint32_t index, uint32_t otp_step,
                                      uint32_t otp_len, uint8_t *otp_data);

/* The index that a one-time password carries; it does not check the password. */
irot_result_t id2_client_dpm_get_index(uint8_t *otp_data, uint32_t otp_len, uint32_t *index);

#ifdef __cplusplus
}
#endif

#endif
