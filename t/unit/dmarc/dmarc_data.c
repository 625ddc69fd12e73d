/* Published DMARC cases, the Public Suffix List's own, and fields of many mail
 * providers, read from POSTERN_DATA or ../shared/data beside the source.
 * SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dmarc/dmarc_walk.h"
#include "lib/dns/idna.h"
#include "lib/dns/pslist.h"
#include "lib/mail/addr.h"
#include "lib/mail/authres.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/test.h"

static const char *
path(const char *name)
{
	static char text[4096];
	const char *top = getenv("POSTERN_DATA");

	snprintf(text, sizeof(text), "%s/%s",
	    top != NULL ? top : POSTERN_SOURCE "/../shared/data", name);
	return text;
}

static json_t *
load(const char *name)
{
	json_error_t error;
	json_t *j = json_load_file(path(name), 0, &error);

	if (j == NULL)
		fail_msg("%s: %s", name, error.text);
	return j;
}

static const char *
text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* -- whole evaluations -- */

static void
zone_text(const json_t *zone, struct buf *b)
{
	const char *name, *type;
	json_t *types, *records, *r;
	size_t i;

	json_object_foreach((json_t *)zone, name, types) {
		bool said = false;

		json_object_foreach(types, type, records) {
			bool txt = strcmp(type, "TXT") == 0;

			said = said || txt;
			json_array_foreach(records, i, r) if (txt)
				buf_printf(b, "%s TXT %s\n", name,
				    json_string_value(r));
		}
		/* Other types only say that the name is there. */
		if (!said)
			buf_printf(b, "%s PTR x\n", name);
	}
}

static void
gather(const json_t *c, struct dmarc_evidence *e, struct dmarc_identifier *ids)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(c, "spf"), i, o) {
		/* The HELO identity is none of DMARC's. */
		if (strcmp(text(o, "scope"), "mfrom") == 0 &&
		    strcmp(text(o, "result"), "pass") == 0)
			e->spf.domain = text(o, "domain");
	}
	json_array_foreach(json_object_get(c, "dkim"), i, o) {
		if (strcmp(text(o, "result"), "pass") == 0)
			ids[e->dkim_count++].domain = text(o, "d");
	}
}

static void
word(const json_t *c, const char *key, const char *got)
{
	const json_t *expect = json_object_get(c, "expect");

	if (text(expect, key) != NULL && (got == NULL ||
	    strcmp(text(expect, key), got) != 0))
		fail_msg("%s: %s is %s, not %s", text(c, "id"), key,
		    got == NULL ? "-" : got, text(expect, key));
}

static void
truth(const json_t *c, const char *key, bool got)
{
	const json_t *want =
	    json_object_get(json_object_get(c, "expect"), key);

	if (want != NULL && json_is_true(want) != got)
		fail_msg("%s: %s is %d", text(c, "id"), key, got);
}

/* bbc.co.uk without records: DMARC does not apply, so nobody asks whose it is;
 * the case's answer is that of the list, and of the walk as well. */
static void
check_org(const json_t *c, const struct dns *dns, struct arena *a,
    const char *author)
{
	struct dmarc_walk w = {.dns = dns, .arena = a};
	const char *org, *psd;

	assert_int_equal(
	    dmarc_walk_org(&w, idna_ascii(a, author), &org, &psd), 0);
	word(c, "org_domain", org);
	dmarc_walk_drop(&w);
}

static void
run_case(const json_t *c, const json_t *common)
{
	const json_t *zone = json_object_get(c, "zone");
	const char *author = strrchr(text(c, "header_from"), '@') + 1;
	struct dmarc_identifier ids[16] = {{NULL, false}};
	struct dmarc_evidence e = {.dkim = ids};
	struct buf b = BUF_INIT;
	struct arena a = {0};
	struct dmarc_result r;
	struct dmarc *d;
	struct dns dns;

	zone_text(json_is_string(zone) ? common : zone, &b);
	assert_int_equal(dns_file_open(buf_text(&b), &dns), 0);
	gather(c, &e, ids);
	d = dmarc_start(&dns, &a, NULL, &author, 1);
	assert_int_equal(dmarc_finish(d, &e, NULL, &r), 0);
	dmarc_drop(d);
	word(c, "result", dmarc_outcome_word(r.result));
	word(c, "disposition", dmarc_policy_word(r.disposition));
	word(c, "policy_to_apply", dmarc_policy_word(r.policy));
	word(c, "p", dmarc_policy_word(r.policy));
	word(c, "policy_domain", r.policy_domain);
	truth(c, "spf_aligned", r.spf_aligned);
	truth(c, "dkim_aligned", r.dkim_aligned);
	check_org(c, &dns, &a, author);
	dns_file_close(&dns);
	arena_fini(&a);
	buf_fini(&b);
}

