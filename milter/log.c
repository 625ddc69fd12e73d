/* SPDX-License-Identifier: BSD-2-Clause */
#include "log.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"

#define LINE_SIZE (LOG_TEXT_MAX + 128) /* queue id and stage, too */
#define SELDOM 60 /* seconds */

/* A reload changes these one by one.  A line that is written meanwhile uses old
 * and new values, which are all valid. */
static struct {
	_Atomic bool syslog;
	_Atomic int level; /* the least urgent that is written */
	_Atomic int facility;
	bool named;    /* the first call has set name */
	char name[64]; /* openlog keeps the pointer */
} target = {.level = LOG_INFO, .facility = LOG_MAIL, .name = "postern"};

void
log_open(const struct log_options *o)
{
	if (!target.named) {
		snprintf(target.name, sizeof(target.name), "%s", o->name);
		target.named = true;
	}
	target.level = o->mute ? LOG_ERR
	    : o->quiet		? LOG_WARNING
	    : o->debug		? LOG_DEBUG
				: LOG_INFO;
	target.facility = o->facility;
	/* LOG_NDELAY: after a chroot the log's socket may be out of reach.  The
	 * facility is given with each line, so that a reload can change it. */
	if (o->syslog && !target.syslog)
		openlog(target.name, LOG_PID | LOG_NDELAY, LOG_MAIL);
	target.syslog = o->syslog;
}

bool
log_writes(int level)
{
	return level <= target.level;
}

static void
write_line(int level, char *line)
{
	char out[LINE_SIZE + 128];
	int n;

	for (char *p = line; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
	if (target.syslog) {
		syslog(target.facility | level, "%s", line);
		return;
	}
	n = snprintf(out, sizeof(out), "%s[%ld]: %s\n", target.name,
	    (long)getpid(), line);
	if (n > 0 && write(STDERR_FILENO, out, (size_t)n) < 0)
		return; /* there is no other place to report it */
}

void
log_line(int level, const char *fmt, ...)
{
	char line[LINE_SIZE];
	va_list ap;

	if (level > target.level)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	write_line(level, line);
}

void
log_seldom(struct log_seldom *seldom, int level, const char *fmt, ...)
{
	char line[LINE_SIZE];
	long now = (long)(clock_ms() / 1000);
	unsigned left_out;
	long next = seldom->next;
	size_t len;
	va_list ap;

	/* next is 0 before the first line; the clock may be near 0 after a
	 * boot. */
	if ((next != 0 && now < next) ||
	    !atomic_compare_exchange_strong(
		&seldom->next, &next, now + SELDOM)) {
		seldom->left_out++;
		return;
	}
	left_out = atomic_exchange(&seldom->left_out, 0);
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	len = strlen(line);
	if (left_out > 0)
		snprintf(line + len, sizeof(line) - len,
		    " (and %u more since the last such line)", left_out);
	if (level <= target.level)
		write_line(level, line);
}

void
log_fatal(const char *fmt, ...)
{
	char line[LINE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s: %s\n", target.name, line);
	if (target.syslog)
		write_line(LOG_ERR, line);
}

void
log_vabout(
    int level, const char *id, const char *stage, const char *fmt, va_list ap)
{
	char line[LINE_SIZE];
	struct buf b = BUF_INIT;
	size_t len = 0;

	if (level > target.level)
		return;
	if (id != NULL)
		buf_escape(&b, id, strlen(id), 64);
	id = buf_text(&b);
	len = (size_t)snprintf(line, sizeof(line), "%s: ",
	    id == NULL || id[0] == '\0' ? "NOQUEUE" : id);
	buf_fini(&b);
	if (stage != NULL)
		len += (size_t)snprintf(
		    line + len, sizeof(line) - len, "%s: ", stage);
	vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	write_line(level, line);
}

int
log_facility(const char *word)
{
	static const struct {
		const char *word;
		int facility;
	} known[] = {{"auth", LOG_AUTH}, {"cron", LOG_CRON},
	    {"daemon", LOG_DAEMON}, {"kern", LOG_KERN}, {"lpr", LOG_LPR},
	    {"mail", LOG_MAIL}, {"news", LOG_NEWS}, {"security", LOG_AUTH},
	    {"syslog", LOG_SYSLOG}, {"user", LOG_USER}, {"uucp", LOG_UUCP},
	    {"authpriv", LOG_AUTHPRIV}, {"ftp", LOG_FTP},
	    {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1},
	    {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},
	    {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5},
	    {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7}};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strcasecmp(known[i].word, word) == 0)
			return known[i].facility;
	}
	return -1;
}
