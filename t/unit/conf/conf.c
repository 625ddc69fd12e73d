/*
 * The configuration: lines, sections, Include, values, mistakes.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/conf/conf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "t/support/drivers/test.h"

static int
check_socket(const char *value, struct errmsg *msg_r)
{
	if (strchr(value, ':') != NULL)
		return 0;
	return errmsg_set(msg_r, "expected local:PATH or inet:PORT");
}

#define ITEM_SIZE 64

static int items_parsed;

static int
parse_item(const char *value, void *value_r, struct errmsg *msg_r)
{
	items_parsed++;
	if (((char *)value_r)[0] != '\0')
		fail_msg("the room for a value is not empty");
	if (strlen(value) >= ITEM_SIZE)
		return errmsg_set(msg_r, "expected less");
	strcpy(value_r, value);
	return 0;
}

static const char *
item(const struct conf_section *s, size_t i)
{
	return conf_section_value(s, "Messages", i, ITEM_SIZE);
}

static const char *const actions[] = {
    "accept", "discard", "quarantine", "reject", "tempfail", "refuse", NULL};

static const struct conf_option quota_rows[] = {
    {.keyword = "Messages",
	.type = CONF_LIST,
	.def = "{9/day, 1/hour}",
	.parse = parse_item,
	.size = ITEM_SIZE},
    {.keyword = "Score", .type = CONF_INT, .min = 1, .max = 9},
    {.keyword = "Note", .type = CONF_STR, .def = "none"},
};

static const struct conf_option rows[] = {
    {.keyword = "Syslog", .type = CONF_BOOL, .def = "no"},
    {.keyword = "UMask", .type = CONF_INT, .max = 0777},
    {.keyword = "Count", .type = CONF_INT, .def = "7"},
    {.keyword = "Domain", .type = CONF_SET},
    {.keyword = "On-Default",
	.type = CONF_WORD,
	.words = actions,
	.def = "accept"},
};
static const struct conf_option more_rows[] = {
    {.keyword = "RuleFile", .type = CONF_STR, .flags = CONF_MULTI},
    {.keyword = "Password", .type = CONF_STR, .flags = CONF_SECRET},
    {.keyword = "Quota",
	.type = CONF_SECTION,
	.inside = CONF_TABLE(quota_rows)},
    {.keyword = "Points",
	.type = CONF_SECTION,
	.flags = CONF_UNTITLED,
	.inside = CONF_TABLE(quota_rows)},
    {.keyword = "FixCRLF", .type = CONF_IGNORED, .summary = "unsafe"},
    {.keyword = "SendReports",
	.type = CONF_IGNORED,
	.flags = CONF_OFF,
	.summary = "none are sent"},
    {.keyword = "Socket", .type = CONF_STR, .check = check_socket},
};
static const struct conf_table *const tables[] = {
    CONF_TABLE(rows), CONF_TABLE(more_rows), NULL};

static int
read_str(const char *text, struct conf **c_r, struct errmsg *msg_r)
{
	return conf_read_text(text, strlen(text), "t.conf", tables, c_r, msg_r);
}

/* Not inlined: gcc 12 takes what the stream wrote to `text` for its address. */
static __attribute__((noinline)) char *
printed(const struct conf *c)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	conf_print(c, out);
	fclose(out);
	return text;
}

/* -- values, seen through conf_print -- */

