/*
 * The option rows: what a typo in one of them would be.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * That code and rows have the same keywords is for t/doc/keywords.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/conf/conf_impl.h"
#include "milter/opendmarc.h"
#include "milter/snapshot.h"
#include "t/support/drivers/test.h"

#define INSIDE_MAX 64 /* rows of a section: bits of a word */

/* -- what can be wrong -- */

/* Members that mean nothing in a row of that type, or are missing. */
static const char *
type_fault(const struct conf_option *o)
{
	if ((o->type == CONF_WORD) != (o->words != NULL))
		return "words are for CONF_WORD, which needs them";
	if ((o->type == CONF_SECTION) != (o->inside != NULL))
		return "inside is for CONF_SECTION, which needs it";
	if (o->type != CONF_INT && (o->min != 0 || o->max != 0))
		return "a range of what is no number";
	if (o->type == CONF_INT && o->min > o->max)
		return "min is over max";
	if (o->parse != NULL && o->check != NULL)
		return "both check and parse";
	if ((o->parse != NULL) != (o->size != 0) || o->size > CONF_VALUE_MAX)
		return "size is for parse, which needs it, and not too large";
	if ((o->flags & CONF_OFF) && o->type != CONF_IGNORED)
		return "CONF_OFF is for CONF_IGNORED";
	if ((o->flags & CONF_MULTI) && o->type != CONF_STR)
		return "CONF_MULTI is for CONF_STR";
	if (o->def != NULL &&
	    (o->type == CONF_SECTION || o->type == CONF_IGNORED))
		return "a default of what has no value";
	return NULL;
}

static const char *
row_fault(const struct conf_option *o, char words_r[200])
{
	const char *fault;
	struct conf_judged judged;
	struct errmsg why;

	if (o->keyword == NULL || o->keyword[0] == '\0')
		return "no keyword";
	if (o->summary == NULL || o->summary[0] == '\0')
		return "no summary";
	fault = type_fault(o);
	if (fault != NULL || o->def == NULL || o->type == CONF_LIST)
		return fault;
	if (conf_judge(o, o->def, &judged, &why) == 0)
		return NULL;
	snprintf(words_r, 200, "the default: %.180s", why.text);
	return words_r;
}

static bool
is_repeated(const struct conf_table *const *tables, const char *keyword)
{
	size_t n = 0;

	for (size_t i = 0; tables[i] != NULL; i++) {
		for (size_t j = 0; j < tables[i]->count; j++)
			n += tables[i]->rows[j].keyword != NULL &&
			    strcasecmp(tables[i]->rows[j].keyword, keyword) ==
				0;
	}
	return n > 1;
}

static const char *
section_fault(const struct conf_table *inside)
{
	if (inside->count > INSIDE_MAX)
		return "more rows inside than a section may have";
	for (size_t i = 0; i < inside->count; i++) {
		if (inside->rows[i].type == CONF_SECTION ||
		    inside->rows[i].type == CONF_IGNORED)
			return "a section inside of a section";
	}
	return NULL;
}

/* The first fault in rows of one configuration, with the keyword at hand;
 * false: there is none. */
static bool
find_fault(const struct conf_table *const *tables, char fault_r[300])
{
	for (size_t i = 0; tables[i] != NULL; i++) {
		for (size_t j = 0; j < tables[i]->count; j++) {
			const struct conf_option *o = &tables[i]->rows[j];
			char words[200];
			const char *fault = row_fault(o, words);

			if (fault == NULL && is_repeated(tables, o->keyword))
				fault = "two rows of one keyword";
			if (fault == NULL && o->inside != NULL)
				fault = section_fault(o->inside);
			if (fault != NULL) {
				snprintf(fault_r, 300, "%s: %s",
				    o->keyword == NULL ? "?" : o->keyword,
				    fault);
				return true;
			}
			if (o->inside != NULL &&
			    find_fault((const struct conf_table *const[]){
					   o->inside, NULL}, fault_r))
				return true;
		}
	}
	return false;
}

/* -- the rows that there are -- */

static void
ours(void **state)
{
	char fault[300];

	(void)state;
	if (find_fault(snapshot_tables(), fault))
		fail_msg("%s", fault);
}

/* Those of another program have no summary where they are obeyed. */
static void
opendmarcs(void **state)
{
	const struct conf_table *const tables[] = {&options_opendmarc, NULL};

	(void)state;
	for (size_t i = 0; i < options_opendmarc.count; i++) {
		struct conf_option o = options_opendmarc.rows[i];
		char words[200];
		const char *fault;

		if (o.type != CONF_IGNORED)
			o.summary = "obeyed, or the daemon's own";
		fault = row_fault(&o, words);
		if (fault == NULL && is_repeated(tables, o.keyword))
			fault = "two rows of one keyword";
		if (fault != NULL)
			fail_msg("%s: %s", o.keyword, fault);
	}
}

