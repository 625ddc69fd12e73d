/*
 * OpenDMARCConfig: what an opendmarc.conf comes to.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/opendmarc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "milter/snapshot.h"
#include "t/support/drivers/test.h"

static char home[] = "/tmp/postern-test-XXXXXX";

static int
enter(void **state)
{
	(void)state;
	return mkdtemp(home) == NULL || chdir(home) != 0 ? -1 : 0;
}

static int
leave(void **state)
{
	static const char *const files[] = {
	    "postern.conf", "opendmarc.conf", "hosts"};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		unlink(files[i]);
	return chdir("/") == 0 ? rmdir(home) : -1;
}

static void
put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	chmod(path, 0644);
}

/* Read ours, which names theirs. */
static int
read_both(const char *ours, const char *theirs, struct conf **conf_r,
    struct errmsg *msg_r)
{
	char text[1000];

	put("opendmarc.conf", theirs);
	snprintf(
	    text, sizeof(text), "OpenDMARCConfig opendmarc.conf\n%s", ours);
	put("postern.conf", text);
	return snapshot_read("postern.conf", conf_r, msg_r);
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

static void
means(void **state)
{
	static const struct {
		const char *ours, *theirs;
		const char *lines[3]; /* of what is in force then */
		const char *warning;  /* NULL: none */
	} cases[] = {
	    {"", "", {"DMARCPolicy tag\n", "DMARCIgnoreHosts 127.0.0.1\n"},
		NULL},
	    {"", "RejectFailures true\nHoldQuarantinedMessages true\n",
		{"DMARCPolicy reject\n", "DMARCHold yes\n"}, NULL},
	    {"", "RejectFailures true\n",
		{"DMARCPolicy reject\n", "DMARCHold no\n"}, NULL},
	    {"DMARCHold yes\n", "RejectFailures true\n",
		{"DMARCPolicy reject\n", "DMARCHold yes\n"}, NULL},
	    {"", "HoldQuarantinedMessages 1\n",
		{"DMARCPolicy quarantine\n", "DMARCHold yes\n"}, NULL},
	    {"", "RejectFailures false\n",
		{"DMARCPolicy tag\n", "DMARCHold yes\n"}, NULL},
	    {"", "RejectFailures no\nHoldQuarantinedMessages no\n",
		{"DMARCPolicy tag\n", "DMARCHold yes\n"}, NULL},
	    {"DMARCPolicy quarantine\n", "RejectFailures true\n",
		{"DMARCPolicy quarantine\n", "DMARCHold yes\n"},
		"postern.conf:2: DMARCPolicy: also given at opendmarc.conf:1; "
		"this one counts"},
	    {"DMARCPolicy reject\n",
		"RejectFailures true\nHoldQuarantinedMessages yes\n",
		{"DMARCPolicy reject\n"}, NULL},
	    {"", "AuthservID mx.example\n", {"AuthservID mx.example\n"}, NULL},
	    {"AuthservID a.example\n", "AuthservID mx.example\n",
		{"AuthservID a.example\n"},
		"postern.conf:2: AuthservID: also given at opendmarc.conf:1"},
	    {"", "AuthservIDWithJobID yes\n", {"AuthservIDWithJobID yes\n"},
		NULL},
	    {"", "DNSTimeout 9\n", {"DNSTimeout 9\n"}, NULL},
	    {"", "RequiredHeaders yes\n", {"RequiredHeaders yes\n"}, NULL},
	    {"", "SoftwareHeader yes\n", {"SoftwareHeader yes\n"}, NULL},
	    {"", "IgnoreHosts /etc/ignore.hosts\n",
		{"DMARCIgnoreHosts file:/etc/ignore.hosts\n"}, NULL},
	    {"", "BaseDirectory /var/x\nIgnoreHosts ignore.hosts\n",
		{"DMARCIgnoreHosts file:/var/x/ignore.hosts\n",
		    "#BaseDirectory\n"},
		NULL},
	    {"DMARCIgnoreHosts 192.0.2.1\n", "",
		{"DMARCIgnoreHosts 192.0.2.1\n"}, NULL},
	    {"", "IgnoreMailFrom a.example, b.example\n",
		{"DMARCIgnoreFrom csl:a.example, b.example\n"}, NULL},
	    {"", "PublicSuffixList /usr/share/list.dat\n",
		{"PublicSuffixList /usr/share/list.dat\n",
		    "OrganizationalDomain psl\n"},
		NULL},
	    {"OrganizationalDomain treewalk\n",
		"PublicSuffixList /usr/share/list.dat\n",
		{"PublicSuffixList /usr/share/list.dat\n",
		    "OrganizationalDomain treewalk\n"},
		NULL},
	    {"", "RejectMultiValueFrom yes\n", {"MultipleFrom reject\n"}, NULL},
	    {"", "RejectMultiValueFrom no\n", {"MultipleFrom accept\n"}, NULL},
	    {"", "RejectString no mail from %s today\n",
		{"DMARCReply no mail from %domain% today\n"}, NULL},
	    {"",
		"IgnoreAuthenticatedClients yes\nSPFIgnoreResults yes\n"
		"SPFSelfValidate yes\n",
		{NULL}, NULL},
	    {"", "IgnoreAuthenticatedClients no\n", {NULL},
		"opendmarc.conf:1: IgnoreAuthenticatedClients: ignored: mail"},
	    {"", "SPFIgnoreResults no\n", {NULL},
		"opendmarc.conf:1: SPFIgnoreResults: ignored: postern"},
	    {"", "\nSPFSelfValidate false\n", {NULL},
		"opendmarc.conf:2: SPFSelfValidate: ignored: postern checks"},
	    /* The daemon's are not ours, whatever they say. */
	    {"Socket inet:1\n",
		"Socket what ever\nUMask x\nUserid nobody:nobody\n"
		"Syslog maybe\nAutoRestart ?\nAutoRestartCount x\n"
		"AutoRestartRate x\nBackground x\nBaseDirectory x\n"
		"ChangeRootDirectory /x\nEnableCoredumps x\nMilterDebug x\n"
		"PidFile /x\nSyslogFacility x\nTemporaryDirectory /x\n",
		{"Socket inet:1\n", "#UserID\n", "#PidFile\n"}, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct errmsg msg = {.text = ""};
		struct conf *c;
		const char *w;
		char *all;

		if (read_both(cases[i].ours, cases[i].theirs, &c, &msg) != 0)
			fail_msg("%s: %s", cases[i].theirs, msg.text);
		all = printed(c);
		for (size_t k = 0; k < 3 && cases[i].lines[k] != NULL; k++) {
			if (strstr(all, cases[i].lines[k]) == NULL)
				fail_msg("%s: no %s", cases[i].theirs,
				    cases[i].lines[k]);
		}
		w = conf_warning(c, 0);
		if ((w == NULL) != (cases[i].warning == NULL) ||
		    (w != NULL && strstr(w, cases[i].warning) != w))
			fail_msg("%s: %s", cases[i].theirs, w);
		assert_null(w == NULL ? NULL : conf_warning(c, 1));
		free(all);
		conf_free(c);
	}
}

/* What is of no use is named once, with the reason; and so every keyword is
 * obeyed, left alone, or named. */
static void
names_the_rest(void **state)
{
	size_t named = 0;

	(void)state;
	for (size_t i = 0; i < options_opendmarc.count; i++) {
		const struct conf_option *o = &options_opendmarc.rows[i];
		char theirs[100], want[300];
		struct errmsg msg;
		struct conf *c;

		if (o->type != CONF_IGNORED)
			continue;
		named++;
		snprintf(theirs, sizeof(theirs), "\n%s x\n", o->keyword);
		snprintf(want, sizeof(want),
		    "opendmarc.conf:2: %s: ignored: %s", o->keyword,
		    o->summary);
		assert_int_equal(read_both("", theirs, &c, &msg), 0);
		assert_string_equal(conf_warning(c, 0), want);
		assert_null(conf_warning(c, 1));
		conf_free(c);
	}
	assert_int_equal(named, 16);
}

/* The keywords of opendmarc.conf(5) of OpenDMARC 1.4.2. */
static void
has_every_keyword(void **state)
{
	static const char *const words[] = {"AuthservID", "AuthservIDWithJobID",
	    "AutoRestart", "AutoRestartCount", "AutoRestartRate", "Background",
	    "BaseDirectory", "ChangeRootDirectory", "CopyFailuresTo",
	    "DNSTimeout", "DomainWhitelist", "DomainWhitelistFile",
	    "DomainWhitelistSize", "EnableCoredumps", "FailureReports",
	    "FailureReportsBcc", "FailureReportsOnNone", "FailureReportsSentBy",
	    "HistoryFile", "HoldQuarantinedMessages",
	    "IgnoreAuthenticatedClients", "IgnoreHosts", "IgnoreMailFrom",
	    "IgnoreMailTo", "MilterDebug", "PidFile", "PublicSuffixList",
	    "RecordAllMessages", "RejectFailures", "RejectMultiValueFrom",
	    "RejectString", "ReportCommand", "RequiredHeaders", "Socket",
	    "SoftwareHeader", "SPFIgnoreResults", "SPFSelfValidate", "Syslog",
	    "SyslogFacility", "TrustedAuthservIDs", "UMask", "UserID"};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		const struct conf_option *rows = options_opendmarc.rows;
		size_t j = 0;

		while (j < options_opendmarc.count &&
		    strcmp(rows[j].keyword, words[i]) != 0)
			j++;
		if (j == options_opendmarc.count)
			fail_msg("%s is missing", words[i]);
	}
}

static void
mistakes(void **state)
{
	static const struct {
		const char *theirs, *words;
	} cases[] = {
	    {"AuthservID x\nRejectFailure yes\n",
		"opendmarc.conf:2: RejectFailure: unknown keyword; did you "
		"mean RejectFailures?"},
	    {"DMARCPolicy reject\n",
		"opendmarc.conf:1: DMARCPolicy: unknown keyword"},
	    {"RejectFailures maybe\n",
		"opendmarc.conf:1: RejectFailures: expected yes or no"},
	    {"DNSTimeout soon\n", "opendmarc.conf:1: DNSTimeout: expected a"},
	    {"DNSTimeout 999\n", "opendmarc.conf:1: DNSTimeout: expected a"},
	    {"RejectString no\n",
		"opendmarc.conf:1: RejectString: expected a text with %s"},
	    {"RejectString %s %s\n",
		"opendmarc.conf:1: RejectString: expected a text with %s"},
	    {"RejectString n\xc3\xb6 %s\n",
		"opendmarc.conf:1: DMARCReply: expected a text in ASCII"},
	};
	struct errmsg msg;
	struct conf *c;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (read_both("", cases[i].theirs, &c, &msg) != ERR_CONFIG)
			fail_msg("%s: taken", cases[i].theirs);
		if (strstr(msg.text, cases[i].words) != msg.text)
			fail_msg("%s: %s", cases[i].theirs, msg.text);
	}
	put("postern.conf", "\nOpenDMARCConfig /nowhere/o.conf\n");
	assert_int_equal(snapshot_read("postern.conf", &c, &msg), ERR_CONFIG);
	assert_string_equal(msg.text,
	    "postern.conf:2: OpenDMARCConfig: /nowhere/o.conf: No such file or "
	    "directory");
}

