/*
 * The files that stand as long as the daemon runs: its socket, its pid file.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_DAEMON_RUNFILES_H
#define MILTER_DAEMON_RUNFILES_H

#include <stdbool.h>
#include <sys/types.h>

struct errmsg;
struct holder_for;
struct stat;

/* May we take the name away from what has it, in that directory?  In /tmp
 * another user's may not be. */
bool runfiles_may_replace(const struct stat *dir, const struct stat *st);

/* Could the pid file be written?  uid: who the daemon is to run as.  EX_OK, and
 * in *msg_r perhaps a warning (holder_passes); or as runfiles_pid. */
int runfiles_check(const char *path, uid_t uid, const struct holder_for *f,
    struct errmsg *msg_r);
/* Write our process id, and hold the file until all processes that we fork have
 * ended, too.  EX_OK, or EX_CANTCREAT, or EX_UNAVAILABLE (a running process
 * holds it), and *msg_r. */
int runfiles_pid(const char *path, uid_t uid, struct errmsg *msg_r);
/* Note the socket at that path, to be removed too. */
void runfiles_socket(const char *path);
/* Remove what is still ours.  Works after a chroot; without the right to
 * remove it, the pid file is emptied. */
void runfiles_remove(void);
/* Leave them to the parent process. */
void runfiles_forget(void);

#endif
