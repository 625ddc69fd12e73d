/*
 * What a type of data set is.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A type is one constant of this struct, at the end of its file, and a row in
 * dataset.c.  Private to lib/conf.
 */
#ifndef LIB_CONF_DATASET_TYPE_H
#define LIB_CONF_DATASET_TYPE_H

#include "dataset.h"

struct dataset_type {
	const char *prefix; /* as in `file:`, in lower case */
	/* What may be said of its sets; see the questions in dataset.h. */
	bool listed;   /* dataset_is_listed: behind the prefix is no path */
	bool live;     /* dataset_is_live */
	bool patterns; /* dataset_has_patterns */
	/*
	 * Check what is behind the prefix, open it, and make the set
	 * (dataset_make).  0; ERR_NOMEM; or another ERR_ with every mistake in
	 * the list: ERR_CONFIG with the set where single lines are wrong.
	 */
	int (*open)(const struct dataset_type *type, const char *rest,
	    enum dataset_use use, struct errlist *list, struct dataset **set_r);
	/* As dataset_get_from, dataset_walk and dataset_free, with the data
	 * that open gave to dataset_make. */
	int (*get)(void *data, const char *key, size_t from,
	    struct dataset_entry *entry_r);
	int (*walk)(void *data,
	    int (*each)(const struct dataset_entry *entry, void *arg),
	    void *arg);
	void (*close)(void *data);
};

extern const struct dataset_type dataset_mdb;

/* A set of that type, which takes the data.  0 and *set_r, or ERR_NOMEM: the
 * data is still the caller's. */
int dataset_make(const struct dataset_type *type, const char *name, void *data,
    struct dataset **set_r);
/* As dataset_open_text, with all mistakes. */
int dataset_read_text(const struct dataset_type *type, const char *name,
    const char *text, size_t len, struct errlist *list, struct dataset **set_r);
const struct dataset_type *dataset_type(const struct dataset *set);

#endif
