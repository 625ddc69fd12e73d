/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain.h"
#include "habit_conf.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "opendmarc.h"
#include "options.h"
#include "options_opendkim.h"
#include "peers.h"
#include "refuse.h"
#include "resolver.h"
#include "stages.h"

#define OTHER_TABLES 4 /* global keywords, DNS, habits, OpenDKIM's ignored ones */

static const struct conf_table *tables[STAGES_MAX + OTHER_TABLES + 1];

/* A constructor, because the list of stages is constant: the tables need no
 * lock. */
__attribute__((constructor)) static void
fill_tables(void)
{
	size_t n = 0;

	tables[n++] = &options_global;
	tables[n++] = &options_resolver;
	tables[n++] = &habit_conf_options;
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (i == STAGES_MAX)
			abort();
		if (stages[i]->options != NULL)
			tables[n++] = stages[i]->options;
	}
	tables[n] = &options_opendkim;
}

const struct conf_table *const *
snapshot_tables(void)
{
	return tables;
}

int
snapshot_read_list(
    const char *path, struct errlist *list, struct conf **conf_r)
{
	struct errmsg msg = {.text = ""};
	struct conf *c;
	int rc = conf_read_list(path, tables, list, &c);

	if (rc == ERR_NOMEM)
		return rc;
	rc = conf_also(c, rc, opendmarc_take(c, &msg), &msg);
	if (rc == ERR_NOMEM)
		conf_free(c);
	else
		*conf_r = c;
	return rc == 0 && errlist_count(list) > 0 ? ERR_CONFIG : rc;
}

/* Move the first mistake of the list into *msg_r, and free the list. */
static int
first_of(struct errlist *list, int rc, struct errmsg *msg_r)
{
	int saved = errno;

	if (rc != 0 && (list == NULL || errlist_first(list, msg_r) == 0))
		errmsg_set(msg_r, "%s", err_text(rc));
	errlist_free(list);
	errno = saved;
	return rc;
}

int
snapshot_read(const char *path, struct conf **conf_r, struct errmsg *msg_r)
{
	struct errlist *list = errlist_new();
	struct conf *c = NULL;
	int rc = list == NULL ? ERR_NOMEM : snapshot_read_list(path, list, &c);

	if (rc == 0) {
		conf_end_list(c);
		*conf_r = c;
	} else {
		conf_free(c);
	}
	return first_of(list, rc, msg_r);
}

/* Does the stage do nothing with inbound mail? */
static bool
is_outbound(const struct stage *stage)
{
	return stage == &stage_account || stage == &stage_login ||
	    stage == &stage_quota || stage == &stage_sign;
}

/* Load every stage.  A mistake in one does not keep the others from being
 * loaded, so that all mistakes are found. */
static int
load_stages(struct snapshot *snap, const struct snapshot *old, int rc)
{
	for (size_t i = 0; stages[i] != NULL && rc != ERR_NOMEM; i++) {
		struct errmsg msg = {.text = ""};

		/* With a mistake, the snapshot never comes into force, so it
		 * must create nothing.  As a trial it still finds what would
		 * fail. */
		if (!snap->offline &&
		    (rc != 0 || errlist_count(conf_list(snap->conf)) > 0))
			snap->offline = snap->trial = true;
		if (snap->inbound && is_outbound(stages[i]))
			continue;
		snap->on[i] = true;
		if (stages[i]->load == NULL)
			continue;
		rc = conf_also(snap->conf, rc,
		    stages[i]->load(snap, old, &snap->state[i], &msg), &msg);
		snap->on[i] = snap->state[i] != NULL;
	}
	return rc;
}

/* Mail that is not verified needs no resolver. */
static int
load_resolver(
    struct snapshot *snap, const struct snapshot *old, struct errmsg *msg_r)
{
	int rc;

	snap->dns_timeout_ms = resolver_timeout_ms(snap->conf);
	if (!snap->verifies)
		return 0;
	rc = resolver_load(snap->conf, old == NULL ? NULL : old->resolver,
	    &snap->resolver, msg_r);
	if (rc == 0)
		snap->dns = resolver_dns(snap->resolver);
	return rc;
}

static void
name_host(struct snapshot *snap)
{
	const char *id = conf_str(snap->conf, "AuthservID");

	if (gethostname(snap->host, sizeof(snap->host) - 1) != 0 ||
	    snap->host[0] == '\0')
		strcpy(snap->host, "localhost");
	snap->reporter =
	    id != NULL && strcmp(id, "HOSTNAME") == 0 ? snap->host : id;
}

/* The global keywords. */
static void
decode(struct snapshot *snap)
{
	static const char *const keywords[VERDICT_E_COUNT] = {
	    [VERDICT_E_INTERNAL] = "On-InternalError",
	    [VERDICT_E_DNS] = "On-DNSError",
	};
	const struct options_mode *mode =
	    conf_value(snap->conf, "Mode", sizeof(*mode));

	snap->signs = mode->signs;
	snap->verifies = mode->verifies;
	name_host(snap);
	snap->header_bytes_max = conf_int(snap->conf, "MaximumHeaders");
	snap->spf_broad = (uint64_t)conf_int(snap->conf, "SPFBroadLimit");
	for (size_t i = 0; i < VERDICT_E_COUNT; i++) {
		int word = conf_word(snap->conf, keywords[i]);

		if (!conf_given(snap->conf, keywords[i]) &&
		    conf_given(snap->conf, "On-Default"))
			word = conf_word(snap->conf, "On-Default");
		snap->on_error[i] = verdict_of_choice(word);
	}
}

