/*
 * LMDB as a data set.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Private to dataset.c.
 */
#ifndef LIB_CONF_DATASET_MDB_H
#define LIB_CONF_DATASET_MDB_H

#include "dataset.h"

struct dataset_mdb;

/* As dataset_look_only. */
void dataset_mdb_look_only(bool on);

/* 0 and *mdb_r (dataset_mdb_close), or ERR_CONFIG, ERR_NOMEM. */
int dataset_mdb_open(
    const char *path, struct dataset_mdb **mdb_r, struct errmsg *msg_r);
void dataset_mdb_close(struct dataset_mdb *mdb);
int dataset_mdb_get(
    struct dataset_mdb *mdb, const char *key, struct dataset_entry *entry_r);
int dataset_mdb_walk(struct dataset_mdb *mdb,
    int (*each)(const struct dataset_entry *entry, void *arg), void *arg);

#endif
