/*
 * The driver of a secure element, which the maker of the chip writes. A program
 * that is linked with all three functions has its identity in the chip. Link the
 * object file itself: a static library that nothing else needs anything of is
 * passed over, unless the linker gets -Wl,-u,se_open_session.
 *
 * The functions return IROT_SUCCESS or an error of id2_client.h, which the client
 * passes on. They are never called from two threads at once.
 */
#ifndef HALLMARK_SE_DRIVER_H
#define HALLMARK_SE_DRIVER_H

#include "id2_client.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Connects to the chip. *handle is what the other two functions get; the client
 * does not look at it.
 */
irod_result_t se_open_session(void **handle);

/*
 * Sends a command APDU (ISO 7816-4) and waits for the answer. *rsp_len is the size
 * of the buffer before, 258 bytes at least, and the length of the answer after,
 * with the two bytes of status. A chip that does not answer in time is
 * IROT_ERROR_TIMEOUT: the client itself waits for as long as this takes.
 */
irod_result_t se_transmit(void *handle, const uint8_t *cmd_apdu, const uint32_t cmd_len,
                          uint8_t *rsp_buf, uint32_t *rsp_len);

/* Ends the connection. */
irod_result_t se_close_session(void *handle);

#ifdef __cplusplus
}
#endif

#endif
