/* What the driver of the tests can be told to do wrong. */
#ifndef DRIVER_H
#define DRIVER_H

#include "se_driver.h"

/* What the three functions return in place of doing anything, unless success. */
extern irot_result_t driver_opens, driver_transmits, driver_closes;

/* Whether it says that it has written more than there is room for. */
extern int driver_lies;

#endif
