/*
 * SPF macros, RFC 7208 section 7.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_SPF_SPF_MACRO_H
#define LIB_SPF_SPF_MACRO_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct buf;

#define SPF_MACRO_MAX 4096 /* octets an expansion may have */

/* What the letters stand for. */
struct spf_macro_env {
	const char *local, *sender_domain; /* l, o; with an @ between them: s */
	const char *domain, *helo, *host;  /* d, h, r */
	bool v4;
	unsigned char ip[16]; /* i, c; of IPv4 the first four */
	time_t now;           /* t */
	/* p, asked for when met; never NULL but for want of memory */
	const char *(*validated)(void *ctx, const char *domain);
	void *ctx;
};

/* What a macro-string holds. */
struct spf_macro_use {
	bool any;    /* a macro */
	bool client; /* one that differs from client to client, or from sender
	    to sender */
	bool local;  /* one that holds the local part */
	size_t tail; /* where the text after the last macro begins */
};

/* May it stand in a record (or, with explain, in the text that exp= names,
 * where c, r, t and spaces are allowed too)? */
bool spf_macro_check(
    const char *text, size_t len, bool explain, struct spf_macro_use *use_r);
/* Add the expansion of a text that was checked.  ERR_LIMIT: longer than
 * SPF_MACRO_MAX; ERR_NOMEM; or 0. */
int spf_macro_expand(const struct spf_macro_env *env, const char *text,
    size_t len, struct buf *out);

#endif
