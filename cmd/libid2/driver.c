/*
 * The driver's functions are weak references: without them the library links all
 * the same. The handle stays on this side, for it may be anything, and Go takes
 * what it knows as a pointer for one.
 */
#include "driver.h"

#include <stddef.h>

#pragma weak se_open_session
#pragma weak se_transmit
#pragma weak se_close_session

static void *handle;

int hallmark_driver_functions(void)
{
	return (se_open_session != NULL) + (se_transmit != NULL) + (se_close_session != NULL);
}

irot_result_t hallmark_driver_open(void)
{
	handle = NULL;
	return se_open_session(&handle);
}

irot_result_t hallmark_driver_transmit(const uint8_t *command, uint32_t length, uint8_t *answer,
                              uint32_t *answer_length)
{
	return se_transmit(handle, command, length, answer, answer_length);
}

irot_result_t hallmark_driver_close(void)
{
	return se_close_session(handle);
}
