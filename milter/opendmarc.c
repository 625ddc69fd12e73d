/* SPDX-License-Identifier: BSD-2-Clause */
#include "opendmarc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/base/readfile.h"
#include "lib/conf/conf.h"

#define OBEYED(word, kind)                                                     \
	{                                                                      \
		.keyword = word, .type = kind                                  \
	}
/* Keywords of OpenDMARC's daemon: any value is accepted and has no effect. */
#define LEFT(word)                                                             \
	{                                                                      \
		.keyword = word, .type = CONF_STR                              \
	}
#define UNUSED(word, why)                                                      \
	{                                                                      \
		.keyword = word, .type = CONF_IGNORED, .summary = why          \
	}

/* A switch that postern does not have: only "yes" gets a warning. */
#define OFF(word, why)                                                         \
	{                                                                      \
		.keyword = word, .type = CONF_IGNORED, .flags = CONF_OFF,      \
		.summary = why                                                 \
	}

/* Reasons that several keywords share. */
#define REPORTS "postern sends no DMARC reports"
#define HISTORY "postern keeps no history for DMARC reports"
#define ARC                                                                    \
	"postern does not trust ARC; see DMARCTrustedForwarders and "          \
	"DMARCMailingLists"

static const struct conf_option rows[] = {
    OBEYED("AuthservID", CONF_STR),
    OBEYED("AuthservIDWithJobID", CONF_BOOL),
    OBEYED("DNSTimeout", CONF_INT),
    OBEYED("HoldQuarantinedMessages", CONF_BOOL),
    OBEYED("IgnoreAuthenticatedClients", CONF_BOOL),
    OBEYED("IgnoreHosts", CONF_STR),
    OBEYED("IgnoreMailFrom", CONF_STR),
    OBEYED("PublicSuffixList", CONF_STR),
    OBEYED("RejectFailures", CONF_BOOL),
    OBEYED("RejectMultiValueFrom", CONF_BOOL),
    OBEYED("RejectString", CONF_STR),
    OBEYED("RequiredHeaders", CONF_BOOL),
    OBEYED("SoftwareHeader", CONF_BOOL),
    OBEYED("SPFIgnoreResults", CONF_BOOL),
    OBEYED("SPFSelfValidate", CONF_BOOL),

    LEFT("AutoRestart"),
    LEFT("AutoRestartCount"),
    LEFT("AutoRestartRate"),
    LEFT("Background"),
    LEFT("BaseDirectory"), /* still used for the paths that are relative to
        it */
    LEFT("ChangeRootDirectory"),
    LEFT("EnableCoredumps"),
    LEFT("MilterDebug"),
    LEFT("PidFile"),
    LEFT("Socket"),
    LEFT("Syslog"),
    LEFT("SyslogFacility"),
    LEFT("TemporaryDirectory"),
    LEFT("UMask"),
    LEFT("UserID"),

    UNUSED("CopyFailuresTo", "postern does not change a message's recipients"),
    UNUSED("DomainWhitelist", ARC),
    UNUSED("DomainWhitelistFile", ARC),
    UNUSED("DomainWhitelistSize", ARC),
    OFF("FailureReports", REPORTS),
    UNUSED("FailureReportsBcc", REPORTS),
    OFF("FailureReportsOnNone", REPORTS),
    UNUSED("FailureReportsSentBy", REPORTS),
    OFF("ForensicReports", REPORTS),
    OFF("ForensicReportsOnNone", REPORTS),
    UNUSED("HistoryFile", HISTORY),
    UNUSED("IgnoreMailTo", HISTORY),
    OFF("RecordAllMessages", HISTORY),
    UNUSED("ReportCommand", REPORTS),
    UNUSED("TestDNSData",
	"it is for OpenDMARC's own tests; postern.conf has a keyword of that "
	"name"),
    UNUSED("TrustedAuthservIDs",
	"postern makes all checks itself, and does not use results that stand "
	"in a message"),
};

const struct conf_table options_opendmarc = {CONF_ROWS(rows)};

/* -- from OpenDMARC's keywords to ours -- */

struct takeover {
	struct conf *ours;
	const struct conf *theirs;
	const char *path;
	struct errmsg *msg;
};

