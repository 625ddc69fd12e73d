/* SPDX-License-Identifier: BSD-2-Clause */
#include "peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/users.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "options.h"

#define KEYWORD "SocketPeers"
#define USER_NAME_SIZE 64
#define REMEMBERED_MAX 64

struct peers {
	bool everybody;
	size_t n, room;
	uid_t *uids;
};

/* Users that the packages of MTAs create, and root; those that do not exist are
 * left out. */
static const char *const defaults[] = {"root", "postfix", "smmsp", "smmta"};

static struct {
	size_t n;
	struct {
		char name[USER_NAME_SIZE];
		uid_t uid;
	} users[REMEMBERED_MAX];
} remembered;

static bool
number(const char *word, uid_t *uid_r)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(word, &end, 10);
	*uid_r = (uid_t)n;
	return word[0] >= '0' && word[0] <= '9' && *end == '\0' && errno == 0 &&
	       n < 0xffffffffUL;
}

static bool
look_up(const char *name, uid_t *uid_r)
{
	struct user user;

	if (users_find(name, &user) == 0) {
		*uid_r = user.uid;
		return true;
	}
	for (size_t i = 0; i < remembered.n; i++) {
		if (strcmp(remembered.users[i].name, name) == 0) {
			*uid_r = remembered.users[i].uid;
			return true;
		}
	}
	return number(name, uid_r);
}

static int
add(struct peers *peers, uid_t uid)
{
	if (peers->n == peers->room) {
		size_t room = peers->room * 2 + 8;
		uid_t *more = realloc(peers->uids, room * sizeof(*more));

		if (more == NULL)
			return ERR_NOMEM;
		peers->uids = more;
		peers->room = room;
	}
	peers->uids[peers->n++] = uid;
	return 0;
}

struct walk {
	const struct conf *conf;
	struct peers *peers;
	struct errmsg *msg_r;
	bool wrong; /* there is a mistake in one of them */
};

static int
add_entry(const struct dataset_entry *entry, void *arg)
{
	struct walk *w = arg;
	uid_t uid;

	if (strcmp(entry->key, "*") == 0) {
		w->peers->everybody = true;
		return 0;
	}
	if (!look_up(entry->key, &uid)) {
		errmsg_set(w->msg_r,
		    "%s: %s: there is no user %s; expected names or numbers of "
		    "users of this machine, or *",
		    conf_where(w->conf, KEYWORD), KEYWORD, entry->key);
		w->wrong = true;
		return conf_noted(w->conf, ERR_CONFIG, w->msg_r);
	}
	return add(w->peers, uid);
}

static int
add_defaults(struct peers *peers)
{
	int rc = add(peers, geteuid());
	uid_t uid;

	for (size_t i = 0; rc == 0 && i < sizeof(defaults) / sizeof(*defaults);
	     i++) {
		if (look_up(defaults[i], &uid))
			rc = add(peers, uid);
	}
	return rc;
}

/* Warn if SocketPeers names no user as which an MTA connects: Postfix as
 * postfix, Sendmail as root and one of its own. */
static void
warn_no_mta(const struct conf *conf, const struct peers *peers, bool list)
{
	const char *given = conf_str(conf, KEYWORD);
	bool postfix = false;
	uid_t uid;

	for (size_t i = 1; i < sizeof(defaults) / sizeof(*defaults); i++) {
		if (!look_up(defaults[i], &uid))
			continue;
		if (peers_has(peers, uid))
			return;
		postfix = postfix || strcmp(defaults[i], "postfix") == 0;
	}
	if (!postfix && peers_has(peers, 0))
		return;
	conf_odd(conf, "%s: " KEYWORD ": an MTA of this machine can't "
	    "connect: expected its user too (postfix; smmsp or smmta and root "
	    "for Sendmail): %s%s%s",
	    conf_where(conf, KEYWORD), list ? KEYWORD " " : "postfix in ",
	    given, list ? ", postfix" : "");
}

static int
compare(const void *a, const void *b)
{
	uid_t ua = *(const uid_t *)a, ub = *(const uid_t *)b;

	return ua < ub ? -1 : ua > ub;
}

int
peers_load(
    const struct conf *conf, struct peers **peers_r, struct errmsg *msg_r)
{
	struct peers *peers = calloc(1, sizeof(*peers));
	struct walk w = {.conf = conf, .peers = peers, .msg_r = msg_r};
	struct dataset *set = NULL;
	bool list = false;
	int rc;

	if (peers == NULL)
		return ERR_NOMEM;
	rc = options_set(conf, KEYWORD, NULL, &set, msg_r);
	if (rc == 0)
		rc = set == NULL ? add_defaults(peers)
				 : dataset_walk(set, add_entry, &w);
	if (set != NULL)
		list = dataset_is_listed(set);
	dataset_free(set);
	if (rc != 0) {
		peers_free(peers);
		return rc;
	}
	if (peers->n > 0)
		qsort(peers->uids, peers->n, sizeof(*peers->uids), compare);
	if (conf_given(conf, KEYWORD) && !w.wrong)
		warn_no_mta(conf, peers, list);
	*peers_r = peers;
	return 0;
}

void
peers_free(struct peers *peers)
{
	if (peers == NULL)
		return;
	free(peers->uids);
	free(peers);
}

bool
peers_everybody(const struct peers *peers)
{
	return peers->everybody;
}

bool
peers_has(const struct peers *peers, uid_t uid)
{
	return peers->everybody ||
	       (peers->n > 0 && bsearch(&uid, peers->uids, peers->n,
				    sizeof(uid), compare) != NULL);
}

static void
remember(const char *name)
{
	uid_t uid;

	if (remembered.n < REMEMBERED_MAX && strlen(name) < USER_NAME_SIZE &&
	    look_up(name, &uid)) {
		strcpy(remembered.users[remembered.n].name, name);
		remembered.users[remembered.n++].uid = uid;
	}
}

static int
remember_entry(const struct dataset_entry *entry, void *arg)
{
	(void)arg;
	remember(entry->key);
	return 0;
}

void
peers_remember(const struct conf *conf)
{
	struct dataset *set = NULL;
	struct errmsg msg;

	for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults); i++)
		remember(defaults[i]);
	/* peers_load reports what is wrong with it. */
	if (options_set_too(conf, KEYWORD, &set, &msg) == 0 && set != NULL)
		(void)dataset_walk(set, remember_entry, NULL);
	dataset_free(set);
}