static void
evaluations(void **state)
{
	static const char *const files[] = {
	    "dmarc-mail-dmarc/cases.json", "dmarc-stalwart/cases.json"};

	(void)state;
	for (size_t f = 0; f < 2; f++) {
		json_t *top = load(files[f]), *c;
		size_t i;

		json_array_foreach(json_object_get(top, "cases"), i, c)
			run_case(c, json_object_get(top, "common_zone"));
		print_message("%s: %zu cases\n", files[f], i);
		json_decref(top);
	}
}

/* -- From fields -- */

static void
from_fields(void **state)
{
	json_t *top = load("dmarc-mail-dmarc/cases.json"), *c;
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(top, "from_header_cases"), i, c) {
		const char *value = text(c, "from_header");
		const char *want = text(c, "from_domain");
		struct arena a = {0};
		struct addr_list l;
		bool one;

		if (strncmp(value, "From:", 5) == 0)
			value += 5;
		assert_int_equal(addr_read(&a, value, strlen(value), &l), 0);
		one = l.why == NULL && l.count == 1;
		if (one != (want != NULL) ||
		    (one && strcmp(l.list[0].domain, want) != 0))
			fail_msg("[%s]", value);
		arena_fini(&a);
	}
	print_message("%zu From fields\n", i);
	json_decref(top);
}

/* -- records -- */

/* What RFC 9989 takes otherwise than Mail::DMARC: the version's case matters,
 * and pct, rf and ri are history, so that nothing about them is wrong. */
static bool
is_argued(const char *tag)
{
	static const char *const tags[] = {"v", "pct", "rf", "ri"};

	for (size_t i = 0; i < 4; i++) {
		if (strcmp(tags[i], tag) == 0)
			return true;
	}
	return false;
}

/* Was the value taken?  Told by what differs from the same record without. */
static bool
is_taken(struct arena *a, const char *tag, const char *value)
{
	struct dmarc_record r;
	bool policy = strchr(tag, 'p') != NULL && strcmp(tag, "aspf") != 0 &&
	    strcmp(tag, "psd") != 0;
	const char *t = arena_printf(a, "v=DMARC1; %s%s=%s",
	    policy ? "" : "p=none; ", tag, value);

	assert_int_equal(dmarc_record_parse(a, t, strlen(t), &r), 0);
	if (policy)
		return r.usable;
	if (strcmp(tag, "rua") == 0)
		return r.rua_count == 1;
	if (strcmp(tag, "ruf") == 0)
		return r.ruf_count == 1;
	if (strcmp(tag, "psd") == 0)
		return r.psd != DMARC_PSD_UNKNOWN;
	if (strcmp(tag, "fo") == 0)
		return r.fo != DMARC_FO_ALL;
	return r.testing || r.strict_dkim || r.strict_spf;
}

static void
check_values(const json_t *values, bool good)
{
	const char *tag;
	json_t *list, *v;
	size_t i;

	json_object_foreach((json_t *)values, tag, list) {
		json_array_foreach(list, i, v) {
			const char *s = json_string_value(v);
			/* Taken, but no other than the default. */
			bool same = strlen(s) == 1 && good &&
			    strchr("uUnNrR0", s[0]) != NULL &&
			    strcmp(tag, "p") != 0;
			struct arena a = {0};

			if (!is_argued(tag) && !same &&
			    !(strcmp(tag, "psd") == 0 && tolower(s[0]) == 'n' &&
				good) &&
			    is_taken(&a, tag, s) != good)
				fail_msg("%s=%s", tag, s);
			arena_fini(&a);
		}
	}
}

static void
records(void **state)
{
	json_t *top = load("dmarc-mail-dmarc/record-syntax.json"), *v;
	size_t i;

	(void)state;
	check_values(json_object_get(top, "good_values"), true);
	check_values(json_object_get(top, "bad_values"), false);
	json_array_foreach(json_object_get(top, "real_world_records"), i, v) {
		const char *s = strchr(json_string_value(v), ';') + 1;
		struct arena a = {0};
		struct dmarc_record r;
		const char *p = strstr(s, "p=") + 2;

		assert_int_equal(
		    dmarc_record_parse(&a, s, strlen(s), &r), 0);
		if (!r.usable || strncmp(p, dmarc_policy_word(r.p),
				     strlen(dmarc_policy_word(r.p))) != 0)
			fail_msg("%s", s);
		arena_fini(&a);
	}
	print_message("%zu records that are a little broken\n", i);
	json_decref(top);
}

static bool
has_uris(const json_t *want, const char *const *uris, size_t count)
{
	json_t *v;
	size_t i;

	if (want == NULL)
		return true;
	json_array_foreach(want, i, v) {
		const char *s = json_string_value(v);
		size_t n = strcspn(s, "!"); /* a size is history */

		if (i >= count || strncmp(uris[i] + strlen("mailto:"), s, n) ||
		    uris[i][strlen("mailto:") + n] != '\0')
			return false;
	}
	return i == count;
}

static unsigned
fo_bits(const char *s)
{
	unsigned bits = 0;

	for (; *s != '\0'; s++)
		bits |= *s == '0' ? DMARC_FO_ALL
		    : *s == '1'	  ? DMARC_FO_ANY
		    : *s == 'd'	  ? DMARC_FO_DKIM
		    : *s == 's'	  ? DMARC_FO_SPF
				  : 0u;
	return bits;
}

