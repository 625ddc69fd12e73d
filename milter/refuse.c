/* SPDX-License-Identifier: BSD-2-Clause */
#include "refuse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "chain.h"
#include "lib/base/err.h"
#include "lib/conf/dataset.h"
#include "options.h"

#define WORDS_MAX 400 /* octets of a reply's text */

static const char *const moments[] = {
    [PHASE_CONNECT] = "connect",
    [PHASE_MAIL] = "mail",
    [PHASE_RCPT] = "rcpt",
    [PHASE_END] = "end",
};

#define MOMENTS (sizeof(moments) / sizeof(*moments))

/* -- RefuseAt: MOMENT, CHECK=MOMENT, ... -- */

static int
find_phase(const char *word, size_t len)
{
	for (size_t i = 0; i < MOMENTS; i++) {
		if (strlen(moments[i]) == len &&
		    strncasecmp(moments[i], word, len) == 0)
			return (int)i;
	}
	return -1;
}

/* A check that can refuse before the end; -1: there is none of that name. */
static int
find_check(const char *word, size_t len)
{
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (stages[i]->judge != NULL &&
		    strlen(stages[i]->name) == len &&
		    strncasecmp(stages[i]->name, word, len) == 0)
			return (int)i;
	}
	return -1;
}

static int
expect_item(const char *item, size_t len, struct errmsg *msg_r)
{
	char names[256] = "";

	for (size_t i = 0; stages[i] != NULL; i++) {
		size_t n = strlen(names);

		if (stages[i]->judge != NULL)
			snprintf(names + n, sizeof(names) - n, "%s%s",
			    n == 0 ? "" : ", ", stages[i]->name);
	}
	return errmsg_set(msg_r,
	    "%.*s: expected connect, mail, rcpt or end, alone or as "
	    "CHECK=MOMENT, where CHECK is one of %s",
	    (int)(len < 100 ? len : 100), item, names);
}

/* Take one item.  alone: only a moment alone, which is for all checks;
 * otherwise only CHECK=MOMENT.  false: the item is neither. */
static bool
take_item(const char *item, size_t len, enum phase *at, bool alone)
{
	const char *equals = memchr(item, '=', len);
	size_t name = equals == NULL ? 0 : (size_t)(equals - item);
	size_t skip = equals == NULL ? 0 : name + 1;
	int moment = find_phase(item + skip, len - skip), check = -1;

	if (equals != NULL)
		check = find_check(item, name);
	if (moment < 0 || (equals != NULL && check < 0))
		return false;
	if (!alone && check >= 0)
		at[check] = (enum phase)moment;
	for (size_t i = 0; alone && check < 0 && i < STAGES_MAX; i++)
		at[i] = (enum phase)moment;
	return true;
}

/* Moments that stand alone are taken first: they are for the checks that no
 * other item names, wherever it stands. */
static int
parse_moments(const char *value, void *at_r, struct errmsg *msg_r)
{
	static const char separators[] = ", \t";
	enum phase *at = at_r;

	for (size_t i = 0; i < STAGES_MAX; i++)
		at[i] = PHASE_END;
	for (int named = 0; named < 2; named++) {
		const char *s = value + strspn(value, separators);

		for (size_t len; *s != '\0'; s += strspn(s, separators)) {
			len = strcspn(s, separators);
			if (!take_item(s, len, at, named == 0))
				return expect_item(s, len, msg_r);
			s += len;
		}
	}
	return 0;
}

static const struct conf_option rows[] = {
    {.keyword = "Refuse", .type = CONF_SET,
	.summary =
	    "symbols for which inbound mail is refused, each with its reply"},
    {.keyword = "RefuseAt", .type = CONF_STR, .def = "end",
	.summary =
	    "when checks refuse: connect, mail, rcpt or end, for all, and as "
	    "CHECK=MOMENT for some",
	.parse = parse_moments, .size = sizeof(enum phase[STAGES_MAX])},
};

const struct conf_table options_refuse = {CONF_ROWS(rows)};

/* -- replies -- */