static void
values(void **state)
{
	static const struct {
		const char *name, *text, *line;
	} cases[] = {
	    {"default", "", "Syslog no\n"},
	    {"unset", "", "#UMask\n"},
	    {"true by its first letter", "Syslog Truly", "Syslog yes\n"},
	    {"one", "Syslog 1", "Syslog yes\n"},
	    {"false by its first letter", "Syslog fine", "Syslog no\n"},
	    {"keyword without case", "sYSLOG y", "Syslog yes\n"},
	    {"tabs and spaces", " \tSyslog \t y \t", "Syslog yes\n"},
	    {"CRLF", "Domain a\r\nSyslog y\r\n", "Domain a\n"},
	    {"CR at the end of the file", "Domain a\r", "Domain a\n"},
	    {"byte order mark",
		"\xef\xbb\xbf"
		"Syslog y\n",
		"Syslog yes\n"},
	    {"comment behind", "Domain a # b", "Domain a\n"},
	    {"comment without blank", "Domain a#b", "Domain a\n"},
	    {"comment line", "# Domain a", "#Domain\n"},
	    {"words up to the end", "Domain a, b  c", "Domain a, b  c\n"},
	    {"single quotes", "Domain it's 'a'", "Domain it's 'a'\n"},
	    {"double quotes", "Domain \"a\"", "Domain \"a\"\n"},
	    {"backslashes", "Domain \\ \\\\ \\'", "Domain \\ \\\\ \\'\n"},
	    {"backslash at the end", "Domain a\\\nSyslog y", "Domain a\\\n"},
	    {"no C comment", "Domain /* a // b\nSyslog y",
		"Domain /* a // b\n"},
	    {"no environment", "Domain ${HOME}", "Domain ${HOME}\n"},
	    {"braces", "Domain {a} }\nSyslog y", "Domain {a} }\n"},
	    {"octets above 127", "Domain b\xc3\xbc.de",
		"Domain b\xc3\xbc.de\n"},
	    {"octal", "UMask 007", "UMask 007\n"},
	    {"a word without case", "On-Default REJECT", "On-Default reject\n"},
	    {"a word by its letter", "On-Default t", "On-Default tempfail\n"},
	    {"the last counts", "Domain a\nDomain b", "Domain b\n"},
	    {"repeated", "RuleFile a\nRuleFile b c\n",
		"RuleFile a\nRuleFile b c\n"},
	    {"secret", "Password x", "#Password is set, and not shown\n"},
	    {"checked", "Socket inet:1", "Socket inet:1\n"},
	    {"section", "Quota default { Score = 3 }",
		"Quota \"default\" {\n"
		"    Messages = {\"9/day\", \"1/hour\"}\n"
		"    Score = \"3\"\n"
		"    Note = \"none\"\n}\n"},
	    {"section without a title", "Points\n{\n Score = 3 }",
		"Points {\n"
		"    Messages = {\"9/day\", \"1/hour\"}\n"
		"    Score = \"3\"\n"
		"    Note = \"none\"\n}\n"},
	    {"the last one without a title counts",
		"Points { Score = 1 }\nPoints { Score = 2 }",
		"    Score = \"2\"\n"},
	    {"section over lines",
		"Quota x\r\n{\r\n # {\r\n Messages={1/day,\r\n"
		"'2/hour'}\r\n}\r\n",
		"    Messages = {\"1/day\", \"2/hour\"}\n"},
	    {"list of one", "Quota x { Messages = 5/day }",
		"    Messages = {\"5/day\"}\n"},
	    {"list appended to",
		"Quota x { Messages = 5/day Messages += {6/day} }",
		"    Messages = {\"5/day\", \"6/day\"}\n"},
	    {"empty list", "Quota x { Messages = {} }", "    Messages = {}\n"},
	    {"quotes in a section", "Quota x { Note = \"a\\\"b\\\\c\\d#\" }",
		"    Note = \"a\\\"b\\\\c\\\\d#\"\n"},
	    {"no environment in a section",
		"Quota \"${HOME}\" { Note = ${HOME }", NULL},
	    {"environment in quotes", "Quota \"${HOME}\" { }",
		"Quota \"${HOME}\" {\n"},
	    {"comment signs in a word", "Quota x { Note = a/*b//c }",
		"    Note = \"a/*b//c\"\n"},
	    {"comment behind a word", "Quota x { Score = 3#4\n}",
		"    Score = \"3\"\n"},
	    {"two sections on a line", "Quota a { } Quota b { }",
		"Quota \"b\" {\n"},
	    {"the last section counts",
		"Quota a { Score = 1 }\nQuota A { Score = 2 }",
		"    Score = \"2\"\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct conf *c = NULL;
		struct errmsg msg = {.text = ""};
		int rc = read_str(cases[i].text, &c, &msg);
		char *text;

		if (cases[i].line == NULL) {
			assert_int_not_equal(rc, 0);
			continue;
		}
		if (rc != 0)
			fail_msg("%s: %s", cases[i].name, msg.text);
		text = printed(c);
		if (strstr(text, cases[i].line) == NULL)
			fail_msg("%s: got\n%s", cases[i].name, text);
		free(text);
		conf_free(c);
	}
}

/* -- mistakes -- */

static void
mistakes(void **state)
{
	static const struct {
		const char *name, *text, *message;
	} cases[] = {
	    {"unknown", "Frobnicate x",
		"t.conf:1: Frobnicate: unknown keyword"},
	    {"nearly known", "\nSyslgo yes",
		"t.conf:2: Syslgo: unknown keyword; did you mean Syslog?"},
	    {"five letters, two of them changed", "Qouta a",
		"t.conf:1: Qouta: unknown keyword; did you mean Quota?"},
	    {"two that are as near", "TwinC x",
		"t.conf:1: TwinC: unknown keyword"},
	    {"a colon", "Syslog: yes", "t.conf:1: Syslog:: expected a blank "
		"behind the keyword Syslog, and nothing else before the value"},
	    {"an equals sign", "Syslog=yes", "t.conf:1: Syslog=yes: expected a "
		"blank behind the keyword Syslog, and nothing else before the "
		"value"},
	    {"a comment of another kind", "\n; Syslog",
		"t.conf:2: ;: unknown keyword; comments begin with #"},
	    {"a blank that is none", "Syslog\u00a0yes # \u00a0",
		"t.conf:1: a blank that is none (such as U+00A0, from a copied "
		"page): write the line again with ordinary blanks"},
	    {"of no width", "Sys\u200blog yes",
		"t.conf:1: a blank that is none (such as U+00A0, from a copied "
		"page): write the line again with ordinary blanks"},
	    {"unknown in a section", "Quota a {\nMesages = 1 }",
		"t.conf:2: Mesages: unknown keyword; did you mean "
		"Messages?"},
	    {"a keyword of the other level", "Quota a { Syslog = 1 }",
		"t.conf:1: Syslog: unknown keyword"},
	    {"escaped", "\xff\xfe x", "t.conf:1: \\xff\\xfe: unknown keyword"},
	    {"no value", "Domain", "t.conf:1: Domain: expected a value"},
	    {"no value before the comment", "Domain # x\nSyslog y",
		"t.conf:1: Domain: expected a value"},
	    {"no value for an ignored one", "FixCRLF",
		"t.conf:1: FixCRLF: expected a value"},
	    {"no boolean", "Syslog maybe",
		"t.conf:1: Syslog: expected yes or no, not \"maybe\""},
	    {"no number", "Count x",
		"t.conf:1: Count: expected a number from 0 to 2147483647, "
		"not \"x\""},
	    {"number and more", "Count 5s",
		"t.conf:1: Count: expected a number from 0 to 2147483647, "
		"not \"5s\""},
	    {"out of range", "\n\nUMask 01000",
		"t.conf:3: UMask: expected a number from 0 to 511, not "
		"\"01000\""},
	    {"out of a long", "Count 99999999999999999999",
		"t.conf:1: Count: expected a number from 0 to 2147483647, "
		"not \"99999999999999999999\""},
	    {"no such word", "On-Default maybe",
		"t.conf:1: On-Default: expected one of accept, discard, "
		"quarantine, reject, tempfail, refuse, not \"maybe\""},
	    {"a letter that two begin with", "On-Default r",
		"t.conf:1: On-Default: expected one of accept, discard, "
		"quarantine, reject, tempfail, refuse, not \"r\""},
	    {"check", "Socket x",
		"t.conf:1: Socket: expected local:PATH or inet:PORT"},
	    {"assignment", "Domain = x",
		"t.conf:1: Domain: expected a value, and no = before it"},
	    {"control character at the end", "Domain x\nDomain y\1",
		"t.conf:2: a control character: this is no text file"},
	    {"control character", "\nDomain \033[1m",
		"t.conf:2: a control character: this is no text file"},
	    {"CR inside", "Domain a\rSyslog y",
		"t.conf:1: a carriage return inside the line"},
	    {"open section", "Syslog y\nQuota a {\n Score = 1\n",
		"t.conf:2: Quota: the section is not closed by a }"},
	    {"open list", "Quota a { Messages = {1/day }",
		"t.conf:1: Quota: the section is not closed by a }"},
	    {"no title", "Quota { }", "t.conf:1: Quota: expected a title"},
	    {"a title too many", "Points a { }",
		"t.conf:1: Points: expected {, and no title or = before it"},
	    {"an assignment to a section", "Points = { }",
		"t.conf:1: Points: expected {, and no title or = before it"},
	    {"no title, no brace", "Points\nSyslog y",
		"t.conf:2: Points: expected {, and no title or = before it"},
	    {"no brace", "Quota a\nSyslog y",
		"t.conf:2: Quota: expected { after the title: "
		"Quota TITLE { ... }"},
	    {"no equal sign", "Quota a { Score 5 }",
		"t.conf:1: Score: expected = and a value"},
	    {"no value in a section", "Quota a { Score = }",
		"t.conf:1: Score: expected a value"},
	    {"list for one value", "Quota a { Score = {1, 2} }",
		"t.conf:1: Score: expected one value, not 1, 2"},
	    {"list without a word", "Quota a { Messages = {1,,2} }",
		"t.conf:1: Messages: expected a value in the list"},
	    {"out of range in a section", "Quota a {\n\nScore = 10 }",
		"t.conf:3: Score: expected a number from 1 to 9, not "
		"\"10\""},
	    {"open quote", "Quota \"a\n { }",
		"t.conf:1: a quote is not closed on this line"},
	    {"empty quotes", "Quota a { Note = \"\" }",
		"t.conf:1: expected a value between the quotes"},
	    {"closing brace alone", "}", "t.conf:1: }: unknown keyword; "
		"there is no section here that it could belong to"},
	    {"the first mistake is named", "Count x\nFrobnicate x",
		"t.conf:1: Count: expected a number from 0 to 2147483647, "
		"not \"x\""},
	    {"before an open section", "Count x\nQuota a { Score =",
		"t.conf:1: Count: expected a number from 0 to 2147483647, "
		"not \"x\""},
	    {"Include of nothing", "\nInclude /nonexistent/x",
		"t.conf:2: Include: /nonexistent/x: No such file or "
		"directory"},
	    {"Include of a directory", "Include /",
		"t.conf:1: Include: /: expected a regular file, not a "
		"directory"},
	    {"Include of a device", "Include /dev/zero",
		"t.conf:1: Include: /dev/zero: expected a regular file, not a "
		"device"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct conf *c = NULL;
		struct errmsg msg = {.text = ""};

		if (read_str(cases[i].text, &c, &msg) == 0)
			fail_msg("%s: accepted", cases[i].name);
		if (cases[i].message != NULL &&
		    strcmp(msg.text, cases[i].message) != 0)
			fail_msg("%s: got %s", cases[i].name, msg.text);
	}
}

/* What is in the list, each in a line; the caller's. */
static char *
listed(struct errlist *list)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	const char *one;

	errlist_sort(list);
	for (size_t i = 0; (one = errlist_get(list, i)) != NULL; i++)
		fprintf(out, "%s\n", one);
	fclose(out);
	return text;
}

/* One does not hide another, nor does it make one of what is right: whatever
 * it stands in or before. */
static void
all_mistakes(void **state)
{
	static const struct {
		const char *name, *text, *messages;
	} cases[] = {
	    {"lines", "Syslog maybe\nDomain\nFrob x\nUMask 999\nSyslog y\n",
		"t.conf:1: Syslog: expected yes or no, not \"maybe\"\n"
		"t.conf:2: Domain: expected a value\n"
		"t.conf:3: Frob: unknown keyword\n"
		"t.conf:4: UMask: expected a number from 0 to 511, not "
		"\"999\"\n"},
	    {"the same line twice", "Count x\nCount x\n",
		"t.conf:1: Count: expected a number from 0 to 2147483647, not "
		"\"x\"\n"
		"t.conf:2: Count: expected a number from 0 to 2147483647, not "
		"\"x\"\n"},
	    {"names and values of a section",
		"Quota a {\n Scor = 1\n Score = 0\n Frob = {x,\n y}\n"
		" Score 5\n Note = {}\n}\nCount x\n",
		"t.conf:2: Scor: unknown keyword; did you mean Score?\n"
		"t.conf:3: Score: expected a number from 1 to 9, not \"0\"\n"
		"t.conf:4: Frob: unknown keyword\n"
		"t.conf:6: Score: expected = and a value\n"
		"t.conf:7: Note: expected one value, not an empty list\n"
		"t.conf:9: Count: expected a number from 0 to 2147483647, not "
		"\"x\"\n"},
	    {"a section in front of others",
		"Quota {\n Score = 0\n}\nQuota b\nQuota c {\n Score = 11 }\n",
		"t.conf:1: Quota: expected a title\n"
		"t.conf:2: Score: expected a number from 1 to 9, not \"0\"\n"
		"t.conf:5: Quota: expected { after the title: "
		"Quota TITLE { ... }\n"
		"t.conf:6: Score: expected a number from 1 to 9, not "
		"\"11\"\n"},
	    {"a section as an assignment",
		"Quota = a {\n Score = 0\n}\nFrob x\n",
		"t.conf:1: Quota: expected a title, and no = before it\n"
		"t.conf:2: Score: expected a number from 1 to 9, not \"0\"\n"
		"t.conf:4: Frob: unknown keyword\n"},
	    {"a section without its end",
		"Quota a {\n Score = 1\nSyslog maybe\nQuota b { Score = 1 }\n",
		"t.conf:1: Quota: the section is not closed by a }\n"
		"t.conf:3: Syslog: expected yes or no, not \"maybe\"\n"},
	    {"a section without its beginning",
		"Quota a\n Score = 0\n}\nSyslog maybe\n",
		"t.conf:2: Quota: expected { after the title: "
		"Quota TITLE { ... }\n"
		"t.conf:2: Score: expected a number from 1 to 9, not \"0\"\n"
		"t.conf:4: Syslog: expected yes or no, not \"maybe\"\n"},
	    {"a section of an unknown kind",
		"Frob a {\n Score = 0\n Messages = {1,\n2}\n}\nCount x\n",
		"t.conf:1: Frob: unknown keyword\n"
		"t.conf:6: Count: expected a number from 0 to 2147483647, not "
		"\"x\"\n"},
	    {"an unknown keyword with a brace", "Frob a{\nCount x\n",
		"t.conf:1: Frob: unknown keyword\n"
		"t.conf:2: Count: expected a number from 0 to 2147483647, not "
		"\"x\"\n"},
	    {"a list without its end",
		"Quota a {\n Messages = {1, 2\n Score = 0\n}\n",
		"t.conf:2: Messages: the list is not closed by a }\n"
		"t.conf:3: Score: expected a number from 1 to 9, not "
		"\"0\"\n"},
	    {"a list without braces",
		"Quota a {\n Messages = 1, 2\n Score = 0 }\n",
		"t.conf:2: Messages: expected several values in braces, with "
		"commas between them: Messages = {1, 2}\n"
		"t.conf:3: Score: expected a number from 1 to 9, not "
		"\"0\"\n"},
	    {"a list without commas",
		"Quota a {\n Messages = {1 2}\n Messages = 1 2\n}\n",
		"t.conf:2: Messages: expected several values in braces, with "
		"commas between them: Messages = {1, 2}\n"
		"t.conf:3: Messages: expected several values in braces, with "
		"commas between them: Messages = {1, 2}\n"},
	    {"several for one",
		"Quota a {\n Score = 1, 2\n Score += 3\n}\n",
		"t.conf:2: Score: expected one value, not 1, 2\n"
		"t.conf:3: Score: expected = and one value\n"},
	    {"no value",
		"Quota a {\n Score =\n Note = x\n Messages = \n}\n",
		"t.conf:2: Score: expected a value\n"
		"t.conf:4: Messages: expected a value\n"},
	    {"quotes", "Quota a {\n Note = \"\"\n Note = \"x\n Score = 0\n}\n",
		"t.conf:2: expected a value between the quotes\n"
		"t.conf:3: a quote is not closed on this line\n"
		"t.conf:4: Score: expected a number from 1 to 9, not "
		"\"0\"\n"},
	    {"no text", "Domain \1\nCount x\nSyslog y\rn\n",
		"t.conf:1: a control character: this is no text file\n"
		"t.conf:2: Count: expected a number from 0 to 2147483647, not "
		"\"x\"\n"
		"t.conf:3: a carriage return inside the line\n"},
	    {"what stands inside of a section", "Score = 5\n",
		"t.conf:1: Score: unknown keyword; it stands inside of Quota "
		"TITLE { }\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct errlist *list = errlist_new();
		struct conf *c;
		char *got;

		assert_int_equal(
		    conf_read_text_list(cases[i].text, strlen(cases[i].text),
			"t.conf", tables, list, &c),
		    ERR_CONFIG);
		got = listed(list);
		if (strcmp(got, cases[i].messages) != 0)
			fail_msg("%s: got\n%s", cases[i].name, got);
		free(got);
		conf_free(c);
		errlist_free(list);
	}
}

/* What is wrong is as if it were not written, what is right is there. */
static void
what_is_left(void **state)
{
	static const char text[] =
	    "Syslog maybe\nUMask 999\nCount 5\nCount x\nDomain = x\n"
	    "RuleFile 1\nRuleFile\nRuleFile 2\nOn-Default wrong\n"
	    "Quota a {\n Messages = {1, \"\", 2}\n Score = 0\n}\n"
	    "Quota b { Score = 4 }\n";
	struct errlist *list = errlist_new();
	const struct conf_section *s;
	struct conf *c;

	(void)state;
	assert_int_equal(conf_read_text_list(text, strlen(text), "t.conf",
			     tables, list, &c),
	    ERR_CONFIG);
	assert_false(conf_bool(c, "Syslog"));
	assert_true(conf_faulty(c, "Syslog"));
	assert_false(conf_given(c, "Syslog"));
	assert_int_equal(conf_int(c, "Count"), 7);
	assert_null(conf_str(c, "Domain"));
	assert_false(conf_given(c, "Domain"));
	assert_string_equal(conf_str(c, "On-Default"), "accept");
	assert_string_equal(conf_multi(c, "RuleFile", 0), "1");
	assert_string_equal(conf_multi(c, "RuleFile", 1), "2");
	assert_null(conf_multi(c, "RuleFile", 2));
	assert_string_equal(conf_multi_where(c, "RuleFile", 0), "t.conf:6");
	assert_string_equal(conf_multi_where(c, "RuleFile", 1), "t.conf:8");
	assert_true(conf_given(c, "RuleFile"));
	s = conf_section(c, "Quota", 0);
	assert_true(conf_section_faulty(s));
	assert_string_equal(item(s, 1), "2");
	assert_null(item(s, 2));
	assert_null(conf_section_str(s, "Score"));
	s = conf_section(c, "Quota", 1);
	assert_false(conf_section_faulty(s));
	assert_string_equal(conf_section_str(s, "Score"), "4");
	conf_free(c);
	errlist_free(list);
}

static void
no_text(void **state)
{
	static const char nul[] = "Syslog y\nDomain a\0b\n";
	struct errmsg msg;
	struct conf *c;
	char *line = malloc(70000);

	(void)state;
	assert_int_equal(
	    conf_read_text(nul, sizeof(nul) - 1, "t.conf", tables, &c, &msg),
	    ERR_CONFIG);
	assert_string_equal(
	    msg.text, "t.conf:2: a NUL octet: this is no text file");
	memset(line, 'x', 70000);
	assert_int_equal(
	    conf_read_text(line, 70000, "t.conf", tables, &c, &msg),
	    ERR_CONFIG);
	assert_string_equal(msg.text, "t.conf:1: the line is too long");
	free(line);
	assert_int_equal(conf_read_text("", 0, "t.conf", tables, &c, NULL), 0);
	conf_free(c);
	assert_int_equal(read_str("Domain", &c, NULL), ERR_CONFIG);
}

/* -- warnings -- */

static void
warnings(void **state)
{
	static const struct {
		const char *name, *text, *warning;
	} cases[] = {
	    {"none", "Domain a", NULL},
	    {"repeated on purpose", "RuleFile a\nRuleFile a", NULL},
	    {"given twice", "Domain a\n\nDomain b",
		"t.conf:3: Domain: given before at t.conf:1; this one "
		"counts"},
	    {"ignored", "fixcrlf yes", "t.conf:1: FixCRLF: ignored: unsafe"},
	    {"ignored, and no", "FixCRLF no",
		"t.conf:1: FixCRLF: ignored: unsafe"},
	    {"a switch that is off", "SendReports no\nSendReports False\n"
		"SendReports 0\nSendReports N", NULL},
	    {"a switch that is off, on", "SendReports yes",
		"t.conf:1: SendReports: ignored: none are sent"},
	    {"section twice", "Quota a {\n}\nQuota A { }",
		"t.conf:3: Quota: \"A\" given before at t.conf:1; this "
		"one counts"},
	    {"twice in a section", "Quota a { Score = 1\nscore = 2 }",
		"t.conf:2: Score: given twice in this section; the last "
		"one counts"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *warning;
		struct errmsg msg;
		struct conf *c;

		if (read_str(cases[i].text, &c, &msg) != 0)
			fail_msg("%s: %s", cases[i].name, msg.text);
		warning = conf_warning(c, 0);
		if (cases[i].warning == NULL
			? warning != NULL
			: warning == NULL ||
			      strcmp(warning, cases[i].warning) != 0)
			fail_msg("%s: got %s", cases[i].name, warning);
		assert_null(conf_warning(c, 1));
		conf_free(c);
	}
}

/* -- the ways to ask -- */

static void
answers(void **state)
{
	const struct conf_section *s;
	struct errmsg msg;
	struct conf *c;

	(void)state;
	assert_int_equal(read_str("Syslog y\nUMask 0x1f\nDomain a\n"
				  "RuleFile x\nRuleFile y\non-default D\n"
				  "Quota b {\n Score = 4 }\nQuota a { }",
			     &c, &msg),
	    0);
	assert_true(conf_bool(c, "syslog"));
	assert_int_equal(conf_int(c, "UMask"), 31);
	assert_int_equal(conf_int(c, "Count"), 7);
	assert_string_equal(conf_str(c, "Domain"), "a");
	assert_string_equal(conf_str(c, "On-Default"), "discard");
	assert_int_equal(conf_word(c, "On-Default"), 1);
	assert_null(conf_str(c, "Socket"));
	assert_string_equal(conf_multi(c, "RuleFile", 1), "y");
	assert_null(conf_multi(c, "RuleFile", 2));
	assert_true(conf_given(c, "Domain"));
	assert_false(conf_given(c, "Count"));
	assert_string_equal(conf_where(c, "Domain"), "t.conf:3");
	assert_string_equal(conf_where(c, "Count"), "default");
	s = conf_section(c, "Quota", 0);
	assert_string_equal(conf_section_title(s), "b");
	assert_string_equal(conf_section_where(s), "t.conf:7");
	assert_string_equal(conf_section_str(s, "score"), "4");
	assert_string_equal(item(s, 1), "1/hour");
	assert_null(item(s, 2));
	s = conf_section(c, "quota", 1);
	assert_string_equal(conf_section_title(s), "a");
	assert_null(conf_section_str(s, "Score"));
	assert_null(conf_section(c, "Quota", 2));
	conf_free(c);
	assert_int_equal(conf_read(NULL, tables, &c, &msg), 0);
	assert_null(conf_section(c, "Quota", 0));
	assert_int_equal(conf_word(c, "On-Default"), 0);
	conf_free(c);
	conf_free(NULL);
}

/* A value is made of its text once, by the row's parse function. */
static void
parses_once(void **state)
{
	static const char text[] = "Quota a {\n"
				   "Messages = {x, y}\n"
				   "Messages += z }\n"
				   "Quota b { Messages = {} }\n";
	const struct conf_section *s;
	struct errmsg msg;
	struct conf *c;

	(void)state;
	items_parsed = 0;
	assert_int_equal(read_str(text, &c, &msg), 0);
	assert_int_equal(items_parsed, 3);
	s = conf_section(c, "Quota", 0);
	assert_string_equal(item(s, 0), "x");
	assert_string_equal(item(s, 1), "y");
	assert_string_equal(item(s, 2), "z");
	assert_null(item(s, 3));
	assert_null(item(conf_section(c, "Quota", 1), 0));
	assert_int_equal(items_parsed, 3);
	conf_free(c);
	/* The default's, for want of a value. */
	assert_int_equal(read_str("Quota a { }\n", &c, &msg), 0);
	assert_string_equal(item(conf_section(c, "Quota", 0), 1), "1/hour");
	assert_int_equal(items_parsed, 5);
	conf_free(c);
}

/* What is printed reads as the same. */
static void
prints_what_it_reads(void **state)
{
	struct conf *c, *again;
	struct errmsg msg;
	char *first, *second;

	(void)state;
	assert_int_equal(read_str("Syslog y\nDomain ' \\\\ {\nRuleFile a\n"
				  "RuleFile b\nQuota \"a\\\"b\" {\n"
				  "Messages = {'x y', \"z#\", \"\\\\\\\\\"}\n}"
				  "\nQuota b { Messages = {} }\nPassword p\n",
			     &c, &msg),
	    0);
	first = printed(c);
	if (read_str(first, &again, &msg) != 0)
		fail_msg("%s\n%s", msg.text, first);
	second = printed(again);
	/* The secret is not shown, so it is lost. */
	assert_non_null(strstr(first, "#Password is set, and not shown\n"));
	assert_null(strstr(first, " p\n"));
	memcpy(strstr(first, "#Password"), "#Password\n", 10);
	assert_memory_equal(first, second, strstr(first, "#Password") - first);
	assert_string_equal(
	    strstr(first, "Quota \"a"), strstr(second, "Quota \"a"));
	free(first);
	free(second);
	conf_free(c);
	conf_free(again);
}

/* -- files -- */

static char dir[] = "/tmp/postern-conf-XXXXXX";

static void
put(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int
enter(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL || chdir(dir) != 0;
}

static int
leave(void **state)
{
	static const char *const names[] = {
	    "a", "b", "c", "d", "e", "f", "g", "loop"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(names[i]);
	return chdir("/") != 0 || rmdir(dir) != 0;
}

static void
includes(void **state)
{
	struct errmsg msg;
	struct conf *c;

	(void)state;
	put("a", "Domain x\nRuleFile 1\nInclude b\nRuleFile 3\n\nCount 1\n"
		 "Include c\nSyslog y\n");
	put("b", "\nRuleFile 2\nDomain y\n");
	put("c", "");
	assert_int_equal(conf_read("a", tables, &c, &msg), 0);
	assert_string_equal(conf_multi(c, "RuleFile", 0), "1");
	assert_string_equal(conf_multi(c, "RuleFile", 1), "2");
	assert_string_equal(conf_multi(c, "RuleFile", 2), "3");
	assert_string_equal(conf_multi_where(c, "RuleFile", 0), "a:2");
	assert_string_equal(conf_multi_where(c, "RuleFile", 1), "b:2");
	assert_string_equal(conf_multi_where(c, "RuleFile", 2), "a:4");
	assert_string_equal(conf_str(c, "Domain"), "y");
	assert_string_equal(conf_where(c, "Domain"), "b:3");
	assert_string_equal(conf_where(c, "Count"), "a:6");
	assert_string_equal(conf_where(c, "Syslog"), "a:8");
	assert_string_equal(conf_warning(c, 0),
	    "b:3: Domain: given before at a:1; this one counts");
	conf_free(c);

	put("b", "Syslog y\nCount x\n");
	assert_int_equal(conf_read("a", tables, &c, &msg), ERR_CONFIG);
	assert_string_equal(msg.text,
	    "b:2: Count: expected a number from 0 to 2147483647, not \"x\"");
	put("b", "Quota x {");
	assert_int_equal(conf_read("a", tables, &c, &msg), ERR_CONFIG);
	assert_string_equal(
	    msg.text, "b:1: Quota: the section is not closed by a }");
	assert_int_equal(conf_read("absent", tables, &c, &msg), ERR_SYSTEM);
	assert_string_equal(msg.text, "absent: No such file or directory");
}

static void
include_depth(void **state)
{
	struct errlist *list;
	struct errmsg msg;
	struct conf *c;
	char *text;

	(void)state;
	put("a", "Include b");
	put("b", "Include c");
	put("c", "Include d");
	put("d", "Include e");
	put("e", "Include f");
	put("f", "Domain deep");
	assert_int_equal(conf_read("a", tables, &c, &msg), 0);
	assert_string_equal(conf_str(c, "Domain"), "deep");
	conf_free(c);
	put("g", "Include a");
	assert_int_equal(conf_read("g", tables, &c, &msg), ERR_CONFIG);
	assert_string_equal(msg.text, "e:1: Include: nested more than 5 deep");
	put("loop", "Syslog y\nInclude loop\nInclude loop\n");
	assert_int_equal(conf_read("loop", tables, &c, &msg), ERR_CONFIG);
	assert_string_equal(
	    msg.text, "loop:2: Include: nested more than 5 deep");
	/* A file that is wrong or missing does not hide what follows it, and
	 * the order is that in which one reads. */
	put("a", "Count x\nInclude b\nInclude none\nUMask 999\nInclude c\n"
		 "Frob x\n");
	put("b", "Frob y\n\nSyslog maybe\nQuota q {");
	put("c", "Frob z\n");
	list = errlist_new();
	assert_int_equal(conf_read_list("a", tables, list, &c), ERR_CONFIG);
	text = listed(list);
	assert_string_equal(text,
	    "a:1: Count: expected a number from 0 to 2147483647, not \"x\"\n"
	    "b:1: Frob: unknown keyword\n"
	    "b:3: Syslog: expected yes or no, not \"maybe\"\n"
	    "b:4: Quota: the section is not closed by a }\n"
	    "a:3: Include: none: No such file or directory\n"
	    "a:4: UMask: expected a number from 0 to 511, not \"999\"\n"
	    "c:1: Frob: unknown keyword\n"
	    "a:6: Frob: unknown keyword\n");
	free(text);
	conf_free(c);
	errlist_free(list);
	put("b", "Include c");
	put("c", "Include d");
	/* Wide rather than deep. */
	put("d", "Include e\nInclude e\nInclude e\nInclude e\nInclude e\n"
		 "Include e\nInclude e\nInclude e\n");
	put("c", "Include d\nInclude d\nInclude d\nInclude d\nInclude d\n"
		 "Include d\nInclude d\nInclude d\nInclude d\nInclude d\n");
	put("b", "Include c\nInclude c\nInclude c\nInclude c\nInclude c\n");
	assert_int_equal(conf_read("b", tables, &c, &msg), ERR_CONFIG);
	assert_non_null(strstr(msg.text, "more than 256 files"));
}

/* A mistake must leave nothing behind in libconfuse's globals, and threads
 * must not meet there. */
static void *
read_often(void *arg)
{
	static const char *const texts[] = {"Quota a { Note = \"x",
	    "Domain a\nQuota b { Messages = {1, 2} }\n",
	    "Quota a { Messages = {,} }", "Domain a\nCount x\n"};

	for (size_t i = 0; i < 400; i++) {
		struct errmsg msg;
		struct conf *c;
		size_t k = i % 4;

		if ((read_str(texts[k], &c, &msg) == 0) != (k == 1))
			return arg;
		if (k == 1)
			conf_free(c);
	}
	return NULL;
}

static void
threads(void **state)
{
	pthread_t t[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
		    pthread_create(&t[i], NULL, read_often, dir), 0);
	for (size_t i = 0; i < 4; i++) {
		void *bad;

		pthread_join(t[i], &bad);
		assert_null(bad);
	}
}

/* -- Debian 12's /etc/opendkim.conf, as shipped -- */

static const char debian[] =
    "# This is a basic configuration for signing and verifying. It can\n"
    "# easily be adapted to suit a basic installation.\n"
    "\n"
    "Syslog\t\t\tyes\n"
    "SyslogSuccess\t\tyes\n"
    "#LogWhy\t\t\tno\n"
    "\n"
    "# Common signing and verification parameters. In Debian, the \"From\"\n"
    "Canonicalization\trelaxed/simple\n"
    "#Mode\t\t\tsv\n"
    "#SubDomains\t\tno\n"
    "OversignHeaders\t\tFrom\n"
    "\n"
    "#Domain\t\t\texample.com\n"
    "#Selector\t\t2020\n"
    "#KeyFile\t\t/etc/dkimkeys/example.private\n"
    "\n"
    "UserID\t\t\topendkim\n"
    "UMask\t\t\t007\n"
    "\n"
    "Socket\t\t\tlocal:/run/opendkim/opendkim.sock\n"
    "#Socket\t\t\tinet:8891@localhost\n"
    "#Socket\t\t\tinet:8891\n"
    "\n"
    "PidFile\t\t\t/run/opendkim/opendkim.pid\n"
    "\n"
    "#InternalHosts\t\t192.168.0.0/16, 10.0.0.0/8, 172.16.0.0/12\n"
    "\n"
    "TrustAnchorFile\t\t/usr/share/dns/root.key\n"
    "#Nameservers\t\t127.0.0.1\n";

static void
debian_as_shipped(void **state)
{
	static const struct conf_option opendkim[] = {
	    {.keyword = "Syslog", .type = CONF_BOOL},
	    {.keyword = "SyslogSuccess", .type = CONF_BOOL},
	    {.keyword = "Canonicalization", .type = CONF_STR},
	    {.keyword = "OversignHeaders", .type = CONF_SET},
	    {.keyword = "UserID", .type = CONF_STR},
	    {.keyword = "UMask", .type = CONF_INT},
	    {.keyword = "Socket", .type = CONF_STR},
	    {.keyword = "PidFile", .type = CONF_STR},
	    {.keyword = "TrustAnchorFile", .type = CONF_STR},
	    {.keyword = "InternalHosts", .type = CONF_SET},
		};
	const struct conf_table *const only[] = {CONF_TABLE(opendkim), NULL};
	struct errmsg msg;
	struct conf *c;

	(void)state;
	if (conf_read_text(
		debian, strlen(debian), "opendkim.conf", only, &c, &msg) != 0)
		fail_msg("%s", msg.text);
	assert_true(conf_bool(c, "Syslog"));
	assert_string_equal(conf_str(c, "Canonicalization"), "relaxed/simple");
	assert_string_equal(conf_str(c, "OversignHeaders"), "From");
	assert_int_equal(conf_int(c, "UMask"), 7);
	assert_string_equal(
	    conf_str(c, "Socket"), "local:/run/opendkim/opendkim.sock");
	assert_string_equal(conf_where(c, "UMask"), "opendkim.conf:19");
	assert_null(conf_str(c, "InternalHosts"));
	assert_null(conf_warning(c, 0));
	conf_free(c);
}

/* Each of many sections keeps its own values; of equal titles the last one. */
static void
many_sections(void **state)
{
	enum { COUNT = FEWER ? 5000 : 50000 };
	struct errmsg msg = {.text = ""};
	struct conf *c;
	char *text, want[32];
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	fprintf(f, "Quota user7 { Score = 1 }\n");
	for (int i = 0; i < COUNT; i++)
		fprintf(f, "Quota USER%d { Score = %d }\n", i, i % 9 + 1);
	fclose(f);
	if (read_str(text, &c, &msg) != 0)
		fail_msg("%s", msg.text);
	for (int i = 0; i < COUNT; i += 7) {
		const struct conf_section *s = conf_section(c, "Quota", i);

		snprintf(want, sizeof(want), "USER%d", i);
		assert_string_equal(conf_section_title(s), want);
		snprintf(want, sizeof(want), "%d", i % 9 + 1);
		assert_string_equal(conf_section_str(s, "Score"), want);
		snprintf(want, sizeof(want), "t.conf:%d", i + 2);
		assert_string_equal(conf_section_where(s), want);
	}
	assert_null(conf_section(c, "Quota", COUNT));
	assert_non_null(conf_warning(c, 0));
	conf_free(c);
	free(text);
}

/* What another file says, read into this one. */
static void
takes(void **state)
{
	static const struct {
		const char *text, *keyword, *value;
		const char *line;    /* of what is printed then */
		const char *warning; /* or NULL */
		const char *mistake; /* or NULL */
	} cases[] = {
	    {"", "Count", "12", "Count 12\n", NULL, NULL},
	    {"", "Syslog", "True", "Syslog yes\n", NULL, NULL},
	    {"", "On-Default", "reject", "On-Default reject\n", NULL, NULL},
	    {"", "Socket", "inet:1", "Socket inet:1\n", NULL, NULL},
	    {"Count 3\n", "count", "12", "Count 3\n",
		"t.conf:1: Count: also given at o.conf:7; this one counts",
		NULL},
	    {"Count 12\n", "Count", "12", "Count 12\n", NULL, NULL},
	    {"Syslog y\n", "Syslog", "True", "Syslog yes\n", NULL, NULL},
	    {"Domain a\n", "Domain", "a", "Domain a\n", NULL, NULL},
	    {"Domain a\n", "Domain", "b", "Domain a\n",
		"t.conf:1: Domain: also given at o.conf:7", NULL},
	    {"", "Count", "x", NULL, NULL, "o.conf:7: Count: expected a number"},
	    {"", "Socket", "x", NULL, NULL, "o.conf:7: Socket: expected local:"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct errmsg msg = {.text = ""};
		struct conf *c;
		char *all;
		int rc;

		assert_int_equal(read_str(cases[i].text, &c, &msg), 0);
		rc = conf_take(
		    c, cases[i].keyword, cases[i].value, "o.conf:7", &msg);
		assert_int_equal(rc, cases[i].mistake ? ERR_CONFIG : 0);
		all = printed(c);
		if ((cases[i].mistake && !strstr(msg.text, cases[i].mistake)) ||
		    (cases[i].line && !strstr(all, cases[i].line)))
			fail_msg("%zu: %s\n%s", i, msg.text, all);
		if (cases[i].warning == NULL)
			assert_null(conf_warning(c, 0));
		else
			assert_non_null(
			    strstr(conf_warning(c, 0), cases[i].warning));
		if (cases[i].text[0] == '\0' && rc == 0)
			assert_string_equal(
			    conf_where(c, cases[i].keyword), "o.conf:7");
		free(all);
		conf_free(c);
	}
}

static const struct conf_option made_rows[] = {
    {.keyword = "RuleFile", .type = CONF_STR, .flags = CONF_MULTI},
    {.keyword = "Quota", .type = CONF_SECTION,
	.inside = CONF_TABLE(quota_rows)},
    {.keyword = "Always", .type = CONF_STR, .flags = CONF_PATH | CONF_MADE,
	.def = "/always"},
    {.keyword = "Stats", .type = CONF_STR, .flags = CONF_PATH | CONF_MADE,
	.def = "/stats", .with = "RuleFile"},
    {.keyword = "Table", .type = CONF_STR, .flags = CONF_PATH | CONF_MADE,
	.with = "Quota"},
};

static const struct conf_table *const tables_of_made[] = {
    CONF_TABLE(made_rows), NULL};

/* A file is made unless the configuration says none, and if something of it
 * needs the file. */
static void
files_that_are_made(void **state)
{
	static const struct {
		const char *text, *always, *stats, *table; /* NULL: none */
	} cases[] = {
	    {"", "/always", NULL, NULL},
	    {"Always None\nStats /s\nTable /t\n", NULL, NULL, NULL},
	    {"RuleFile /r\nAlways /a\n", "/a", "/stats", NULL},
	    {"RuleFile /r\nStats none\n", "/always", NULL, NULL},
	    {"Quota a { Score = 1 }\n", "/always", NULL, NULL},
	    {"Quota a { Score = 1 }\nTable /t\n", "/always", NULL, "/t"},
	};
	static const char *const names[] = {"Always", "Stats", "Table"};
	struct errmsg msg;
	struct conf *c;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *const want[] = {
		    cases[i].always, cases[i].stats, cases[i].table};

		assert_int_equal(conf_read_text(cases[i].text,
		    strlen(cases[i].text), "t", tables_of_made, &c, &msg), 0);
		for (int k = 0; k < 3; k++) {
			const char *got = conf_made(c, names[k]);

			assert_string_equal(got == NULL ? "-" : got,
			    want[k] == NULL ? "-" : want[k]);
		}
		for (size_t k = 0; k < 5; k++)
			assert_ptr_equal(conf_row(c, k), &made_rows[k]);
		assert_null(conf_row(c, 5));
		conf_free(c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(files_that_are_made),
	    cmocka_unit_test(values),
	    cmocka_unit_test(mistakes),
	    cmocka_unit_test(all_mistakes),
	    cmocka_unit_test(what_is_left),
	    cmocka_unit_test(no_text),
	    cmocka_unit_test(warnings),
	    cmocka_unit_test(answers),
	    cmocka_unit_test(parses_once),
	    cmocka_unit_test(prints_what_it_reads),
	    cmocka_unit_test(includes),
	    cmocka_unit_test(include_depth),
	    cmocka_unit_test(threads),
	    cmocka_unit_test(debian_as_shipped),
	    cmocka_unit_test(many_sections),
	    cmocka_unit_test(takes),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