/* Set our keyword to the value that follows from theirs. */
static int
set(struct takeover *t, const char *keyword, const char *value,
    const char *theirs)
{
	return conf_take(
	    t->ours, keyword, value, conf_where(t->theirs, theirs), t->msg);
}

/* The same, unless our file sets the keyword: then that value counts.  There is
 * no warning, because the other file does not contradict it directly. */
static int
set_unless(struct takeover *t, const char *keyword, const char *value,
    const char *theirs)
{
	return conf_given(t->ours, keyword) ? 0
					    : set(t, keyword, value, theirs);
}

static bool
given(const struct takeover *t, const char *theirs)
{
	return conf_given(t->theirs, theirs);
}

static bool
is_on(const struct takeover *t, const char *theirs)
{
	return conf_bool(t->theirs, theirs);
}

static int
take_same(struct takeover *t)
{
	static const char *const bools[] = {
	    "AuthservIDWithJobID", "RequiredHeaders", "SoftwareHeader"};
	char number[32];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(bools) / sizeof(*bools); i++) {
		if (given(t, bools[i]))
			rc = set(t, bools[i], is_on(t, bools[i]) ? "yes" : "no",
			    bools[i]);
	}
	if (rc == 0 && given(t, "AuthservID"))
		rc = set(t, "AuthservID", conf_str(t->theirs, "AuthservID"),
		    "AuthservID");
	if (rc == 0 && given(t, "DNSTimeout")) {
		snprintf(number, sizeof(number), "%ld",
		    conf_int(t->theirs, "DNSTimeout"));
		rc = set(t, "DNSTimeout", number, "DNSTimeout");
	}
	return rc;
}

/* Two switches of OpenDMARC make four cases: it obeys p=reject or not, and it
 * obeys p=quarantine or not. */
static int
take_policy(struct takeover *t)
{
	bool reject = is_on(t, "RejectFailures");
	bool hold = is_on(t, "HoldQuarantinedMessages");
	bool held_ours = conf_given(t->ours, "DMARCPolicy");
	const char *theirs = given(t, "RejectFailures")
				 ? "RejectFailures"
				 : "HoldQuarantinedMessages";
	int rc;

	if (!given(t, theirs))
		return 0;
	if (!reject && hold)
		theirs = "HoldQuarantinedMessages";
	rc = set(t, "DMARCPolicy",
	    reject ? "reject"
	    : hold ? "quarantine"
		   : "tag",
	    theirs);
	if (rc == 0 && reject && !hold && !held_ours)
		rc = set_unless(t, "DMARCHold", "no",
		    given(t, "HoldQuarantinedMessages")
			? "HoldQuarantinedMessages"
			: theirs);
	return rc;
}

/* A path in their file, which may be relative to their BaseDirectory. */
static void
put_path(const struct takeover *t, struct buf *b, const char *theirs)
{
	const char *path = conf_str(t->theirs, theirs);

	if (path[0] != '/' && given(t, "BaseDirectory"))
		buf_printf(b, "%s/", conf_str(t->theirs, "BaseDirectory"));
	buf_str(b, path);
}

static int
take_path(struct takeover *t, const char *keyword, const char *prefix,
    const char *theirs)
{
	struct buf b = BUF_INIT;
	int rc = ERR_NOMEM;

	buf_str(&b, prefix);
	put_path(t, &b, theirs);
	if (buf_text(&b) != NULL)
		rc = set(t, keyword, buf_text(&b), theirs);
	buf_fini(&b);
	return rc;
}

static int
take_ignored(struct takeover *t)
{
	struct buf b = BUF_INIT;
	int rc = 0;

	if (given(t, "IgnoreHosts"))
		rc = take_path(t, "DMARCIgnoreHosts", "file:", "IgnoreHosts");
	else if (!conf_given(t->ours, "DMARCIgnoreHosts"))
		rc = conf_take(
		    t->ours, "DMARCIgnoreHosts", "127.0.0.1", t->path, t->msg);
	if (rc != 0 || !given(t, "IgnoreMailFrom"))
		return rc;
	buf_printf(&b, "csl:%s", conf_str(t->theirs, "IgnoreMailFrom"));
	rc = buf_text(&b) == NULL
		 ? ERR_NOMEM
		 : set(t, "DMARCIgnoreFrom", buf_text(&b), "IgnoreMailFrom");
	buf_fini(&b);
	return rc;
}

