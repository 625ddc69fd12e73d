/*
 * Where a milter listens, as opendkim(8) writes it: local:PATH (or unix:PATH,
 * or the path alone), inet:PORT[@HOST], inet6:PORT[@HOST].
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_SOCKSPEC_H
#define MILTER_SOCKSPEC_H

#include <netdb.h>
#include <sys/un.h>

struct errmsg;

struct sockspec {
	int family;               /* AF_UNIX, AF_INET, AF_INET6 */
	struct sockaddr_un local; /* AF_UNIX */
	char port[32];            /* a number, or a name of services(5) */
	char host[NI_MAXHOST];    /* "": every address of this machine */
};

/* Parse such a text.  0, or ERR_CONFIG and in *msg_r what was expected. */
int sockspec_parse(
    const char *text, struct sockspec *spec_r, struct errmsg *msg_r);
/* The same for a configuration row: a struct sockspec. */
int sockspec_parse_row(
    const char *text, void *spec_r, struct errmsg *msg_r);
/* The text in libmilter's form, the caller's (free); NULL: no memory. */
char *sockspec_text(const struct sockspec *spec);

#endif
