/*
 * The configuration as the stages see it.  It does not change; a reload makes a
 * new one.  It is freed with the last reference.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_SNAPSHOT_H
#define MILTER_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "disposition.h"
#include "session.h"
#include "verdict.h"

struct conf;
struct dataset;
struct dns;
struct errlist;
struct errmsg;
struct peers;
struct resolver;
struct stage;

/* What a snapshot is loaded for. */
enum snapshot_use {
	SNAPSHOT_SERVES,  /* the daemon serves with it */
	SNAPSHOT_OFFLINE, /* posternctl: load hooks create nothing, and open
	    nothing that only a daemon may open */
	SNAPSHOT_INBOUND, /* as OFFLINE, for inbound mail only: keys and quotas
	    are not loaded */
	SNAPSHOT_TRIAL,   /* as OFFLINE, for `postern -n`: what would make the
	    daemon's load fail is a mistake too */
};

struct snapshot {
	atomic_int refs;
	struct snapshot *next; /* in the list of those that wait to be freed */
	struct conf *conf;
	void *state[STAGES_MAX]; /* what each stage's load made; NULL:
	    nothing */
	bool on[STAGES_MAX];     /* does the stage take part? */
	bool offline; /* not SNAPSHOT_SERVES */
	bool inbound; /* SNAPSHOT_INBOUND */
	bool trial;   /* SNAPSHOT_TRIAL, or SNAPSHOT_SERVES with a mistake */

	/* Global keywords, decoded (rows in options.c). */
	bool signs, verifies;    /* Mode */
	struct peers *peers;     /* SocketPeers */
	char host[256];          /* the system's name, used if the MTA gives no
	    name */
	const char *reporter;    /* AuthservID; NULL: the MTA's name */
	long header_bytes_max;   /* MaximumHeaders; 0: no limit */
	uint64_t spf_broad;      /* SPFBroadLimit, for two stages; 0: no
	    limit */
	enum verdict_action on_error[VERDICT_E_COUNT]; /* On-... */

	/* Refuse, and RefuseAt for each stage that is a check (refuse.c). */
	struct dataset *refuse; /* the symbols that Refuse names; NULL: none */
	enum phase refuse_at[STAGES_MAX];

	const struct dns *dns; /* where look-ups go; NULL: checks that need the
	    DNS are not made */
	long dns_timeout_ms;   /* DNSTimeout, for all look-ups of one message */
	struct resolver *resolver; /* the owner of `dns`; NULL: none */
};

/*
 * Read the file (NULL: all defaults) and let every stage load its part.  The
 * caller gets a reference.  `old` is the snapshot in force, or NULL; stages may
 * take over from it what must outlive a reload.  0, or a negative ERR_ and
 * *msg_r.
 */
int snapshot_load(const char *path, enum snapshot_use use,
    const struct snapshot *old, struct snapshot **snap_r,
    struct errmsg *msg_r);
/* The same, but with every mistake of all files, sections and data sets in one
 * list, in the order of the files, and the warnings in another (NULL: not
 * wanted). */
int snapshot_load_list(const char *path, enum snapshot_use use,
    const struct snapshot *old, struct errlist *list, struct errlist *odd,
    struct snapshot **snap_r);
/* The same for a conf that was read already; mistakes go into its conf_list.
 * The conf becomes the snapshot's, or is freed. */
int snapshot_load_conf(struct conf *conf, enum snapshot_use use,
    const struct snapshot *old, struct errlist *odd, struct snapshot **snap_r);
/* What the stage's load made; NULL: nothing, or snap is NULL. */
void *snapshot_state(
    const struct snapshot *snap, const struct stage *stage);
struct snapshot *snapshot_ref(struct snapshot *snap);
/* Drop a reference.  With the last one the snapshot is freed, or given to the
 * heir. */
void snapshot_unref(struct snapshot *snap);
/* From now on call `heir` instead of freeing a snapshot, which may take long;
 * NULL: free it again.  It must not wait, because mail threads call it. */
void snapshot_leave_to(void (*heir)(struct snapshot *snap));
/* For the heir: free a snapshot without references. */
void snapshot_free(struct snapshot *snap);

/* Read the file, and the opendmarc.conf that it may name.  Data sets and other
 * files that they name are not opened.  Results as of conf_read and
 * conf_read_list. */
int snapshot_read(const char *path, struct conf **conf_r, struct errmsg *msg_r);
int snapshot_read_list(
    const char *path, struct errlist *list, struct conf **conf_r);

/* Every table of rows there is, NULL-ended: what conf_read takes. */
const struct conf_table *const *snapshot_tables(void);

#endif
