/* SPDX-License-Identifier: BSD-2-Clause */
#include "habit_conf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/conf/dataset.h"
#include "lib/quota/limits.h"
#include "options.h"

#define POINTS_MAX 100.0
#define NEVER "never"

static int
parse_points(const char *value, void *points_r, struct errmsg *msg_r)
{
	char *end;
	double points = *(double *)points_r = strtod(value, &end);

	if (end != value && *end == '\0' && points >= 0 && points <= POINTS_MAX)
		return 0;
	return errmsg_set(msg_r, "expected a number from 0 to %.0f, such as 1.5",
	    POINTS_MAX);
}

static int
parse_score(const char *value, void *score_r, struct errmsg *msg_r)
{
	int rc = parse_points(value, score_r, msg_r);

	return rc != 0 || *(double *)score_r > 0
	    ? rc
	    : errmsg_set(msg_r, "expected more than 0; to give a kind of "
		  "evidence no points, set it to 0 in Evidence");
}

/* As the window of a limit. */
static int
parse_time(const char *value, void *seconds_r, struct errmsg *msg_r)
{
	char limit[64];
	uint64_t amount;
	int len = snprintf(limit, sizeof(limit), "1/%s", value);

	if (len < (int)sizeof(limit) &&
	    limits_parse(limit, &amount, seconds_r, NULL) == 0)
		return 0;
	return errmsg_set(
	    msg_r, "expected a time such as 30m, 24h or 7days");
}

static int
parse_time_or_never(const char *value, void *seconds_r, struct errmsg *msg_r)
{
	if (strcasecmp(value, NEVER) != 0)
		return parse_time(value, seconds_r, msg_r);
	*(uint32_t *)seconds_r = 0;
	return 0;
}

/* A word of the list: into the bits. */
static int
add_kind(const char *word, uint32_t *bits, struct errmsg *msg_r)
{
	enum habit_kind k = habit_kind_of(word);

	if (k == HABIT_KINDS)
		return errmsg_set(msg_r, "expected kinds of evidence with commas "
		    "between them, as in Evidence, not %s", word);
	if (habit_kind_is_foreign(k))
		return errmsg_set(msg_r, "%s can't lock: people without a login "
		    "can produce it", word);
	*bits |= 1U << k;
	return 0;
}

static int
parse_kinds(const char *value, void *bits_r, struct errmsg *msg_r)
{
	char *copy = strdup(value), *save = NULL, *word;
	uint32_t bits = 0;
	int rc = copy == NULL ? ERR_NOMEM : 0;

	for (word = rc == 0 ? strtok_r(copy, ", \t", &save) : NULL;
	     word != NULL && rc == 0; word = strtok_r(NULL, ", \t", &save))
		rc = add_kind(word, &bits, msg_r);
	if (rc == 0 && bits == 0)
		rc = errmsg_set(msg_r, "expected kinds of evidence with commas "
		    "between them; without LockScore nothing is locked");
	free(copy);
	*(uint32_t *)bits_r = bits;
	return rc;
}

static const struct conf_option evidence_rows[] = {
#define ROW(id, name, weight, foreign, what)                                   \
	{.keyword = #name, .type = CONF_STR, .def = #weight, .summary = what,  \
	    .parse = parse_points, .size = sizeof(double)},
    HABIT_EACH_KIND(ROW)
};

static const struct conf_option rows[] = {
    {.keyword = "AlertScore", .type = CONF_STR, .def = "4.5",
	.summary = "the sum of the evidence against an account at which there "
		   "is an alert",
	.parse = parse_score, .size = sizeof(double)},
    {.keyword = "AlertEvery", .type = CONF_STR, .def = "24h",
	.summary = "how long after an alert the next one for that account may "
		   "come",
	.parse = parse_time, .size = sizeof(uint32_t)},
    {.keyword = "Evidence", .type = CONF_SECTION, .flags = CONF_UNTITLED,
	.inside = CONF_TABLE(evidence_rows),
	.summary = "the points of each kind of evidence"},
    {.keyword = "LockScore", .type = CONF_STR,
	.summary = "the sum of the evidence at which an account is locked",
	.parse = parse_score, .size = sizeof(double)},
    {.keyword = "LockKinds", .type = CONF_STR,
	.summary = "which kinds of evidence count for LockScore",
	.parse = parse_kinds, .size = sizeof(uint32_t)},
    {.keyword = "LockFor", .type = CONF_STR, .def = NEVER,
	.summary = "how long such a lock lasts; never: until it is lifted",
	.parse = parse_time_or_never, .size = sizeof(uint32_t)},
    {.keyword = "CanaryRecipients", .type = CONF_SET,
	.summary = "addresses that nobody has a reason to write to"},
};

const struct conf_table habit_conf_options = {CONF_ROWS(rows)};

static bool
is_canary(void *ctx, const char *address)
{
	return dataset_has(ctx, address) == 1;
}

static void
read_weights(struct habit_conf *h, const struct conf *c)
{
	static const char *const keywords[HABIT_KINDS] = {
	    [HABIT_QUOTA] = "quota",
	    [HABIT_BURST] = "burst",
	    [HABIT_NETWORKS] = "networks",
	    [HABIT_STRANGERS] = "strangers",
	    [HABIT_REFUSED] = "refused",
	    [HABIT_BOUNCES] = "bounces",
	    [HABIT_SPAM] = "spam",
	    [HABIT_FROM] = "from",
	    [HABIT_CANARY] = "canary",
	    [HABIT_BULK] = "bulk",
	    [HABIT_NIGHT] = "night",
	    [HABIT_HELO] = "helo",
	    [HABIT_PROBE] = "probe",
	    [HABIT_SCRIPT] = "script",
	    [HABIT_COMPLAINT] = "complaint",
	    [HABIT_CAMPAIGN] = "campaign",
	};
	const struct conf_section *s = conf_section(c, "Evidence", 0);

	for (int k = 0; s != NULL && k < HABIT_KINDS; k++) {
		const double *points =
		    conf_section_value(s, keywords[k], 0, sizeof(*points));

		if (points != NULL)
			h->options.weight[k] = *points;
	}
}

int
habit_conf_init(
    struct habit_conf *h, const struct conf *c, struct errmsg *msg_r)
{
	const double *lock = conf_value(c, "LockScore", sizeof(*lock));
	const uint32_t *kinds = conf_value(c, "LockKinds", sizeof(*kinds));
	int rc;

	memset(h, 0, sizeof(*h));
	habit_defaults(&h->options);
	h->options.alert_score =
	    *(const double *)conf_value(c, "AlertScore", sizeof(double));
	h->options.alert_every =
	    *(const uint32_t *)conf_value(c, "AlertEvery", sizeof(uint32_t));
	h->options.lock_score = lock == NULL ? 0 : *lock;
	h->options.lock_for =
	    *(const uint32_t *)conf_value(c, "LockFor", sizeof(uint32_t));
	if (kinds != NULL)
		h->options.lock_kinds = *kinds;
	read_weights(h, c);
	rc = options_set(c, "CanaryRecipients", NULL, &h->canaries, msg_r);
	if (h->canaries != NULL) {
		h->options.is_canary = is_canary;
		h->options.ctx = h->canaries;
	}
	return rc;
}

void
habit_conf_fini(struct habit_conf *h)
{
	dataset_free(h->canaries);
}
