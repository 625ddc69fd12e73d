/*
 * The log.  SPDX-License-Identifier: BSD-2-Clause
 *
 * LOG_ERR      something does not work until somebody mends it
 * LOG_WARNING  something is odd, and how postern goes on
 * LOG_INFO     one summary line a message; starting, reloading, stopping
 * LOG_DEBUG    what led to it (LogWhy)
 *
 * A line says what happened to what, the cause last.  Text from mail or DNS
 * must be escaped (buf_escape, buf_quote) by whoever puts it into a line; as a last guard
 * control octets in any line become `?`.
 */
#ifndef MILTER_LOG_H
#define MILTER_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <syslog.h>


struct log_options {
	bool syslog;      /* Syslog; otherwise standard error */
	bool quiet;       /* LOG_WARNING and above only */
	bool mute;        /* LOG_ERR and above only */
	bool debug;       /* LOG_DEBUG lines too (LogWhy) */
	int facility;     /* SyslogFacility, LOG_MAIL ... */
	const char *name; /* SyslogName; copied */
};

/* Octets of text that log_vabout writes; longer text is cut.  rsyslog accepts
 * lines of 8 KiB by default. */
#define LOG_TEXT_MAX 7800

/* Is a line of that level written? */
bool log_writes(int level);
/* Set where and what to log.  Before the first call, lines of LOG_INFO and
 * above go to standard error.  The first call must come before threads exist; a
 * reload calls it again.  Only the first call sets the name. */
void log_open(const struct log_options *o);
/* Why the daemon can't start or go on: to standard error, where a person or a
 * service manager looks, and to the log if that is somewhere else. */
void log_fatal(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A line about the daemon. */
void log_line(int level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A line that outsiders can cause at any rate.  It is written at most once a
 * minute for each `seldom` (which is zeroed at first, and lasts), with the
 * number of lines left out since. */
struct log_seldom {
	_Atomic long next; /* CLOCK_MONOTONIC seconds */
	_Atomic unsigned left_out;
};
void log_seldom(struct log_seldom *seldom, int level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A line about a message.  It begins with the queue id (NULL: not known) and
 * the name of the stage (NULL: none).  Most want log_about (session.h). */
void log_vabout(int level, const char *id, const char *stage, const char *fmt,
    va_list ap) __attribute__((format(printf, 4, 0)));

/* The facility of a word (mail, daemon, local0 ...); -1: unknown. */
int log_facility(const char *word);

#endif
