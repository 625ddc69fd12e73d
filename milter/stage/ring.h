/*
 * The decision ring of the configuration: where it is, and the copy of it that
 * outlives a reboot.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_STAGE_RING_H
#define MILTER_STAGE_RING_H

#include <stdbool.h>

struct buf;
struct conf;
struct snapshot;

/* RingFile; NULL: none. */
const char *ring_path(const struct conf *c);
/* Append the path of a file in StateDirectory. */
void ring_state_path(const struct conf *c, const char *name, struct buf *path_r);

/* Bring the copy in StateDirectory up to date.  May wait for a disk; one thread
 * at a time.  False: there is nothing to copy. */
bool ring_write_copy(const struct snapshot *snap);

#endif