static int
load(struct snapshot *snap, const struct snapshot *old, int rc)
{
	const size_t size = sizeof(snap->refuse_at);
	const struct conf *c = snap->conf;
	struct errmsg msg = {.text = ""};

	if (rc != 0 && !snap->offline)
		snap->offline = snap->trial = true;
	decode(snap);
	rc = conf_also(c, rc, peers_load(c, &snap->peers, &msg), &msg);
	memcpy(snap->refuse_at, conf_value(c, "RefuseAt", size), size);
	rc = conf_also(c, rc, refuse_load(c, &snap->refuse, &msg), &msg);
	rc = conf_also(c, rc, load_resolver(snap, old, &msg), &msg);
	return load_stages(snap, old, rc);
}

static int
warn_symbol(const struct dataset_entry *e, void *arg)
{
	const struct snapshot *snap = arg;

	/* A name with a star stands for several. */
	if (strchr(e->key, '*') == NULL && !chain_defines(snap, e->key))
		conf_odd(snap->conf,
		    "%s: Refuse: %s: no check, DNSBL section or rule has that "
		    "symbol, so nothing is refused for it",
		    conf_where(snap->conf, "Refuse"), e->key);
	return 0;
}

static void
warn(const struct snapshot *snap)
{
	options_warn(snap->conf);
	/* Walking an LMDB could take long. */
	if (snap->refuse != NULL && !dataset_is_live(snap->refuse))
		dataset_walk(snap->refuse, warn_symbol, (void *)snap);
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (stages[i]->warn != NULL && snap->on[i])
			stages[i]->warn(snap, snap->state[i]);
	}
}

/* read: what reading the file returned. */
static int
load_read(struct conf *conf, int read, enum snapshot_use use,
    const struct snapshot *old, struct errlist *list, struct errlist *odd,
    struct snapshot **snap_r)
{
	struct snapshot *snap = calloc(1, sizeof(*snap));
	int rc = snap == NULL ? ERR_NOMEM : read;

	if (snap == NULL) {
		conf_free(conf);
	} else {
		atomic_init(&snap->refs, 1);
		snap->conf = conf;
		snap->offline = use != SNAPSHOT_SERVES;
		if (conf != NULL)
			conf_watch(conf, odd);
		if (conf != NULL && !snap->offline)
			conf_serve(conf);
		snap->inbound = use == SNAPSHOT_INBOUND;
		snap->trial = use == SNAPSHOT_TRIAL;
	}
	if (rc == 0 || rc == ERR_CONFIG)
		rc = load(snap, old, rc);
	if (rc == 0 && errlist_count(list) > 0)
		rc = ERR_CONFIG;
	if (rc == ERR_NOMEM)
		errlist_add(list, "no memory");
	errlist_sort(list);
	if (rc != 0) {
		snapshot_unref(snap);
		return rc;
	}
	conf_end_list(snap->conf);
	warn(snap);
	conf_watch(snap->conf, NULL);
	*snap_r = snap;
	return 0;
}

int
snapshot_load_list(const char *path, enum snapshot_use use,
    const struct snapshot *old, struct errlist *list, struct errlist *odd,
    struct snapshot **snap_r)
{
	struct conf *conf = NULL;
	int rc = snapshot_read_list(path, list, &conf);

	return load_read(conf, rc, use, old, list, odd, snap_r);
}

int
snapshot_load_conf(struct conf *conf, enum snapshot_use use,
    const struct snapshot *old, struct errlist *odd, struct snapshot **snap_r)
{
	struct errlist *list = conf_list(conf);
	int rc = errlist_count(list) > 0 ? ERR_CONFIG : 0;

	return load_read(conf, rc, use, old, list, odd, snap_r);
}

int
snapshot_load(const char *path, enum snapshot_use use,
    const struct snapshot *old, struct snapshot **snap_r,
    struct errmsg *msg_r)
{
	struct errlist *list = errlist_new();
	int rc = list == NULL
	    ? ERR_NOMEM
	    : snapshot_load_list(path, use, old, list, NULL, snap_r);

	return first_of(list, rc, msg_r);
}

void *
snapshot_state(const struct snapshot *snap, const struct stage *stage)
{
	for (size_t i = 0; snap != NULL && stages[i] != NULL; i++) {
		if (stages[i] == stage)
			return snap->state[i];
	}
	return NULL;
}

struct snapshot *
snapshot_ref(struct snapshot *snap)
{
	atomic_fetch_add_explicit(&snap->refs, 1, memory_order_relaxed);
	return snap;
}

static void (*_Atomic heir)(struct snapshot *);

void
snapshot_leave_to(void (*to)(struct snapshot *snap))
{
	atomic_store(&heir, to);
}

void
snapshot_unref(struct snapshot *snap)
{
	void (*to)(struct snapshot *);

	if (snap == NULL ||
	    atomic_fetch_sub_explicit(&snap->refs, 1, memory_order_acq_rel) != 1)
		return;
	to = atomic_load(&heir);
	if (to != NULL)
		to(snap);
	else
		snapshot_free(snap);
}

void
snapshot_free(struct snapshot *snap)
{
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (snap->state[i] != NULL)
			stages[i]->unload(snap->state[i]);
	}
	resolver_unref(snap->resolver);
	dataset_free(snap->refuse);
	peers_free(snap->peers);
	conf_free(snap->conf);
	free(snap);
}
