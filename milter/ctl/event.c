/* SPDX-License-Identifier: BSD-2-Clause */
#include "event.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"

#define WORDS_MAX 100 /* octets of the JSON library's words in a message */

/* A member is wrong: ERR_SYNTAX. */
static int
expected(struct errmsg *msg_r, const char *member, const char *what)
{
	errmsg_set(msg_r, "%s: expected %s", member, what);
	return ERR_SYNTAX;
}

static int
read_string(const struct event *ev, const char *member, const char **string_r,
    struct errmsg *msg_r)
{
	const json_t *j = json_object_get(ev->object, member);

	*string_r = json_string_value(j);
	return j == NULL || json_is_null(j) || *string_r != NULL
	    ? 0
	    : expected(msg_r, member, "a string");
}

static int
read_bool(const struct event *ev, const char *member, bool *bool_r,
    struct errmsg *msg_r)
{
	const json_t *j = json_object_get(ev->object, member);

	*bool_r = json_is_true(j);
	return j == NULL || json_is_null(j) || json_is_boolean(j)
	    ? 0
	    : expected(msg_r, member, "true or false");
}

static size_t
length(const struct event *ev, const char *member)
{
	return json_array_size(json_object_get(ev->object, member));
}

/* Names of recipients, or only their number. */
static int
read_names(const struct event *ev, const char *member, const char **names,
    const char *const **names_r, size_t *count_r, struct errmsg *msg_r)
{
	const json_t *j = json_object_get(ev->object, member), *name;
	size_t i;

	*names_r = NULL;
	*count_r = 0;
	if (j == NULL || json_is_null(j))
		return 0;
	if (json_is_integer(j) && json_integer_value(j) >= 0 &&
	    json_integer_value(j) <= 1000000) {
		*count_r = (size_t)json_integer_value(j);
		return 0;
	}
	if (!json_is_array(j))
		return expected(msg_r, member, "a list of addresses");
	json_array_foreach (j, i, name) {
		names[i] = json_string_value(name);
		if (names[i] == NULL)
			return expected(msg_r, member, "addresses in the list");
	}
	*names_r = names;
	*count_r = i;
	return 0;
}

static int
make_room(struct event *ev, size_t count)
{
	const char **more;

	if (count <= ev->room)
		return 0;
	more = realloc(ev->names, 2 * count * sizeof(*more));
	if (more == NULL)
		return ERR_NOMEM;
	ev->names = more;
	ev->room = 2 * count;
	return 0;
}

static int
read_numbers(struct event *ev, struct errmsg *msg_r)
{
	struct habit_event *e = &ev->habit;
	const json_t *t = json_object_get(ev->object, "t");
	const json_t *bytes = json_object_get(ev->object, "bytes");
	const json_t *score = json_object_get(ev->object, "score");
	double seconds = json_number_value(t);

	if (!json_is_number(t) || !(seconds >= 0 && seconds <= EVENT_TIME_MAX))
		return expected(msg_r, "t", "seconds since 1970");
	e->t = llround(seconds * 1000);
	if (bytes != NULL && !json_is_null(bytes) &&
	    (!json_is_integer(bytes) || json_integer_value(bytes) < 0))
		return expected(msg_r, "bytes", "a number of octets");
	e->bytes = (uint64_t)json_integer_value(bytes);
	if (score != NULL && !json_is_null(score) && !json_is_number(score))
		return expected(msg_r, "score", "a number");
	e->has_score = json_is_number(score);
	e->score = json_number_value(score);
	return 0;
}

static int
read_direction(struct event *ev, struct errmsg *msg_r)
{
	const char *word;
	int rc = read_string(ev, "direction", &word, msg_r);

	if (rc != 0)
		return rc;
	ev->habit.outbound = word != NULL && strcmp(word, "outbound") == 0;
	return word != NULL &&
	    (ev->habit.outbound || strcmp(word, "inbound") == 0)
	    ? 0
	    : expected(msg_r, "direction", "outbound or inbound");
}

static int
read_strings(struct event *ev, struct errmsg *msg_r)
{
	struct habit_event *e = &ev->habit;
	const struct {
		const char *member, **string;
	} strings[] = {{"account", &e->account}, {"client", &e->client},
	    {"helo", &e->helo}, {"from", &e->from}, {"subject", &e->subject},
	    {"queue_id", &e->queue_id}, {"about", &e->about}};
	const struct {
		const char *member;
		bool *value;
	} bools[] = {{"bulk", &e->bulk}, {"proved", &e->proved},
	    {"complaint", &e->complaint}};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(strings) / sizeof(*strings);
	     i++)
		rc = read_string(
		    ev, strings[i].member, strings[i].string, msg_r);
	for (size_t i = 0; rc == 0 && i < sizeof(bools) / sizeof(*bools); i++)
		rc = read_bool(ev, bools[i].member, bools[i].value, msg_r);
	return rc;
}

static int
read_rcpts(struct event *ev, struct errmsg *msg_r)
{
	struct habit_event *e = &ev->habit;
	/* As JournalPrivacy count has it. */
	const char *member = json_object_get(ev->object, "rcpts") == NULL
	    ? "recipient_count"
	    : "rcpts";
	size_t n = length(ev, member);
	int rc = make_room(ev, n + length(ev, "refused"));

	if (rc == 0)
		rc = read_names(ev, member, ev->names, &e->rcpts,
		    &e->rcpt_count, msg_r);
	return rc != 0 ? rc
		       : read_names(ev, "refused",
			     ev->names == NULL ? NULL : ev->names + n,
			     &e->refused, &e->refused_count, msg_r);
}

int
event_read(
    struct event *ev, const char *line, size_t len, struct errmsg *msg_r)
{
	json_error_t why;
	int rc;

	json_decref(ev->object);
	memset(&ev->habit, 0, sizeof(ev->habit));
	ev->object = json_loadb(line, len, 0, &why);
	if (ev->object == NULL) {
		errmsg_set(msg_r, "expected a JSON object: %.*s", WORDS_MAX,
		    why.text);
		return ERR_SYNTAX;
	}
	if (!json_is_object(ev->object)) {
		errmsg_set(msg_r, "expected a JSON object");
		return ERR_SYNTAX;
	}
	rc = read_direction(ev, msg_r);
	if (rc == 0)
		rc = read_numbers(ev, msg_r);
	if (rc == 0)
		rc = read_strings(ev, msg_r);
	return rc != 0 ? rc : read_rcpts(ev, msg_r);
}

void
event_fini(struct event *ev)
{
	json_decref(ev->object);
	free(ev->names);
	memset(ev, 0, sizeof(*ev));
}
