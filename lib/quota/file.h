/*
 * What the parts of lib/quota that handle files share; private to them.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_QUOTA_FILE_H
#define LIB_QUOTA_FILE_H

#include <sys/stat.h>

#include "lib/base/mapfile.h"
#include "table.h"

struct errmsg;

enum { TRY_AGAIN = 1 }; /* another file got the name meanwhile */
#define TRIES_MAX 1000 /* attempts that end in TRY_AGAIN */

/* --- quota_map.c ------------------------------------------------------- */

/* Set a report's event and words. */
void report_set(struct quota_report *r, enum quota_event event,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The fixed part of the header has changed: check it anew. */
void table_seal(struct table *t);
/* Unmap and close.  NULL is fine. */
void map_free(struct map *m);
/* Open the file that has the table's name.  ERR_FORMAT: *why_r is what is wrong
 * with it, and st which file it is; *why_r NULL: a later program has made it,
 * and it must stay as it is. */
int map_open(const struct mapped *q, struct map **m_r, const char **why_r,
    struct stat *st, struct errmsg *msg);
/* Under the lock: set the clock after a reboot, note the time. */
void map_set_clock(const struct mapped *q, struct map *m);
/* Note the time for after a reboot. */
void map_note_time(const struct mapped *q, struct map *m);

/* What is wrong with a map in use; NULL: nothing that can be seen. */
const char *map_damage(const struct map *m);

/* A new table as a map, without its name, its lock held. */
int build_table(const struct mapped *q, int fd, uint32_t slots, unsigned rings,
    struct map **m_r, struct errmsg *msg);
/* Could one be made?  Nothing stays of the attempt.  resize: of another size
 * than the table there is.  0, or as build_table and mapfile_build. */
int build_try(const struct mapped *q, bool resize, struct errmsg *msg);
/* Give it the table's name. */
int build_publish(const struct mapped *q, struct errmsg *msg);

/* --- quota_move.c ------------------------------------------------------ */

/*
 * Move the table to a new file under its name.  The caller holds the builder's
 * lock (fd) and the table's; the latter is released and taken again meanwhile.
 * ERR_FULL: too many accounts.  TRY_AGAIN: the name, or q->map, is no longer
 * what it was before.
 */
int table_migrate(struct mapped *q, int fd, struct map *from, uint32_t slots,
    unsigned rings, struct map **m_r, struct errmsg *msg);
/*
 * Add a slot's lock and live counts, as of now, to an account, of the same
 * table or of another one, whose lock the caller holds.  ERR_FULL.
 */
int slot_join(struct mapped *q, const struct map *from, struct slot *f,
    struct map *to, const char *account, size_t len);

/* --- quota_file.c ------------------------------------------------------ */

/* A table that has no map yet.  *q_r is the caller's. */
int mapped_new(struct mapped **q_r, const char *path,
    const struct quota_options *opt, struct errmsg *msg);
/* NULL is fine. */
void mapped_free(struct mapped *q);
/* The table that is open is damaged: make a new one under its name, with all
 * that can still be read.  TRY_AGAIN: another process moved or renewed it. */
int table_renew(struct mapped *q, struct map *from, const char *why,
    struct quota_report *rep, struct errmsg *msg);
/* Under the lock, and not in a move of our own: if the process that was moving
 * the table was killed, correct `moved`. */
void table_unfreeze(const struct mapped *q, struct map *m);

/* Open or make the table, as the mode says. */
int map_open_any(struct mapped *q, struct map **m_r, struct quota_report *rep,
    struct errmsg *msg);

#endif
