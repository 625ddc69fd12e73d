/*
 * OpenDMARCConfig: the opendmarc.conf of a server that had OpenDMARC, taken over
 * (opendmarc.conf(5) of OpenDMARC 1.4).  SPDX-License-Identifier: BSD-2-Clause
 *
 * Its DMARC keywords become values of ours, as if they were written in our own
 * file, where that does not say something else.  Those of the daemon are left
 * alone, and what is of no use here is named in a warning.
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
