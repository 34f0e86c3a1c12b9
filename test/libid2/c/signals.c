/* The program's signals stay its own: what Go does not handle by itself goes to the
 * handlers that were there before, and the other signals are not touched. */
#define _GNU_SOURCE
#include "id2_client.h"

#include "check.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile sig_atomic_t handled;

static void handler(int signal)
{
	handled = signal;
	if (signal != SIGPIPE)
		siglongjmp(back, 1);
}

/* Real faults of the program: a signal that somebody sends is none. */
static void bad_address(void)
{
	volatile int *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*nowhere = 1;
}

static void beyond_the_file(void)
{
	FILE *empty = tmpfile();
	volatile int *nowhere = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(empty), 0);

	*nowhere = 1;
}

static void divides_by_zero(void)
{
	volatile int zero = 0;

	zero = 7 / zero;
}

int main(void)
{
	void (*faults[])(void) = {bad_address, beyond_the_file, divides_by_zero};
	int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGPIPE};
	int others[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGALRM, SIGUSR1};
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_NODEFER}, now;
	int ends[2];

	for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
		CHECK(sigaction(caught[i], &action, NULL), 0);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) /* whatever was inherited, as below nohup */
		CHECK(signal(others[i], SIG_DFL) != SIG_ERR, 1);
	CHECK(setenv("HALLMARK_ID2_STORE", "prepared", 1), 0);
	CHECK(id2_client_init(), IROT_SUCCESS);
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		CHECK(sigaction(others[i], NULL, &now), 0);
		CHECK(now.sa_handler == SIG_DFL, 1);
	}
	for (size_t i = 0; i < 3; i++) {
		handled = 0;
		if (sigsetjmp(back, 1) == 0)
			faults[i]();
		CHECK(handled, caught[i]);
	}
	CHECK(pipe(ends), 0);
	CHECK(close(ends[0]), 0);
	CHECK(write(ends[1], "x", 1), -1);
	CHECK(handled, SIGPIPE);
	CHECK(id2_client_cleanup(), IROT_SUCCESS);
	return finish("signals");
}
