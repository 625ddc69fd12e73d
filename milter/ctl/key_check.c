/* SPDX-License-Identifier: BSD-2-Clause */
#include "key_check.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/wait.h"
#include "lib/conf/conf.h"
#include "milter/privileges.h"
#include "milter/published.h"
#include "milter/resolver.h"
#include "milter/stage/signing.h"
#include "posternctl.h"

#define FINDING 1 /* exit code: not all is well */

struct check {
	const char *domain;
	const char *selector; /* NULL: all */
	bool json;
	const struct key_check *with;
	size_t count;
	int rc;
};

static void
print(const struct check *c, const struct signing_match *m, const char *file,
    const struct published_finding *f)
{
	json_t *j;

	if (c->json) {
		j = json_pack("{s:o,s:s,s:s,s:o,s:o,s:o,s:o,s:s,s:o}", "name",
		    posternctl_string(f->name), "domain", m->domain,
		    "selector", m->selector, "file", posternctl_string(file),
		    "status",
		    posternctl_string(f->fault == NULL ? "ok" : f->fault),
		    "text", posternctl_string(f->text), "cure",
		    posternctl_string(f->cure), "expected", f->expected,
		    "found", posternctl_string(f->found));
		posternctl_print(j);
		json_decref(j);
		return;
	}
	printf("%s: %s: %s\n", f->name, f->fault == NULL ? "ok" : f->fault,
	    f->text);
	if (f->fault == NULL)
		return;
	printf("  key:      %s\n  expected: %s\n",
	    file == NULL ? "in KeyTable" : file, f->expected);
	printf("  found:    %s\n", f->found == NULL ? "nothing" : f->found);
	if (f->cure != NULL)
		printf("  cure:     %s\n", f->cure);
}

static int
check_key(const struct signing_match *m, const char *file, void *arg)
{
	struct check *c = arg;
	const struct published_finding *f;
	struct published *p;
	struct wait w = WAIT_INIT;

	if (c->selector != NULL && strcasecmp(c->selector, m->selector) != 0)
		return 0;
	c->count++;
	p = published_start(resolver_dns(c->with->resolver), m->domain,
	    m->selector, m->key);
	if (p == NULL)
		return ERR_NOMEM;
	wait_begin(&w, resolver_timeout_ms(c->with->conf));
	f = published_collect(p, &w);
	print(c, m, file, f);
	if (f->fault != NULL)
		c->rc = FINDING;
	published_drop(p);
	wait_fini(&w);
	return 0;
}

/* Where root asks, keys are read as UserID, for that is who signs with them. */
static int
load_keys(
    struct key_check *k, const struct conf *conf, struct errmsg *msg_r)
{
	struct privileges user = {0};
	struct errmsg why;
	bool root = geteuid() == 0;
	int rc;

	if (root && privileges_find(conf_str(conf, "UserID"), &user, &why) ==
	    EX_OK && user.change &&
	    (setgroups((size_t)user.ngroups, user.groups) != 0 ||
		setegid(user.gid) != 0 || seteuid(user.uid) != 0)) {
		errmsg_set(msg_r, "UserID: can't become user %s: %s", user.name,
		    strerror(errno));
		return ERR_SYSTEM;
	}
	rc = signing_load(conf, &k->signing, msg_r);
	if (root && seteuid(0) != 0)
		abort();
	return rc;
}

int
key_check_load(struct key_check *k, struct conf *conf, struct errmsg *msg_r)
{
	int rc;

	k->conf = conf;
	rc = conf_also(conf, 0, load_keys(k, conf, msg_r), msg_r);
	return conf_also(
	    conf, rc, resolver_load(conf, NULL, &k->resolver, msg_r), msg_r);
}

void
key_check_close(struct key_check *k)
{
	signing_free(k->signing);
	resolver_unref(k->resolver);
}

static void
say_unjudged(const struct conf *conf)
{
	if (geteuid() != 0)
		fprintf(stderr, "posternctl: who may read the keys is not "
		    "judged; run posternctl as root\n");
	else
		fprintf(stderr, "posternctl: UserID: there is no user %s, so "
		    "who may read the keys is not judged\n",
		    conf_str(conf, "UserID"));
}

int
key_check_run(const struct key_check *k, const char *domain,
    const char *selector, bool json)
{
	struct check c = {.domain = domain,
	    .selector = selector,
	    .json = json,
	    .with = k};
	struct errmsg msg = {.text = ""};

	if (k->signing != NULL && !signing_judged(k->signing))
		say_unjudged(k->conf);
	if (k->signing != NULL &&
	    signing_keys(k->signing, domain, check_key, &c, &msg) != 0) {
		fprintf(stderr, "posternctl: %s\n",
		    msg.text[0] == '\0' ? err_text(ERR_NOMEM) : msg.text);
		return EX_SOFTWARE;
	}
	if (c.count > 0)
		return c.rc;
	fprintf(stderr, "posternctl: %s: the configuration has no key "
	    "%s%sfor this domain: see KeyTable, or Domain, Selector "
	    "and KeyFile\n", domain, selector == NULL ? "" : selector,
	    selector == NULL ? "" : " ");
	return FINDING;
}
