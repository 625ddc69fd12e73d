/*
 * Failures and mistakes in words.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

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

void
errmsg_vset(struct errmsg *msg, const char *fmt, va_list ap)
{
	if (msg == NULL)
		return;
	if (vsnprintf(msg->text, sizeof(msg->text), fmt, ap) < 0)
		msg->text[0] = '\0';
	msg->kind = ERRMSG_PLAIN;
	msg->cure = 0;
	msg->path[0] = '\0';
}

static void
append(struct errmsg *msg, const char *text)
{
	size_t len = strlen(msg->text);

	snprintf(msg->text + len, sizeof(msg->text) - len, "%s", text);
}

int
errmsg_set(struct errmsg *msg, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	errmsg_vset(msg, fmt, ap);
	va_end(ap);
	return ERR_CONFIG;
}

int
errmsg_wrap(
    struct errmsg *msg, const struct errmsg *why, const char *fmt, ...)
{
	va_list ap;

	if (msg == NULL)
		return ERR_CONFIG;
	va_start(ap, fmt);
	errmsg_vset(msg, fmt, ap);
	va_end(ap);
	append(msg, why->text);
	return errmsg_about(msg, why);
}

int
errmsg_about(struct errmsg *msg, const struct errmsg *why)
{
	size_t len, end = strlen(why->text);

	if (msg == NULL)
		return ERR_CONFIG;
	len = strlen(msg->text);
	msg->kind = why->kind;
	strcpy(msg->path, why->path);
	if (why->cure > 0 && len >= end &&
	    strcmp(msg->text + len - end, why->text) == 0)
		msg->cure = len - end + why->cure;
	return ERR_CONFIG;
}

void
errmsg_of_file(struct errmsg *msg, const char *path, int error)
{
	if (msg == NULL || error != EACCES)
		return;
	msg->kind = ERRMSG_CLOSED;
	if (strlen(path) < sizeof(msg->path))
		strcpy(msg->path, path);
}

void
errmsg_cure(struct errmsg *msg, const char *joint, const char *cure)
{
	if (msg == NULL)
		return;
	msg->cure = strlen(msg->text);
	append(msg, joint);
	append(msg, cure);
}
