/*
 * UserID: becoming another user for good.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_PRIVILEGES_H
#define MILTER_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/users.h"

struct errlist;
struct errmsg;

#define PRIVILEGES_GROUPS_MAX 256
/* What to do if Postfix's own group does not exist. */
#define PRIVILEGES_NO_MTA                                                      \
	"install Postfix first: the group postfix comes with it"

struct privileges {
	bool change; /* false: we are that user, or spec was NULL */
	char name[USERS_NAME_SIZE];
	uid_t uid;
	gid_t gid;
	gid_t groups[PRIVILEGES_GROUPS_MAX];
	int ngroups;
};

/*
 * Look up USER or USER:GROUP (names or numbers; NULL: no change) and all that
 * is needed to become that user later, even inside a chroot.  EX_OK, or another
 * of sysexits and the mistakes in the list.  If only the group does not exist,
 * *p_r still has the user.
 */
int privileges_find_list(
    const char *spec, struct privileges *p_r, struct errlist *list);
/* The same with the first mistake only. */
int privileges_find(
    const char *spec, struct privileges *p_r, struct errmsg *msg_r);
/* Become that user, and make sure that there is no way back.  EX_OK, or another
 * of sysexits and *msg_r. */
int privileges_drop(const struct privileges *p, struct errmsg *msg_r);

#endif
