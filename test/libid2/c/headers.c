/* The prototypes, as the API document has them. It is compiled, not run. */
#include "id2_client.h"
#include "se_driver.h"
#include "id2_client_dpm.h"

int (*init)(void) = id2_client_init;
int (*get_id)(uint8_t *id, uint32_t *len) = id2_client_get_id;
int (*challenge)(const char *challenge, const uint8_t *extra, uint32_t extra_len, uint8_t *auth_code,
                 uint32_t *auth_code_len) = id2_client_get_challenge_auth_code;
int (*timestamp)(const char *timestamp, const uint8_t *extra, uint32_t extra_len, uint8_t *auth_code,
                 uint32_t *auth_code_len) = id2_client_get_timestamp_auth_code;
int (*decrypt)(const uint8_t *in, uint32_t in_len, uint8_t *out, uint32_t *out_len) =
	id2_client_decrypt;
irot_result_t (*prov_stat)(bool *is_prov) = id2_client_get_prov_stat;
irot_result_t (*otp)(const uint8_t *token, uint32_t token_len, uint8_t *auth_code, uint32_t *len) =
	id2_client_get_otp_auth_code;
irot_result_t (*load)(const uint8_t *otp_data, uint32_t len) = id2_client_load_otp_data;
irod_result_t (*opens)(void **handle) = se_open_session;
irod_result_t (*transmits)(void *handle, const uint8_t *cmd_apdu, const uint32_t cmd_len,
                           uint8_t *rsp_buf, uint32_t *rsp_len) = se_transmit;
irod_result_t (*closes)(void *handle) = se_close_session;
