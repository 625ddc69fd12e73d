/*
 * The files that exist as long as the daemon runs: its socket and its pid file.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_DAEMON_RUNFILES_H
#define MILTER_DAEMON_RUNFILES_H

#include <stdbool.h>
#include <sys/types.h>

struct errmsg;
struct holder_for;
struct stat;

/* May we remove or replace the file in that directory?  Not another user's in a
 * directory such as /tmp. */
bool runfiles_may_replace(const struct stat *dir, const struct stat *st);

/* Could the pid file be written?  uid: the user that the daemon will run as.
 * EX_OK, and in *msg_r perhaps a warning (holder_passes); or as
 * runfiles_pid. */
int runfiles_check(const char *path, uid_t uid, const struct holder_for *f,
    struct errmsg *msg_r);
/* Write our process id, and lock the file until this process and all that it
 * forks have ended.  EX_OK, or EX_CANTCREAT, or EX_UNAVAILABLE (a running
 * process holds it), and *msg_r. */
int runfiles_pid(const char *path, uid_t uid, struct errmsg *msg_r);
/* Remember the socket at that path, to be removed too. */
void runfiles_socket(const char *path);
/* Remove both files, if they are still ours.  Works after a chroot.  If we may
 * not remove the pid file, it is emptied. */
void runfiles_remove(void);
/* Leave them to the parent process. */
void runfiles_forget(void);

#endif
