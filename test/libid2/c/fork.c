/* What works after fork(), and what is refused instead of hanging. */
#define _GNU_SOURCE
#include "id2_client.h"

#include "check.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE = 60 /* seconds, after which a hanging child is killed */ };

/* Runs body in a child and returns how many of its checks failed, -1 for a crash. */
static int in_child(pid_t child, void (*body)(void))
{
	int status = 0;

	if (child == 0) {
		alarm(PATIENCE);
		failures = 0;
		body();
		fflush(stdout);
		_exit(failures);
	}
	CHECK(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* How many threads there are. */
static int threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int n = -2; /* . and .. */

	while (readdir(tasks) != NULL)
		n++;
	closedir(tasks);
	return n;
}

static void uses_it(void)
{
	uint8_t code[256];
	uint32_t length = sizeof code;

	CHECK(id2_client_get_challenge_auth_code("c", NULL, 0, code, &length), IROT_ERROR_GENERIC);
	CHECK(id2_client_cleanup(), IROT_SUCCESS);
	CHECK(id2_client_init(), IROT_SUCCESS);
	length = sizeof code;
	CHECK(id2_client_get_challenge_auth_code("c", NULL, 0, code, &length), IROT_SUCCESS);
	CHECK(id2_client_cleanup(), IROT_SUCCESS);
}

static void is_refused(void)
{
	uint8_t b[512];
	uint32_t n = sizeof b;
	bool is;

	CHECK(id2_client_init(), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_cleanup(), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_get_version(&n), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_get_id(b, &n), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_get_challenge_auth_code("1", NULL, 0, b, &n), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_get_timestamp_auth_code("1", NULL, 0, b, &n), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_decrypt(b, 16, b, &n), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_encrypt("s", b, 16, b, &n), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_get_device_challenge(b, &n), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_verify_server(b, 16, b, 16, NULL, 0), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_get_secret("s", b, &n), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_derive_key("s", b, 16), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_get_prov_stat(&is), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_get_otp_auth_code(b, 32, b, &n), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_load_otp_data(b, 89), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_set_id2_and_key("", 2, ""), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_wrap_do_provisioning("", 0, "", "", 0), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_dpm_get_totp(1, 1, 180, 6, b), IROT_ERROR_ACCESS_CONFLICT);
	CHECK(id2_client_dpm_get_index(b, 6, &n), IROT_ERROR_ACCESS_CONFLICT);
}

/* A child of a child is refused as well. */
static void has_a_child(void)
{
	is_refused();
	CHECK(in_child(fork(), is_refused), 0);
}

/* An accepting child has children of its own, which are refused. */
static void starts_and_forks(void)
{
	uses_it();
	CHECK(in_child(fork(), is_refused), 0);
}

/* Another program may be run from such a child. */
static void runs_a_program(void)
{
	CHECK(execl("/bin/true", "true", (char *)NULL), 0);
}

static void *initialises(void *arg)
{
	(void)arg;
	for (int i = 0; i < 200; i++) {
		id2_client_init();
		id2_client_cleanup();
	}
	return NULL;
}

/* A child that was forked while another thread was starting the library is either
 * early, and may use it, or late, and is refused; it never hangs. */
static void uses_it_or_is_refused(void)
{
	if (id2_client_init() == IROT_ERROR_ACCESS_CONFLICT)
		is_refused();
	else
		CHECK(id2_client_cleanup(), IROT_SUCCESS);
}

static void races(void)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, initialises, NULL), 0);
	for (int i = 0; i < 20; i++)
		CHECK(in_child(fork(), uses_it_or_is_refused), 0);
	CHECK(pthread_join(thread, NULL), 0);
}

int main(void)
{
	CHECK(setenv("HALLMARK_ID2_STORE", "prepared", 1), 0);
	CHECK(threads(), 1); /* loading the library starts nothing */
	CHECK(in_child(fork(), races), 0);

	/* Before the parent has initialised every child may. */
	CHECK(in_child(fork(), uses_it), 0);
	CHECK(in_child(fork(), starts_and_forks), 0);
	CHECK(in_child((pid_t)syscall(SYS_fork), uses_it), 0);

	/* Afterwards none, by whatever way it was made. */
	CHECK(id2_client_init(), IROT_SUCCESS);
	CHECK(in_child(fork(), has_a_child), 0);
	CHECK(in_child((pid_t)syscall(SYS_fork), is_refused), 0);
	CHECK(in_child(fork(), runs_a_program), 0);
	CHECK(id2_client_cleanup(), IROT_SUCCESS);
	CHECK(in_child(fork(), is_refused), 0);

	/* The parent does not mind. */
	CHECK(id2_client_init(), IROT_SUCCESS);
	CHECK(id2_client_cleanup(), IROT_SUCCESS);
	return finish("fork");
}
