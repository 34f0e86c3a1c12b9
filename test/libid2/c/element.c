/* The identity in a secure element, whose driver this program is linked with. */
#include "id2_client.h"

#include "check.h"
#include "driver.h"

#define SECRET_A "41374BF2A3345EA70E8CC549349C36EDF7436A7B681EA56A0B2F15ED979A5380"

static void works(void)
{
	uint8_t out[256];
	uint32_t length = sizeof out;
	bool is = false;

	CHECK(id2_client_get_id(out, &length), IROT_SUCCESS);
	CHECK(length, 24);
	CHECK(memcmp(out, "2122232425262728292A2B2C", 24), 0);
	CHECK(id2_client_get_prov_stat(&is), IROT_SUCCESS);
	CHECK(is, true);
	length = sizeof out;
	CHECK(id2_client_get_challenge_auth_code("c", NULL, 0, out, &length), IROT_SUCCESS);
	CHECK(memcmp(out, "0~2~", 4), 0);
	length = sizeof out;
	CHECK(id2_client_get_secret("a", out, &length), IROT_SUCCESS);
	CHECK(memcmp(out, SECRET_A, 64), 0);
	CHECK(id2_client_decrypt(out, 16, out, &length), IROT_ERROR_GENERIC);
}

static void takes_no_identity(void)
{
	uint8_t out[256];
	uint32_t length = sizeof out;

	CHECK(id2_client_get_otp_auth_code((const uint8_t *)"i11ABCDEFGHabcdefgh0123456789ABC", 32,
	                                   out, &length), IROT_ERROR_NOT_SUPPORTED);
	CHECK(id2_client_load_otp_data(out, 89), IROT_ERROR_NOT_SUPPORTED);
	CHECK(id2_client_set_id2_and_key("2122232425262728292A2B2C", 2,
	                                 "2122232425262728292a2b2c2d2e2f30"), IROT_ERROR_NOT_SUPPORTED);
}

/* Whatever the driver returns is what the program gets. */
static void fails(void)
{
	irot_result_t numbers[] = {-1, -5, -7, -8, -10, -13};
	uint8_t out[256];
	uint32_t length;

	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		driver_transmits = numbers[i];
		length = sizeof out;
		CHECK(id2_client_get_challenge_auth_code("c", NULL, 0, out, &length), numbers[i]);
		driver_transmits = IROT_SUCCESS;
	}
	driver_lies = 1;
	length = sizeof out;
	CHECK(id2_client_get_challenge_auth_code("c", NULL, 0, out, &length), IROT_ERROR_COMMUNICATION);
	driver_lies = 0;
	works();
}

int main(void)
{
	driver_opens = IROT_ERROR_COMMUNICATION;
	CHECK(id2_client_init(), IROT_ERROR_COMMUNICATION);
	driver_opens = IROT_SUCCESS;
	driver_transmits = IROT_ERROR_TIMEOUT;
	CHECK(id2_client_init(), IROT_ERROR_TIMEOUT);
	driver_transmits = IROT_SUCCESS;
	CHECK(setenv("HALLMARK_ID2_ALGORITHM", "rot13", 1), 0);
	CHECK(id2_client_init(), IROT_ERROR_BAD_PARAMETERS);
	CHECK(setenv("HALLMARK_ID2_ALGORITHM", "rsa1024", 1), 0);
	CHECK(id2_client_init(), IROT_ERROR_NOT_SUPPORTED);
	CHECK(setenv("HALLMARK_ID2_ALGORITHM", "aes128", 1), 0);

	CHECK(id2_client_init(), IROT_SUCCESS);
	works();
	takes_no_identity();
	fails();
	driver_closes = IROT_ERROR_TIMEOUT;
	CHECK(id2_client_cleanup(), IROT_ERROR_TIMEOUT);
	CHECK(id2_client_init(), IROT_SUCCESS);
	works();
	driver_closes = IROT_SUCCESS;
	CHECK(id2_client_cleanup(), IROT_SUCCESS);
	return finish("element");
}
