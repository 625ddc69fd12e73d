/*
 * OpenDMARCConfig: the opendmarc.conf of a server that had OpenDMARC, taken over
 * (opendmarc.conf(5) of OpenDMARC 1.4).  SPDX-License-Identifier: BSD-2-Clause
 *
 * Its DMARC keywords set values of ours, as if they stood in our own file.
 * Where both files give a value, ours counts, with a warning.  Keywords of
 * OpenDMARC's daemon have no effect, and a warning names each that postern does
 * not obey.
 */
#ifndef MILTER_OPENDMARC_H
#define MILTER_OPENDMARC_H

#include "lib/conf/conf.h"

struct errmsg;

/* Every keyword of OpenDMARC. */
extern const struct conf_table options_opendmarc;

/* Read the file that OpenDMARCConfig names, if it names one, into c.  0, or a
 * negative ERR_ and *msg_r. */
int opendmarc_take(struct conf *c, struct errmsg *msg_r);

#endif
