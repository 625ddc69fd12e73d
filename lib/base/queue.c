/* SPDX-License-Identifier: BSD-2-Clause */
#include "queue.h"

#include <pthread.h>
#include <stdlib.h>

struct queue {
	pthread_mutex_t lock;
	bool closed;
	uint64_t dropped;
	size_t room, first, count;
	void *items[];
};

struct queue *
queue_new(size_t room)
{
	struct queue *q = calloc(1, sizeof(*q) + room * sizeof(*q->items));

	if (q == NULL || pthread_mutex_init(&q->lock, NULL) != 0) {
		free(q);
		return NULL;
	}
	q->room = room;
	return q;
}

void
queue_free(struct queue *q, void (*drop)(void *item))
{
	void *item;

	if (q == NULL)
		return;
	while ((item = queue_take(q)) != NULL) {
		if (drop != NULL)
			drop(item);
	}
	pthread_mutex_destroy(&q->lock);
	free(q);
}

bool
queue_put(struct queue *q, void *item)
{
	bool fits;

	pthread_mutex_lock(&q->lock);
	fits = !q->closed && q->count < q->room;
	if (fits)
		q->items[(q->first + q->count++) % q->room] = item;
	else
		q->dropped++;
	pthread_mutex_unlock(&q->lock);
	return fits;
}

void *
queue_take(struct queue *q)
{
	void *item = NULL;

	pthread_mutex_lock(&q->lock);
	if (q->count > 0) {
		item = q->items[q->first];
		q->first = (q->first + 1) % q->room;
		q->count--;
	}
	pthread_mutex_unlock(&q->lock);
	return item;
}

void
queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_mutex_unlock(&q->lock);
}

size_t
queue_count(struct queue *q)
{
	size_t count;

	pthread_mutex_lock(&q->lock);
	count = q->count;
	pthread_mutex_unlock(&q->lock);
	return count;
}

uint64_t
queue_dropped(struct queue *q)
{
	uint64_t dropped;

	pthread_mutex_lock(&q->lock);
	dropped = q->dropped;
	pthread_mutex_unlock(&q->lock);
	return dropped;
}
