/*
 * Failures and mistakes in words.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "err.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

const char *
err_text(int code)
{
	/* A switch over the enum's values rather than an array: a code that
	 * has no words is then noticed by the reader of either. */
	switch (code) {
	case ERR_OK:
		return "no error";
	case ERR_NOMEM:
		return "out of memory";
	case ERR_SYSTEM:
		return "system call failed";
	case ERR_SYNTAX:
		return "malformed input";
	case ERR_LIMIT:
		return "limit exceeded";
	case ERR_NOTFOUND:
		return "not found";
	case ERR_CRYPTO:
		return "cryptographic failure";
	case ERR_CONFIG:
		return "configuration mistake";
	case ERR_FULL:
		return "no room left";
	case ERR_TIMEOUT:
		return "timeout";
	case ERR_FORMAT:
		return "unknown file format";
	}
	return "unknown error";
}

int
errmsg_set(struct errmsg *msg, const char *fmt, ...)
{
	va_list ap;

	if (msg == NULL)
		return ERR_CONFIG;
	va_start(ap, fmt);
	if (vsnprintf(msg->text, sizeof(msg->text), fmt, ap) < 0)
		msg->text[0] = '\0';
	va_end(ap);
	return ERR_CONFIG;
}
