/*
 * Checks that every file that postern makes has a path of its own.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_DAEMON_PATHS_H
#define MILTER_DAEMON_PATHS_H

struct conf;
struct errlist;

/* Values of a start, which may differ from those in the configuration; NULL:
 * none. */
struct paths_start {
	const char *socket, *socket_where; /* only the path */
	const char *pid_file, *pid_where;
	const char *chroot; /* all other files are in there */
};

/* Does any other keyword name a file that we make and replace: the socket, the
 * pid file, or one of a row with CONF_MADE?  EX_OK; or EX_CONFIG
 * and each such pair in the list. */
int paths_check(const struct conf *c, const struct paths_start *start,
    struct errlist *list);

#endif