static int
take_suffixes(struct takeover *t)
{
	int rc;

	if (!given(t, "PublicSuffixList"))
		return 0;
	rc = take_path(t, "PublicSuffixList", "", "PublicSuffixList");
	return rc != 0 ? rc
		       : set_unless(t, "OrganizationalDomain", "psl",
			     "PublicSuffixList");
}

/* Their %s is our %domain%. */
static int
take_reply(struct takeover *t)
{
	const char *text, *at;
	struct buf b = BUF_INIT;
	int rc;

	if (!given(t, "RejectString"))
		return 0;
	text = conf_str(t->theirs, "RejectString");
	at = strstr(text, "%s");
	if (at == NULL || strstr(at + 1, "%s") != NULL)
		return errmsg_set(t->msg,
		    "%s: RejectString: expected a text with %%s in it, once",
		    conf_where(t->theirs, "RejectString"));
	buf_printf(&b, "%.*s%%domain%%%s", (int)(at - text), text, at + 2);
	rc = buf_text(&b) == NULL
		 ? ERR_NOMEM
		 : set(t, "DMARCReply", buf_text(&b), "RejectString");
	buf_fini(&b);
	return rc;
}

/* Switches that postern always acts by; "no" gets a warning. */
static int
take_always(struct takeover *t)
{
	static const struct {
		const char *keyword, *why;
	} always[] = {
	    {"IgnoreAuthenticatedClients",
		"mail of clients that log in is outbound, and not judged"},
	    {"SPFIgnoreResults",
		"postern does not use results that stand in a message"},
	    {"SPFSelfValidate", "postern checks SPF itself; see SPF"},
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof(always) / sizeof(*always) && rc == 0;
	     i++) {
		const char *keyword = always[i].keyword;

		if (given(t, keyword) && !is_on(t, keyword))
			rc = conf_warn(t->ours, "%s: %s: ignored: %s",
			    conf_where(t->theirs, keyword), keyword,
			    always[i].why);
	}
	return rc;
}

static int
take_multiple(struct takeover *t)
{
	return is_on(t, "RejectMultiValueFrom")
	    ? set(t, "MultipleFrom", "reject", "RejectMultiValueFrom")
	    : 0;
}

static int
take_warnings(struct takeover *t)
{
	const char *w;
	int rc = 0;

	for (size_t i = 0; rc == 0 && (w = conf_warning(t->theirs, i)) != NULL;
	     i++)
		rc = conf_warn(t->ours, "%s", w);
	return rc;
}

static int
take_all(struct takeover *t)
{
	static int (*const steps[])(struct takeover *t) = {take_warnings,
	    take_same, take_policy, take_ignored, take_multiple, take_suffixes,
	    take_reply, take_always};
	int rc = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		rc = conf_also(t->ours, rc, steps[i](t), t->msg);
	return rc;
}

int
opendmarc_take(struct conf *c, struct errmsg *msg_r)
{
	const struct conf_table *const tables[] = {&options_opendmarc, NULL};
	const char *path = conf_str(c, "OpenDMARCConfig");
	struct conf *theirs = NULL;
	struct takeover t = {.ours = c, .path = path, .msg = msg_r};
	struct errmsg why;
	int rc;

	if (path == NULL)
		return 0;
	/* If the file can't be opened, the mistake is that of our keyword,
	 * which names it. */
	if (readfile_check(path, &why) != 0)
		return errmsg_wrap(msg_r, &why, "%s: OpenDMARCConfig: ",
		    conf_where(c, "OpenDMARCConfig"));
	rc = conf_list(c) != NULL
	    ? conf_read_list(path, tables, conf_list(c), &theirs)
	    : conf_read(path, tables, &theirs, &why);
	if (theirs == NULL) {
		errmsg_set(msg_r, "%s",
		    rc == ERR_NOMEM ? err_text(rc) : why.text);
		return rc;
	}
	t.theirs = theirs;
	rc = conf_also(c, rc, take_all(&t), msg_r);
	if (rc == ERR_NOMEM)
		errmsg_set(msg_r, "%s", err_text(rc));
	conf_free(theirs);
	return rc;
}
