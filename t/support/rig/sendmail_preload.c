/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Preloaded into the rig's Sendmail. Before it reads its configuration,
 * Sendmail waits a minute when the machine's name has no dot; and it logs to
 * syslog only, which a test machine may not have. So the name comes from
 * RIG_HOSTNAME, and log lines go to the file RIG_LOG.
 */

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char host[256];
static char log_path[1024];

/* Early: Sendmail empties its environment. */
__attribute__((constructor)) static void
remember(void)
{
	const char *value;

	if ((value = getenv("RIG_HOSTNAME")) != NULL)
		snprintf(host, sizeof host, "%s", value);
	if ((value = getenv("RIG_LOG")) != NULL)
		snprintf(log_path, sizeof log_path, "%s", value);
}

int
gethostname(char *name, size_t size)
{
	snprintf(name, size, "%s", host);
	return (0);
}

static void
write_line(const char *format, va_list args)
{
	char line[8192];
	int fd, length, start;

	start = snprintf(line, sizeof line, "sendmail[%ld]: ", (long)getpid());
	length = vsnprintf(line + start, sizeof line - start - 1, format, args);
	if (length < 0)
		return;
	strcat(line, "\n");
	/* One write, so that lines of several processes stay whole. */
	if ((fd = open(log_path, O_WRONLY | O_APPEND)) == -1)
		return;
	if (write(fd, line, strlen(line)) == -1)
		_exit(74);
	close(fd);
}

void
syslog(int priority, const char *format, ...)
{
	va_list args;

	(void)priority;
	va_start(args, format);
	write_line(format, args);
	va_end(args);
}

/* The name under which a fortified build calls it. */
void
__syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list args;

	(void)priority;
	(void)flag;
	va_start(args, format);
	write_line(format, args);
	va_end(args);
}
