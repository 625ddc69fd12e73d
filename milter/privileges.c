/* SPDX-License-Identifier: BSD-2-Clause */
#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/cure.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"

/* Report that there is no such user, with the command that creates it.  useradd
 * does not accept a number as a name, nor create a group that exists. */
static int
no_user(const char *word, struct errlist *list)
{
	char name[80];
	unsigned long id;
	char uid[32] = "", group[80] = "--user-group";
	struct user other;
	gid_t gid;
	struct buf b = BUF_INIT;

	snprintf(name, sizeof(name), "%.64s", word);
	if (users_number(word, &id)) {
		snprintf(name, sizeof(name), "postern");
		if (users_find(name, &other) == 0)
			snprintf(name, sizeof(name), "postern-%lu", id);
		snprintf(uid, sizeof(uid), " --uid %lu", id);
	}
	if (users_find_group(name, &gid) == 0)
		snprintf(group, sizeof(group), "--gid %.64s", name);
	cure_path(&b, name);
	errlist_add(list,
	    "UserID: there is no user %s: create it with: useradd --system%s "
	    "%s --shell /usr/sbin/nologin %s",
	    word, uid, group, buf_text(&b) == NULL ? "" : buf_text(&b));
	buf_fini(&b);
	return EX_NOUSER;
}

static int
find_user(const char *word, struct privileges *p, struct errlist *list)
{
	struct user user;

	if (users_find_word(word, &user) != 0)
		return no_user(word, list);
	memcpy(p->name, user.name, sizeof(p->name));
	p->uid = user.uid;
	p->gid = user.gid;
	return EX_OK;
}

static int
find_group(const char *word, struct privileges *p, struct errlist *list)
{
	unsigned long id;
	struct buf b = BUF_INIT;

	if (users_find_group(word, &p->gid) == 0)
		return EX_OK;
	if (users_number(word, &id)) {
		p->gid = (gid_t)id;
	} else if (strcmp(word, "postfix") == 0) {
		errlist_add(list, "UserID: there is no group postfix: "
		    PRIVILEGES_NO_MTA);
		return EX_NOUSER;
	} else {
		cure_path(&b, word);
		errlist_add(list, "UserID: there is no group %s: create it "
		    "with: groupadd --system %s", word,
		    buf_text(&b) == NULL ? "" : buf_text(&b));
		buf_fini(&b);
		return EX_NOUSER;
	}
	return EX_OK;
}

/* Only root can change the user; if we are that user already, nothing need
 * change. */
static int
judge_change(struct privileges *p, struct errlist *list)
{
	if (geteuid() == 0) {
		p->change = p->uid != 0;
		return EX_OK;
	}
	if (geteuid() == p->uid)
		return EX_OK;
	errlist_add(list,
	    "UserID: only root can become user %s: start postern as root (in a "
	    "systemd unit: ExecStart=!...), or as %s",
	    p->name, p->name);
	return EX_NOPERM;
}

int
privileges_find_list(
    const char *spec, struct privileges *p_r, struct errlist *list)
{
	char user[sizeof(p_r->name)];
	const char *group;
	size_t len;
	int rc, also;

	memset(p_r, 0, sizeof(*p_r));
	if (spec == NULL)
		return EX_OK;
	len = strcspn(spec, ":");
	group = spec[len] == ':' ? spec + len + 1 : NULL;
	if (len == 0 || len >= sizeof(user) ||
	    (group != NULL && group[0] == '\0')) {
		errlist_add(list, "UserID: expected USER or USER:GROUP");
		return EX_CONFIG;
	}
	snprintf(user, sizeof(user), "%.*s", (int)len, spec);
	rc = find_user(user, p_r, list);
	also = group == NULL ? EX_OK : find_group(group, p_r, list);
	if (rc != EX_OK)
		return rc;
	p_r->ngroups = PRIVILEGES_GROUPS_MAX;
	if (getgrouplist(p_r->name, p_r->gid, p_r->groups, &p_r->ngroups) < 0)
		p_r->ngroups = PRIVILEGES_GROUPS_MAX; /* the rest is dropped */
	rc = judge_change(p_r, list);
	return also != EX_OK ? also : rc;
}

int
privileges_find(const char *spec, struct privileges *p_r, struct errmsg *msg_r)
{
	struct errlist *list = errlist_new();
	int rc = privileges_find_list(spec, p_r, list);

	if (rc != EX_OK && (list == NULL || errlist_first(list, msg_r) == 0))
		errmsg_set(msg_r, "%s", err_text(ERR_NOMEM));
	errlist_free(list);
	return rc;
}

static bool
is_user(const struct privileges *p)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	return getresuid(&r, &e, &s) == 0 && r == p->uid && e == p->uid &&
	    s == p->uid && getresgid(&rg, &eg, &sg) == 0 && rg == p->gid &&
	    eg == p->gid && sg == p->gid &&
	    getgroups(0, NULL) == p->ngroups;
}

int
privileges_drop(const struct privileges *p, struct errmsg *msg_r)
{
	if (!p->change)
		return EX_OK;
	if (setgroups((size_t)p->ngroups, p->groups) != 0 ||
	    setresgid(p->gid, p->gid, p->gid) != 0 ||
	    setresuid(p->uid, p->uid, p->uid) != 0) {
		errmsg_set(msg_r, "UserID: can't become user %s: %s", p->name,
		    strerror(errno));
		return EX_NOPERM;
	}
	if (!is_user(p) || setuid(0) == 0 || seteuid(0) == 0) {
		errmsg_set(
		    msg_r, "UserID: root's rights did not go away for good");
		return EX_NOPERM;
	}
	return EX_OK;
}