/* What a stage finds wrong is said with the place in their file. */
static void
stages_say_where(void **state)
{
	struct snapshot *snap;
	struct errmsg msg;

	(void)state;
	put("opendmarc.conf", "\nIgnoreHosts /nowhere/hosts\n");
	put("postern.conf", "OpenDMARCConfig opendmarc.conf\nMode v\n");
	assert_int_not_equal(
	    snapshot_load("postern.conf", true, NULL, &snap, &msg), 0);
	assert_non_null(
	    strstr(msg.text, "opendmarc.conf:2: DMARCIgnoreHosts: "));
	put("hosts", "# ours\n192.0.2.0/24\n.example.org\n");
	put("opendmarc.conf", "IgnoreHosts hosts\n");
	if (snapshot_load("postern.conf", true, NULL, &snap, &msg) != 0)
		fail_msg("%s", msg.text);
	snapshot_unref(snap);
}

/* What is not a comment in the file that Debian 12 installs. */
static void
debian_as_shipped(void **state)
{
	static const char debian[] =
	    "# This is a basic configuration that can easily be adapted to "
	    "suit a standard\n"
	    "# installation.\n"
	    "# AuthservID name\n"
	    "# FailureReports false\n"
	    "PidFile /run/opendmarc/opendmarc.pid\n"
	    "PublicSuffixList /usr/share/publicsuffix/public_suffix_list.dat\n"
	    "# RejectFailures false\n"
	    "Socket local:/run/opendmarc/opendmarc.sock\n"
	    "Syslog true\n"
	    "# SyslogFacility mail\n"
	    "# TrustedAuthservIDs HOSTNAME\n"
	    "UMask 0002\n"
	    "UserID opendmarc\n";
	struct errmsg msg;
	struct conf *c;

	(void)state;
	assert_int_equal(read_both("Mode v\n", debian, &c, &msg), 0);
	assert_null(conf_warning(c, 0));
	assert_string_equal(conf_str(c, "DMARCPolicy"), "tag");
	assert_string_equal(conf_str(c, "OrganizationalDomain"), "psl");
	assert_string_equal(
	    conf_where(c, "PublicSuffixList"), "opendmarc.conf:6");
	assert_false(conf_given(c, "Socket"));
	assert_false(conf_given(c, "UserID"));
	assert_false(conf_given(c, "Syslog"));
	conf_free(c);
}

/* What is printed can be read again, and says the same. */
static void
prints_what_it_takes(void **state)
{
	struct errmsg msg;
	struct conf *c, *again;
	char *first, *second;

	(void)state;
	assert_int_equal(
	    read_both("",
		"RejectFailures yes\nIgnoreMailFrom a.example\nAuthservID x\n"
		"PublicSuffixList /x\nRejectString a %s b\n",
		&c, &msg),
	    0);
	first = printed(c);
	put("postern.conf", first);
	if (snapshot_read("postern.conf", &again, &msg) != 0)
		fail_msg("%s", msg.text);
	assert_null(conf_warning(again, 0));
	second = printed(again);
	assert_string_equal(first, second);
	free(first);
	free(second);
	conf_free(c);
	conf_free(again);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(means),
	    cmocka_unit_test(names_the_rest),
	    cmocka_unit_test(has_every_keyword),
	    cmocka_unit_test(mistakes),
	    cmocka_unit_test(stages_say_where),
	    cmocka_unit_test(debian_as_shipped),
	    cmocka_unit_test(prints_what_it_takes),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
