/* SPDX-License-Identifier: BSD-2-Clause */
#include "problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain.h"
#include "inforce.h"
#include "service.h"
#include "snapshot.h"

/* Room for one more, behind those that it comes behind; NULL: no memory. */
static struct problem *
make_room(struct problems *p, bool fatal)
{
	size_t at = p->count;

	if (p->count == p->room) {
		size_t room = p->room == 0 ? 8 : 2 * p->room;
		struct problem *list =
		    reallocarray(p->list, room, sizeof(*list));

		if (list == NULL)
			return NULL;
		p->list = list;
		p->room = room;
	}
	while (fatal && at > 0 && !p->list[at - 1].fatal)
		at--;
	memmove(&p->list[at + 1], &p->list[at],
	    (p->count - at) * sizeof(*p->list));
	p->count++;
	return &p->list[at];
}

void
problems_add(struct problems *p, bool fatal, const char *what,
    const char *cure, const char *fmt, ...)
{
	char text[TROUBLE_TEXT_MAX];
	char *own_text, *own_cure;
	struct problem *to = NULL;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	own_text = strdup(text);
	own_cure = strdup(cure);
	if (own_text != NULL && own_cure != NULL)
		to = make_room(p, fatal);
	if (to == NULL) {
		free(own_text);
		free(own_cure);
		p->failed = true;
		return;
	}
	*to = (struct problem){.fatal = fatal,
	    .what = what,
	    .text = own_text,
	    .cure = own_cure};
}

void
problems_collect(struct problems *p)
{
	struct snapshot *snap = inforce_get();

	services_problems(p);
	if (snap != NULL)
		chain_problems(snap, p);
	snapshot_unref(snap);
}

void
problems_fini(struct problems *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free((char *)p->list[i].text);
		free((char *)p->list[i].cure);
	}
	free(p->list);
	*p = (struct problems){0};
}

void
trouble_set(struct trouble *t, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&t->lock);
	va_start(ap, fmt);
	vsnprintf(t->text, sizeof(t->text), fmt, ap);
	va_end(ap);
	pthread_mutex_unlock(&t->lock);
}

void
trouble_clear(struct trouble *t)
{
	pthread_mutex_lock(&t->lock);
	t->text[0] = '\0';
	pthread_mutex_unlock(&t->lock);
}

void
problems_add_trouble(struct problems *p, bool fatal, const char *what,
    const char *cure, struct trouble *t)
{
	pthread_mutex_lock(&t->lock);
	if (t->text[0] != '\0')
		problems_add(p, fatal, what, cure, "%s", t->text);
	pthread_mutex_unlock(&t->lock);
}
