/*
 * Where the page is to be had, as the keyword Http has it: ADDRESS:PORT,
 * [ADDRESS]:PORT, or the path of a local socket.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_HTTPSPEC_H
#define MILTER_HTTPSPEC_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

struct conf;
struct errmsg;

#define HTTPSPEC_CONNECTIONS 64 /* at a time */

struct httpspec {
	int family; /* AF_UNIX, AF_INET, AF_INET6; 0: there is no page */
	union {
		struct sockaddr any;
		struct sockaddr_storage inet;
		struct sockaddr_un local;
	} address;
	socklen_t len;     /* of it */
	bool loopback;     /* nobody reaches it from another machine */
	bool all;          /* it is every address of this machine */
	char host[64];     /* the address as a URL has it; "": a local
	    socket's */
};

/* For the configuration's row: parse such a text; "none": no page.  0, or
 * ERR_CONFIG and what was expected; so also where postern is built without a
 * page. */
int httpspec_parse_row(const char *text, void *spec_r, struct errmsg *msg_r);
bool httpspec_equal(const struct httpspec *a, const struct httpspec *b);
/* How many descriptors a page takes: connections, files that are read for it, and
 * the library's own; 0: there is none. */
unsigned httpspec_descriptors(const struct conf *c);
/* Warn of what is odd in it, once nothing is wrong. */
void httpspec_warn(const struct conf *c);

#endif
