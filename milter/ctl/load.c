/*
 * Loads what a command needs of the configuration, and prints mistakes in it.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/conf/conf.h"
#include "milter/log.h"
#include "milter/past.h"
#include "milter/snapshot.h"
#include "milter/stage/ring.h"
#include "posternctl.h"

/* -- mistakes -- */

/* Keys and tables are for UserID alone, so the cure for the daemon is not
 * printed: it would open them to the user who runs this. */
int
posternctl_mistake(const struct errmsg *msg)
{
	bool closed = geteuid() != 0 &&
	    (msg->kind == ERRMSG_CLOSED || msg->cure > 0);
	size_t len =
	    closed && msg->cure > 0 ? msg->cure : strlen(msg->text);

	fprintf(stderr, "%.*s%s\n", (int)len, msg->text,
	    closed ? "; run posternctl as root" : "");
	return closed ? EX_NOPERM : EX_CONFIG;
}

static void
count_wrong(const struct errmsg *msg, void *arg)
{
	size_t *wrong = arg;

	*wrong += posternctl_mistake(msg) != EX_NOPERM;
}

/* Print all mistakes; EX_NOPERM if each is a file that may not be read. */
static int
print_mistakes(struct errlist *list)
{
	size_t wrong = 0;

	errlist_sort(list);
	errlist_each(list, count_wrong, &wrong);
	return wrong == 0 && errlist_count(list) > 0 ? EX_NOPERM : EX_CONFIG;
}

int
posternctl_no_memory(void)
{
	fprintf(stderr, "posternctl: %s\n", err_text(ERR_NOMEM));
	return EX_OSERR;
}

/* -- loading -- */

const char *
posternctl_config(const struct call *c)
{
	if (c->config != NULL)
		return c->config;
	return access(POSTERN_CONF, F_OK) == 0 || errno != ENOENT
	    ? POSTERN_CONF
	    : NULL;
}

/* Warnings about the configuration are not printed: `postern -n` and the daemon
 * give them. */
static void
mute(void)
{
	static const struct log_options o = {
	    .mute = true, .name = "posternctl"};

	log_open(&o);
}

int
posternctl_conf_also(
    struct call *c, int (*also)(struct call *c, struct errmsg *msg_r))
{
	struct errlist *list = errlist_new();
	struct errmsg msg = {.text = ""};
	int rc = ERR_NOMEM;

	mute();
	if (list != NULL)
		rc = conf_read_list(
		    posternctl_config(c), snapshot_tables(), list, &c->conf);
	if (c->conf != NULL && also != NULL)
		rc = conf_also(c->conf, rc, also(c, &msg), &msg);
	if (c->conf == NULL || rc == ERR_NOMEM) {
		rc = posternctl_no_memory();
	} else if (errlist_count(list) > 0) {
		rc = print_mistakes(list);
	} else if (rc != 0) {
		fprintf(stderr, "posternctl: %s\n", err_text(rc));
		rc = EX_SOFTWARE;
	}
	if (c->conf != NULL)
		conf_end_list(c->conf);
	errlist_free(list);
	return rc;
}

int
posternctl_conf(struct call *c)
{
	return posternctl_conf_also(c, NULL);
}

static int
load_chain(struct call *c, enum snapshot_use use)
{
	static const struct log_options quiet = {
	    .quiet = true, .name = "posternctl"};
	struct errlist *list = errlist_new();
	int rc = EX_OK;

	mute();
	if (list == NULL)
		rc = posternctl_no_memory();
	else if (snapshot_load_list(posternctl_config(c), use, NULL, list,
		     NULL, &c->snap) != 0)
		rc = print_mistakes(list);
	log_open(&quiet);
	errlist_free(list);
	return rc;
}

int
posternctl_chain(struct call *c)
{
	return load_chain(c, SNAPSHOT_OFFLINE);
}

int
posternctl_inbound(struct call *c)
{
	return load_chain(c, SNAPSHOT_INBOUND);
}

/* -- the ring -- */

int
posternctl_past(const struct conf *conf, struct past **past_r, bool *copy_r,
    struct errmsg *msg_r)
{
	struct buf copy = BUF_INIT;
	int rc = past_open(ring_path(conf), past_r, msg_r);

	*copy_r = false;
	if (rc == ERR_NOTFOUND) {
		ring_state_path(conf, "ring", &copy);
		*copy_r = !copy.failed &&
		    past_open(buf_text(&copy), past_r, NULL) == 0;
	}
	buf_fini(&copy);
	return *copy_r ? 0 : rc;
}
