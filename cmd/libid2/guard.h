/* What stands between C programs and the Go runtime: guard.c. */
#ifndef HALLMARK_GUARD_H
#define HALLMARK_GUARD_H

#include "se_driver.h"

/* Starts the Go runtime if it is not running. */
irot_result_t hallmark_guard_start(void);

/* Whether a call may go on into Go. */
irot_result_t hallmark_guard_enter(void);

#endif
