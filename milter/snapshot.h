/*
 * The configuration as the stages see it: immutable, counted, swapped whole by
 * a reload.  SPDX-License-Identifier: BSD-2-Clause
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

/* What for. */
enum snapshot_use {
	SNAPSHOT_SERVES,  /* the daemon's */
	SNAPSHOT_OFFLINE, /* posternctl's: load hooks open nothing that only a
			     daemon may, and create nothing */
	SNAPSHOT_INBOUND, /* the same for mail that comes in only: no key and
			     no quota is read */
	SNAPSHOT_TRIAL,   /* the same for `postern -n`; and what would make the
			     daemon's own fail is a mistake */
};

struct snapshot {
	atomic_int refs;
	struct snapshot *next; /* of those that wait to be freed */
	struct conf *conf;
	void *state[STAGES_MAX]; /* what each stage's load made; NULL: none */
	bool on[STAGES_MAX];     /* does the stage take part? */
	bool offline; /* not SNAPSHOT_SERVES */
	bool inbound; /* SNAPSHOT_INBOUND */
	bool trial;   /* SNAPSHOT_TRIAL, and what a mistake keeps from serving
	               */

	/* Global keywords, decoded (rows in options.c). */
	bool signs, verifies;    /* Mode */
	struct peers *peers;     /* SocketPeers */
	char host[256];          /* the system's name, for where the MTA gives
	                            none */
	const char *reporter;    /* AuthservID; NULL: what the MTA is called */
	long header_bytes_max;   /* MaximumHeaders; 0: no limit */
	uint64_t spf_broad;      /* SPFBroadLimit, which two stages go by; 0: no
	                            limit */
	enum verdict_action on_error[VERDICT_E_COUNT]; /* On-... */

	/* What refuses, and when each stage that is a check does (rows in
	 * refuse.c). */
	struct dataset *refuse; /* symbols; NULL: none does */
	enum phase refuse_at[STAGES_MAX];

	const struct dns *dns; /* where look-ups go; NULL: nowhere, checks that
	                          need it are not made */
	long dns_timeout_ms;   /* for all look-ups of one message */
	struct resolver *resolver; /* whose dns that is; NULL: nobody's */
};

/*
 * Read the file (NULL: all defaults), let every stage load its part.  A holder
 * gets one reference.  `old` is the snapshot in force, or NULL; stages may take
 * over from it what must outlive a reload.  0, or a negative ERR_ and *msg_r.
 */
int snapshot_load(const char *path, enum snapshot_use use,
    const struct snapshot *old, struct snapshot **snap_r,
    struct errmsg *msg_r);
/* The same with every mistake of all files, sections and data sets, which a
 * list takes in the order of files; and with what is odd in another (NULL:
 * nobody wants to know). */
int snapshot_load_list(const char *path, enum snapshot_use use,
    const struct snapshot *old, struct errlist *list, struct errlist *odd,
    struct snapshot **snap_r);
/* The same of what was read, with the list that conf_list names; the conf is
 * the snapshot's, or freed. */
int snapshot_load_conf(struct conf *conf, enum snapshot_use use,
    const struct snapshot *old, struct errlist *odd, struct snapshot **snap_r);
/* What a stage's load made of it; NULL: nothing, or there is no snapshot. */
void *snapshot_state(
    const struct snapshot *snap, const struct stage *stage);
struct snapshot *snapshot_ref(struct snapshot *snap);
/* The last reference: it is freed, or left to whoever wants that. */
void snapshot_unref(struct snapshot *snap);
/* From now on call this instead of freeing one, which may take long; NULL:
 * nobody.  It must not wait, since whoever serves mail calls it. */
void snapshot_leave_to(void (*heir)(struct snapshot *snap));
/* For the heir: nobody has a reference. */
void snapshot_free(struct snapshot *snap);

/* Read the file, and the opendmarc.conf that it may name; what the files name
 * besides is not opened.  As conf_read, and conf_read_list. */
int snapshot_read(const char *path, struct conf **conf_r, struct errmsg *msg_r);
int snapshot_read_list(
    const char *path, struct errlist *list, struct conf **conf_r);

/* Every table of rows there is, NULL-ended: what conf_read takes. */
const struct conf_table *const *snapshot_tables(void);

#endif
