/* Many threads at once: everything, and init and cleanup in between. */
#include "id2_client.h"

#include "check.h"

#include <pthread.h>

enum { THREADS = 8, ROUNDS = 100 };

static pthread_mutex_t printing = PTHREAD_MUTEX_INITIALIZER;

/* One round; returns the first result that is not success. */
static irot_result_t use(void)
{
	uint8_t out[512];
	uint32_t length = sizeof out;
	irot_result_t result = id2_client_get_challenge_auth_code("c", NULL, 0, out, &length);

	if (result != IROT_SUCCESS)
		return result;
	length = sizeof out;
	result = id2_client_get_secret("a", out, &length);
	if (result != IROT_SUCCESS)
		return result;
	if (memcmp(out, "41374BF2A3345EA7", 16) != 0)
		return 1;
	length = sizeof out;
	result = id2_client_encrypt("a", out, 64, out, &length);
	if (result != IROT_SUCCESS)
		return result;
	length = 32;
	return id2_client_get_device_challenge(out, &length);
}

static void *user(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		irot_result_t begun = id2_client_init(), used = use(), ended = id2_client_cleanup();

		pthread_mutex_lock(&printing);
		CHECK(begun, IROT_SUCCESS);
		CHECK(used, IROT_SUCCESS);
		CHECK(ended, IROT_SUCCESS);
		pthread_mutex_unlock(&printing);
	}
	return NULL;
}

/* Asks for identities, whose answers never come. */
static void *asker(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		uint8_t out[256], data[89] = {1};
		uint32_t length = sizeof out;
		irot_result_t begun = id2_client_init();
		irot_result_t asked = id2_client_get_otp_auth_code(
			(const uint8_t *)"i11ABCDEFGHabcdefgh0123456789ABC", 32, out, &length);
		irot_result_t loaded = id2_client_load_otp_data(data, sizeof data);
		irot_result_t ended = id2_client_cleanup();

		pthread_mutex_lock(&printing);
		CHECK(begun, IROT_SUCCESS);
		CHECK(asked, IROT_SUCCESS);
		CHECK(loaded, IROT_ERROR_GENERIC);
		CHECK(ended, IROT_SUCCESS);
		pthread_mutex_unlock(&printing);
	}
	return NULL;
}

static void run(void)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, i == 0 ? asker : user, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_join(threads[i], NULL), 0);
}

int main(void)
{
	/* The first init of all comes from many threads at once. */
	CHECK(setenv("HALLMARK_ID2_STORE", "prepared", 1), 0);
	run();
	/* And now with the session open all the time. */
	CHECK(id2_client_init(), IROT_SUCCESS);
	run();
	CHECK(id2_client_cleanup(), IROT_SUCCESS);
	return finish("threads");
}
