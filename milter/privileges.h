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
/* What to do where Postfix's own group is not there. */
#define PRIVILEGES_NO_MTA                                                      \
	"install Postfix first: the group postfix comes with it"

struct privileges {
	bool change; /* false: we are that user, or none was asked for */
	char name[USERS_NAME_SIZE];
	uid_t uid;
	gid_t gid;
	gid_t groups[PRIVILEGES_GROUPS_MAX];
	int ngroups;
};

/*
 * Look up USER or USER:GROUP (names or numbers; NULL: stay who we are) and all
 * that is needed to become it later, also inside a chroot.  EX_OK, or another
 * of sysexits and the mistakes in the list; a user who is there is in *p_r all
 * the same, without a group that is not.
 */
int privileges_find_list(
    const char *spec, struct privileges *p_r, struct errlist *list);
/* The same with the first mistake only. */
int privileges_find(
    const char *spec, struct privileges *p_r, struct errmsg *msg_r);
/* Become it, and make sure that there is no way back. */
int privileges_drop(const struct privileges *p, struct errmsg *msg_r);

#endif