/* The reply code in front of the text, and where the text begins; 0: no
 * code. */
static int
leading_code(const char *value, const char **words_r)
{
	const char *end = value + strspn(value, "0123456789");

	*words_r = value;
	if (end - value != 3 || (*end != ' ' && *end != '\0'))
		return 0;
	*words_r = end + strspn(end, " ");
	return atoi(value);
}

int
refuse_check(const char *value, struct errmsg *msg_r)
{
	const char *words;
	int code = leading_code(value, &words);

	if (code != 0 && (code < 450 || code > 459) &&
	    (code < 550 || code > 559))
		return errmsg_set(
		    msg_r, "expected a reply code of 450 to 459 or 550 to 559");
	for (const char *c = value; *c != '\0'; c++) {
		if (*c < 0x20 || *c > 0x7e)
			return errmsg_set(
			    msg_r, "expected a reply in ASCII, in one line");
	}
	if (strlen(value) > WORDS_MAX)
		return errmsg_set(
		    msg_r, "expected a reply of at most %d octets", WORDS_MAX);
	return 0;
}

struct verdict
refuse_verdict(const char *value, const char *otherwise)
{
	struct errmsg ignored;
	struct verdict v;
	const char *words;
	int code;

	/* Nobody has checked the values of an LMDB: the load does not read
	 * them. */
	if (refuse_check(value, &ignored) != 0)
		value = "";
	code = leading_code(value, &words);
	v.action = code != 0 && code < 500 ? VERDICT_TEMPFAIL : VERDICT_REJECT;
	v = verdict_make(v.action, *words == '\0' ? otherwise : words);
	v.code = code;
	return v;
}

/* -- Refuse: symbols -- */

struct entries {
	const struct conf *c;
	struct errmsg *msg;
};

static int
check_symbol(const struct dataset_entry *e, void *arg)
{
	static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_*";
	const struct entries *w = arg;
	struct errmsg why = {.text = "expected a symbol, such as SPF_FAIL"};
	int rc = 0;

	if (e->key[strspn(e->key, letters)] != '\0' ||
	    refuse_check(e->value, &why) != 0)
		rc = errmsg_set(w->msg, "%s: Refuse: %s: %s",
		    conf_where(w->c, "Refuse"), e->key, why.text);
	return conf_noted(w->c, rc, w->msg);
}

int
refuse_load(
    const struct conf *c, struct dataset **symbols_r, struct errmsg *msg_r)
{
	struct entries w = {c, msg_r};
	int rc = options_set(c, "Refuse", NULL, symbols_r, msg_r);

	if (rc != 0 || *symbols_r == NULL || dataset_is_live(*symbols_r))
		return rc;
	return dataset_walk(*symbols_r, check_symbol, &w);
}

/* The entry's strings end with it, so they are copied into the message's
 * arena. */
static struct verdict
refusal(struct message *m, const struct stage *st, const struct symbol *sym,
    const char *value)
{
	const char *own = arena_strdup(&m->arena, value);
	const char *usual =
	    arena_printf(&m->arena, "Refused for %s", sym->name);
	struct verdict v;

	if (own == NULL || usual == NULL)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	v = refuse_verdict(own, usual);
	if (v.action == VERDICT_REJECT)
		v.xcode = st->xcode;
	v.symbol = sym->name;
	v.why = "Refuse has its symbol";
	return v;
}

struct verdict
refuse_symbols(const struct dataset *set, struct message *m,
    const struct stage *st, const struct symbol *first)
{
	if (m->direction != DIRECTION_INBOUND)
		return verdict_none;
	for (const struct symbol *s = first; set != NULL && s != NULL;
	     s = s->next) {
		struct dataset_entry e;
		struct verdict v;
		int rc = dataset_get(set, s->name, &e);

		if (rc == ERR_NOTFOUND)
			continue;
		if (rc != 0)
			return verdict_error(
			    VERDICT_E_INTERNAL, "Refuse can't be read");
		v = refusal(m, st, s, e.value);
		dataset_entry_fini(&e);
		return v;
	}
	return verdict_none;
}
