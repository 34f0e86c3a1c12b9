/* The library is opened while the program runs. */
#include "id2_client.h"

#include "check.h"

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

typedef irot_result_t plain(void);

static void *library;

static plain *function(const char *name)
{
	plain *f;

	*(void **)&f = dlsym(library, name);
	if (f == NULL)
		abort();
	return f;
}

static int in_child(irot_result_t want)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		alarm(60);
		_exit(function("id2_client_init")() == want ? 0 : 1);
	}
	CHECK(waitpid(child, &status, 0), child);
	return status;
}

int main(int argc, char **argv)
{
	library = dlopen(argv[argc - 1], RTLD_NOW | RTLD_LOCAL);
	if (library == NULL) {
		puts(dlerror());
		return 1;
	}
	CHECK(in_child(IROT_SUCCESS), 0);
	CHECK(function("id2_client_init")(), IROT_SUCCESS);
	CHECK(in_child(IROT_ERROR_ACCESS_CONFLICT), 0);
	CHECK(function("id2_client_cleanup")(), IROT_SUCCESS);
	CHECK(dlclose(library), 0); /* it stays: Go's threads run in it */
	CHECK(function("id2_client_init")(), IROT_SUCCESS);
	CHECK(function("id2_client_cleanup")(), IROT_SUCCESS);
	return finish("opened");
}
