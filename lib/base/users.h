/*
 * The system's users and groups.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Everything here may be called by any number of threads at once.  A look-up
 * may take long, and go over the network, as nsswitch.conf(5) says.
 */
#ifndef LIB_BASE_USERS_H
#define LIB_BASE_USERS_H

#include <stdbool.h>
#include <sys/types.h>

#define USERS_NAME_SIZE 256 /* with its NUL; longer names are cut off */

struct user {
	char name[USERS_NAME_SIZE];
	uid_t uid;
	gid_t gid; /* the first group */
};

/* The user of that name, or of that number.  0, ERR_NOTFOUND, ERR_NOMEM, or
 * ERR_SYSTEM: the data base can't be asked. */
int users_find(const char *name, struct user *user_r);
int users_find_uid(uid_t uid, struct user *user_r);
/* A word of a configuration: the name, or else the number. */
int users_find_word(const char *word, struct user *user_r);
/* Is it a number that is an id?  Names may begin with digits. */
bool users_number(const char *word, unsigned long *id_r);
/* The group of that name; as above. */
int users_find_group(const char *name, gid_t *gid_r);

/* A name for people to read: the number where no name is known.  name_r is
 * returned. */
const char *users_name(uid_t uid, char name_r[USERS_NAME_SIZE]);
const char *users_group_name(gid_t gid, char name_r[USERS_NAME_SIZE]);

/*
 * Is anybody in the group but root and that user?  who_r says who.  A group
 * that can't be looked up may have, or may get, any member: true.
 */
bool users_group_others(gid_t gid, uid_t uid, char who_r[USERS_NAME_SIZE]);

#endif
