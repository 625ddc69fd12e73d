/*
 * The journal of the configuration: the file that an event a message is written
 * to, and how much of it others may see.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_STAGE_JOURNAL_H
#define MILTER_STAGE_JOURNAL_H

#include <stddef.h>

struct conf;
struct errmsg;
struct event_form;
struct snapshot;

#define JOURNAL_PATH_MAX 3900 /* octets */

/* Journal of a configuration; NULL: none. */
const char *journal_conf_path(const struct conf *c);
/* The file that events are written to; NULL: none. */
const char *journal_path(const struct snapshot *snap);
/* JournalPrivacy, with the key that the daemon has made, if that is needed.  0,
 * or a negative ERR_ and *msg_r. */
int journal_form(
    const struct conf *c, struct event_form *form_r, struct errmsg *msg_r);

/* Open the file for who adds to it, and make it if it is not there.  The
 * descriptor, or a negative ERR_ and *msg_r. */
int journal_open(const char *path, struct errmsg *msg_r);

/* One line for the service, which frees it. */
struct journal_item {
	size_t len;
	char line[]; /* an event (event_line), and a line feed */
};

#endif
