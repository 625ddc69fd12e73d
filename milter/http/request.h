/*
 * What somebody asks of the page, taken apart and judged: everything of a
 * request that is read by us and not by the HTTP library.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Pure functions of their arguments: no clock, no file, no configuration.
 */
#ifndef MILTER_HTTP_REQUEST_H
#define MILTER_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"

#define REQUEST_BODY_MAX 4096 /* octets */
#define REQUEST_ARG_MAX 1024  /* octets of an argument as sent */

enum route {
	ROUTE_NONE, /* there is no such page */
	ROUTE_HOME,
	ROUTE_MESSAGE,
	ROUTE_ACCOUNT,
	ROUTE_FIND,
	ROUTE_METRICS,
	ROUTE_HEALTH,
	ROUTE_STYLE,
	ROUTE_SCRIPT,
	ROUTE_ICON,
	ROUTE_LOGIN,
	ROUTE_LOGOUT,
};

/* A request as it came; strings are borrowed, NULL: the header is not there. */
struct request {
	const char *method;
	const char *target;  /* path and query, nothing decoded */
	bool http10;         /* HTTP/1.0, where Host may be absent */
	const char *host;
	const char *authorization, *cookie, *origin, *content_type;
	bool twice;          /* one of these came twice */
	bool transfer;       /* there is a Transfer-Encoding */
	const char *length;  /* Content-Length */
};

/* Who we are, for Host. */
struct request_self {
	bool local;      /* a local socket, or loopback: names of loopback
	    alone are ours */
	bool any;        /* every address of this machine is listened on: each
	    address is ours */
	char host[64];   /* the address that is listened on, as a URL has it */
};

/* The answer to a request that is not carried out: an HTTP status; 0: carry it
 * out.  Everything but the token is looked at. */
unsigned request_judge(const struct request *r,
    const struct request_self *self, enum route *route_r);

/* Which page is it?  By the exact path. */
enum route request_route(const char *target);
/* The values of the query's argument of that name, decoded, in the arena.
 * NULL: it is not there, or twice, too long or holds a NUL. */
const char *request_arg(
    struct arena *a, const char *target, const char *name);
/* The same of a form's body. */
const char *request_field(
    struct arena *a, const char *body, size_t len, const char *name);

/* Is a Host one of ours? */
bool request_host_ok(const char *host, const struct request_self *self);
/* Does the Origin name the Host? */
bool request_origin_ok(const char *origin, const char *host);
/* The token of `Authorization: Bearer TOKEN`; NULL: there is none. */
const char *request_bearer(const struct request *r);
/* The value of our cookie, in the arena; NULL: there is none, or it is there
 * twice. */
const char *request_cookie(
    struct arena *a, const char *cookies, const char *name);

#endif
