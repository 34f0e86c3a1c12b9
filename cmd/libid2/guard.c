/*
 * A Go runtime has threads that do not survive fork(): a child that called into
 * it would wait for them forever. So it is not started when the library is
 * loaded, as Go would have it, but by the first id2_client_init, and every call
 * first asks here whether the process is still the one that started it.
 *
 * build moves the pointer to the runtime's starter from .init_array, which the
 * loader runs, into a section of its own, whose bounds the linker names.
 */
#define _GNU_SOURCE
#include "guard.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

typedef void starter(int argc, char **argv, char **envp);

/* The bounds are not there where build was not used: with go vet and go test. */
extern starter *const __start_id2_go_start[] __attribute__((weak, visibility("hidden")));
extern starter *const __stop_id2_go_start[] __attribute__((weak, visibility("hidden")));

/* What the loader gives a starter. */
static struct {
	int argc;
	char **argv, **envp;
} loaded;

/* Held while the runtime starts, and through every fork. */
static pthread_mutex_t starting = PTHREAD_MUTEX_INITIALIZER;

static atomic_int owner;  /* the process that runs the runtime, 0 before that */
static atomic_bool lost;  /* in a child of the owner */

/*
 * The handlers of fork() see what getpid() does not: a child in a namespace of its
 * own may have its parent's number. getpid() sees a child of a bare clone().
 */
static void before_fork(void) { pthread_mutex_lock(&starting); }

static void after_fork(void) { pthread_mutex_unlock(&starting); }

static void in_child(void)
{
	if (atomic_load(&owner) != 0)
		atomic_store(&lost, true);
	pthread_mutex_unlock(&starting);
}

__attribute__((constructor)) static void when_loaded(int argc, char **argv, char **envp)
{
	loaded.argc = argc;
	loaded.argv = argv;
	loaded.envp = envp;
	pthread_atfork(before_fork, after_fork, in_child);
}

static irot_result_t check_fork(void)
{
	pid_t process = atomic_load(&owner);

	if (atomic_load(&lost) || (process != 0 && process != getpid()))
		return IROT_ERROR_ACCESS_CONFLICT;
	return IROT_SUCCESS;
}

irot_result_t hallmark_guard_start(void)
{
	starter *const *start = __start_id2_go_start;
	irot_result_t refused = check_fork();

	if (refused != IROT_SUCCESS)
		return refused;
	if (start == NULL)
		return IROT_ERROR_NOT_IMPLEMENTED;
	pthread_mutex_lock(&starting);
	if (atomic_load(&owner) == 0) {
		for (; start < __stop_id2_go_start; start++)
			(*start)(loaded.argc, loaded.argv, loaded.envp);
		atomic_store(&owner, getpid());
	}
	pthread_mutex_unlock(&starting);
	return IROT_SUCCESS;
}

irot_result_t hallmark_guard_enter(void)
{
	if (atomic_load(&owner) == 0)
		return IROT_ERROR_GENERIC;
	return check_fork();
}
