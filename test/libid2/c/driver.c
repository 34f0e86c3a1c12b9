/*
 * A driver of a secure element, as its maker would write it: the chip is behind
 * the file descriptor that SE_FD names, each APDU after its length in two bytes.
 */
#include "driver.h"

#include <stdlib.h>
#include <unistd.h>

irot_result_t driver_opens, driver_transmits, driver_closes;
int driver_lies;

irod_result_t se_open_session(void **handle)
{
	if (driver_opens != IROT_SUCCESS)
		return driver_opens;
	*handle = (void *)(long)atoi(getenv("SE_FD")); /* no pointer, as with real drivers */
	return IROT_SUCCESS;
}

static int whole(ssize_t (*move)(int, void *, size_t), int fd, uint8_t *data, size_t length)
{
	while (length > 0) {
		ssize_t n = move(fd, data, length);

		if (n <= 0)
			return 0;
		data += n;
		length -= (size_t)n;
	}
	return 1;
}

static ssize_t give(int fd, void *data, size_t length) { return write(fd, data, length); }

irod_result_t se_transmit(void *handle, const uint8_t *cmd_apdu, const uint32_t cmd_len,
                          uint8_t *rsp_buf, uint32_t *rsp_len)
{
	int fd = (int)(long)handle;
	uint8_t size[2] = {(uint8_t)(cmd_len >> 8), (uint8_t)cmd_len};
	uint32_t length;

	if (driver_transmits != IROT_SUCCESS)
		return driver_transmits;
	if (!whole(give, fd, size, 2) || !whole(give, fd, (uint8_t *)cmd_apdu, cmd_len) ||
	    !whole(read, fd, size, 2))
		return IROT_ERROR_COMMUNICATION;
	length = (uint32_t)size[0] << 8 | size[1];
	if (length > *rsp_len)
		return IROT_ERROR_SHORT_BUFFER;
	if (!whole(read, fd, rsp_buf, length))
		return IROT_ERROR_COMMUNICATION;
	*rsp_len = driver_lies ? UINT32_MAX : length;
	return IROT_SUCCESS;
}

irod_result_t se_close_session(void *handle)
{
	(void)handle;
	return driver_closes;
}
