/*
 * What is sent back to a request.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_HTTP_ANSWER_H
#define MILTER_HTTP_ANSWER_H

#include "html.h"

#define ANSWER_HTML "text/html; charset=utf-8"
#define ANSWER_TEXT "text/plain; charset=utf-8"
#define ANSWER_COOKIE_SIZE 256

struct answer {
	unsigned status;  /* HTTP's */
	const char *type; /* Content-Type, constant */
	struct html body; /* its `out` is sent, whatever the type */
	struct buf location; /* where to go on, for 303; "": nowhere */
	char cookie[ANSWER_COOKIE_SIZE]; /* Set-Cookie; "": none */
};

#define ANSWER_INIT {200, ANSWER_HTML, HTML_INIT, BUF_INIT, ""}

#endif
