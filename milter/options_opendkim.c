/* SPDX-License-Identifier: BSD-2-Clause */
#include "options_opendkim.h"

#include <stddef.h>

#include "lib/conf/conf.h"

const struct conf_option options_opendkim[] = {
    {NULL, CONF_END, 0, NULL, 0, 0, NULL, NULL, NULL, NULL},
};
