/* The driver of a secure element, as far as the program is linked with one. */
#ifndef HALLMARK_DRIVER_H
#define HALLMARK_DRIVER_H

#include "se_driver.h"

/* How many of the three functions there are. */
int hallmark_driver_functions(void);

irot_result_t hallmark_driver_open(void);
irot_result_t hallmark_driver_transmit(const uint8_t *command, uint32_t length, uint8_t *answer,
                              uint32_t *answer_length);
irot_result_t hallmark_driver_close(void);

#endif
