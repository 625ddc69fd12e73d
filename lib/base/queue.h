/*
 * A queue with a bound: who puts never waits for who takes.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What finds no room is dropped, and counted.  Any number of threads may put
 * and take.  A lock is held for the length of one look at the ring only.
 */
#ifndef LIB_BASE_QUEUE_H
#define LIB_BASE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue;

struct queue *queue_new(size_t room); /* NULL: no memory */
/* Nobody may be using it.  What is still in it goes through `drop`, unless that
 * is NULL.  NULL is fine. */
void queue_free(struct queue *q, void (*drop)(void *item));

/* `item` is not NULL.  False: there is no room or the queue is closed; the item
 * stays the caller's, and is counted as dropped. */
bool queue_put(struct queue *q, void *item);
/* The oldest item, whose owner is now the caller; NULL: there is none.  Never
 * waits. */
void *queue_take(struct queue *q);
/* From now on nothing can be put. */
void queue_close(struct queue *q);

size_t queue_count(struct queue *q);     /* waiting now */
uint64_t queue_dropped(struct queue *q); /* since queue_new */

#endif