/* -- and what is found in others -- */

static const char *const some_words[] = {"one", "two", NULL};
static const struct conf_option good[] = {
    {.keyword = "Good", .type = CONF_WORD, .def = "two", .words = some_words,
	.summary = "well"}};
static const struct conf_option nested[] = {
    {.keyword = "Inner", .type = CONF_SECTION, .inside = CONF_TABLE(good),
	.summary = "a section"}};
static const struct conf_option bad_inside[] = {
    {.keyword = "Inner", .type = CONF_INT, .min = 2, .max = 1,
	.summary = "a number"}};

static int
parse_none(const char *value, void *value_r, struct errmsg *msg_r)
{
	(void)value, (void)value_r;
	return errmsg_set(msg_r, "expected nothing");
}

static int
check_none(const char *value, struct errmsg *msg_r)
{
	return parse_none(value, NULL, msg_r);
}

static const struct {
	struct conf_option row;
	const char *fault; /* how it begins; NULL: none */
} cases[] = {
    {{.keyword = "A", .type = CONF_INT, .def = "9", .max = 9, .summary = "s"},
	NULL},
    {{.keyword = "A", .type = CONF_BOOL}, "A: no summary"},
    {{.type = CONF_BOOL, .summary = "s"}, "?: no keyword"},
    {{.keyword = "A", .type = CONF_INT, .min = 5, .max = 4, .summary = "s"},
	"A: min is over max"},
    {{.keyword = "A", .type = CONF_INT, .min = 5, .summary = "s"},
	"A: min is over max"},
    {{.keyword = "A", .type = CONF_INT, .def = "10", .max = 9, .summary = "s"},
	"A: the default: expected a number from 0 to 9"},
    {{.keyword = "A", .type = CONF_BOOL, .def = "maybe", .summary = "s"},
	"A: the default: expected yes or no"},
    {{.keyword = "A", .type = CONF_WORD, .def = "three", .words = some_words,
	 .summary = "s"},
	"A: the default: expected one of one, two"},
    {{.keyword = "A", .type = CONF_WORD, .summary = "s"}, "A: words are for"},
    {{.keyword = "A", .type = CONF_STR, .words = some_words, .summary = "s"},
	"A: words are for"},
    {{.keyword = "A", .type = CONF_SET, .def = "bdb:/x", .summary = "s"},
	"A: the default: "},
    {{.keyword = "A", .type = CONF_STR, .max = 9, .summary = "s"},
	"A: a range"},
    {{.keyword = "A", .type = CONF_SECTION, .summary = "s"}, "A: inside is"},
    {{.keyword = "A", .type = CONF_IGNORED, .def = "x", .summary = "s"},
	"A: a default of"},
    {{.keyword = "A", .type = CONF_BOOL, .flags = CONF_MULTI, .summary = "s"},
	"A: CONF_MULTI"},
    {{.keyword = "A", .type = CONF_BOOL, .flags = CONF_OFF, .summary = "s"},
	"A: CONF_OFF"},
    {{.keyword = "A", .type = CONF_STR, .def = "x", .parse = parse_none,
	 .size = 1, .summary = "s"},
	"A: the default: expected nothing"},
    {{.keyword = "A", .type = CONF_STR, .parse = parse_none, .summary = "s"},
	"A: size is"},
    {{.keyword = "A", .type = CONF_STR, .size = 8, .summary = "s"},
	"A: size is"},
    {{.keyword = "A", .type = CONF_STR, .parse = parse_none,
	 .size = CONF_VALUE_MAX + 1, .summary = "s"},
	"A: size is"},
    {{.keyword = "A", .type = CONF_STR, .parse = parse_none, .size = 1,
	 .check = check_none, .summary = "s"},
	"A: both"},
    {{.keyword = "gOOD", .type = CONF_BOOL, .summary = "s"},
	"Good: two rows"},
    {{.keyword = "A", .type = CONF_SECTION, .inside = CONF_TABLE(nested),
	 .summary = "s"},
	"A: a section inside"},
    {{.keyword = "A", .type = CONF_SECTION, .inside = CONF_TABLE(bad_inside),
	 .summary = "s"},
	"Inner: min is over max"},
};

static void
others(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct conf_table *const tables[] = {CONF_TABLE(good),
		    &(const struct conf_table){&cases[i].row, 1, NULL, NULL},
		    NULL};
		const char *want = cases[i].fault;
		char fault[300] = "nothing";

		if (find_fault(tables, fault) != (want != NULL) ||
		    (want != NULL && strncmp(fault, want, strlen(want)) != 0))
			fail_msg("case %zu: %s, not %s", i, fault,
			    want == NULL ? "nothing" : want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ours),
	    cmocka_unit_test(opendmarcs),
	    cmocka_unit_test(others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
