/*
 * Who has the socket or pid file that we want?  For `postern -n`, which is run
 * while the daemon runs as well.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_HOLDER_H
#define MILTER_HOLDER_H

#include <stdbool.h>

enum holder {
	HOLDER_SAME,    /* the daemon that serves this configuration */
	HOLDER_OTHER,   /* another process */
	HOLDER_UNKNOWN, /* the system does not say, as to an ordinary user */
};

/* Is the process (0: none is known) a postern with that configuration (NULL:
 * none)? */
enum holder holder_of(long pid, const char *config);
/* The process that listens on the TCP port (in host order); 0: none that we may
 * see. */
long holder_find(unsigned port);

#endif
