/* The vendor declares the functions of one-time passwords here. */
#include "id2_client.h"
