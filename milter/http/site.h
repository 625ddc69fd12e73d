/*
 * Who may see and change what: a request that was judged becomes an answer.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Knows nothing of sockets or of the HTTP library.  For one thread.
 */
#ifndef MILTER_HTTP_SITE_H
#define MILTER_HTTP_SITE_H

#include <stdbool.h>
#include <stddef.h>

#include "answer.h"
#include "request.h"

struct site;

/* token_path: of the file (token.h); NULL: whoever can connect may see all, as
 * with a local socket.  NULL: no memory. */
struct site *site_new(const struct request_self *self, const char *token_path);
void site_free(struct site *s); /* NULL is fine */

/* May the request be carried out, as far as its headers tell?  False: *a is the
 * answer.  route_r is for site_answer. */
bool site_admits(struct site *s, const struct request *r, enum route *route_r,
    struct answer *a);
/* Carry out a request that was admitted. */
void site_answer(struct site *s, const struct request *r, enum route route,
    const char *body, size_t len, struct answer *a);
/* The answer for an HTTP status of 400 or more. */
void site_refuse(struct answer *a, unsigned status);

void answer_fini(struct answer *a);

#endif
