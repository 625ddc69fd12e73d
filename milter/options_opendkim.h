/*
 * OpenDKIM's keywords that postern knows but does not obey, each with the
 * reason.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_OPTIONS_OPENDKIM_H
#define MILTER_OPTIONS_OPENDKIM_H

#include "lib/conf/conf.h"

extern const struct conf_table options_opendkim;

#endif