static void
parsed_records(void **state)
{
	json_t *top = load("dmarc-stalwart/cases.json"), *c;
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(top, "record_parse"), i, c) {
		const json_t *e = json_object_get(c, "expect");
		const char *s = text(c, "record");
		struct arena a = {0};
		struct dmarc_record r;
		assert_int_equal(
		    dmarc_record_parse(&a, s, strlen(s), &r), 0);
		if (strcmp(text(e, "p"), dmarc_policy_word(r.p)) != 0 ||
		    (text(e, "sp") != NULL &&
			strcmp(text(e, "sp"), dmarc_policy_word(r.sp)) != 0) ||
		    (text(e, "np") != NULL &&
			strcmp(text(e, "np"), dmarc_policy_word(r.np)) != 0) ||
		    (text(e, "aspf") != NULL &&
			(text(e, "aspf")[0] == 's') != r.strict_spf) ||
		    (text(e, "adkim") != NULL &&
			(text(e, "adkim")[0] == 's') != r.strict_dkim) ||
		    (text(e, "t") != NULL && !r.testing) ||
		    (text(e, "psd") != NULL && r.psd != DMARC_PSD_YES) ||
		    (text(e, "fo") != NULL && fo_bits(text(e, "fo")) != r.fo) ||
		    !has_uris(json_object_get(e, "rua"), r.rua, r.rua_count) ||
		    !has_uris(json_object_get(e, "ruf"), r.ruf, r.ruf_count))
			fail_msg("%s", s);
		arena_fini(&a);
	}
	print_message("%zu records with what they say\n", i);
	json_decref(top);
}

/* -- the Public Suffix List -- */

/* checkPublicSuffix('a', 'b'); where null stands for nothing. */
static bool
read_check(char *line, const char **name, const char **want)
{
	char *p = strchr(line, '('), *end;

	if (strncmp(line, "checkPublicSuffix(", 18) != 0)
		return false;
	*name = *want = NULL;
	p++;
	if (*p == '\'') {
		end = strchr(p + 1, '\'');
		*name = p + 1;
		*end = '\0';
		p = end + 1;
	}
	p = strchr(p, ',') + 2;
	if (*p == '\'') {
		*want = p + 1;
		*strchr(p + 1, '\'') = '\0';
	}
	return true;
}

static void
suffixes(void **state)
{
	char line[1024];
	struct pslist *psl;
	struct errmsg msg;
	size_t count = 0;
	FILE *f;

	(void)state;
	assert_int_equal(pslist_open(path("psl/public_suffix_list.dat"), &psl,
			     &msg),
	    0);
	f = fopen(path("psl/tests/test_psl.txt"), "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		struct arena a = {0};
		const char *name, *want, *ascii, *got = NULL;

		if (!read_check(line, &name, &want))
			continue;
		count++;
		ascii = name == NULL ? NULL : idna_ascii(&a, name);
		if (ascii != NULL)
			got = pslist_org(psl, ascii);
		if (want != NULL)
			want = idna_ascii(&a, want);
		if ((got == NULL) != (want == NULL) ||
		    (got != NULL && strcmp(got, want) != 0))
			fail_msg("%s: %s", name, got == NULL ? "-" : got);
		arena_fini(&a);
	}
	fclose(f);
	pslist_free(psl);
	print_message("%zu names by the list\n", count);
	assert_true(count > 0);
}

/* -- Authentication-Results -- */

static void
fields(void **state)
{
	json_t *top = load("ar-mail-authres/cases.json"), *c;
	size_t i, known = 0;

	(void)state;
	json_array_foreach(json_object_get(top, "cases"), i, c) {
		const char *v = text(c, "header");
		const char *want = text(
		    json_object_get(c, "parsed"), "authserv_id");
		struct authres_head head;
		struct arena a = {0};

		if (strncasecmp(v, "Authentication-Results:", 23) == 0)
			v += 23;
		assert_int_equal(
		    authres_look(&a, v, strlen(v), &head), 0);
		/* Whose it is: as the other reader has it, where it has one.
		 * So that ours is removed. */
		if (want != NULL && want[0] != '\0') {
			known++;
			if (strcmp(head.id, authres_id(&a, want)) != 0)
				fail_msg("[%s] is %s's", v, head.id);
		}
		arena_fini(&a);
	}
	print_message("%zu fields, %zu of them with a name\n", i, known);
	json_decref(top);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(evaluations),
	    cmocka_unit_test(from_fields),
	    cmocka_unit_test(records),
	    cmocka_unit_test(parsed_records),
	    cmocka_unit_test(suffixes),
	    cmocka_unit_test(fields),
	};

	if (access(path("dmarc-mail-dmarc/cases.json"), R_OK) != 0) {
		printf("skipped: no %s; POSTERN_DATA says where it is\n",
		    path("dmarc-mail-dmarc/cases.json"));
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
