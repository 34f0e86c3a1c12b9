/* A driver with a function missing is an error, not the store. */
#include "id2_client.h"
#include "se_driver.h"

#include "check.h"

irod_result_t se_open_session(void **handle)
{
	*handle = NULL;
	return IROT_SUCCESS;
}

int main(void)
{
	CHECK(id2_client_init(), IROT_ERROR_NOT_IMPLEMENTED);
	CHECK(id2_client_cleanup(), IROT_SUCCESS);
	return finish("partial");
}
