/*
 * OpenDKIM's keywords that postern does not obey, each with the reason that
 * the log gives.  SPDX-License-Identifier: BSD-2-Clause
 *
 * The list is that of OpenDKIM 2.11, with what its manual describes and its
 * optional features add.  When a stage begins to read such a keyword, the row
 * moves from here to the stage's own table.
 */
#include "options_opendkim.h"

#include <stddef.h>

#include "lib/conf/conf.h"
#include "opendmarc.h"

#define ROW(word, why)                                                         \
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
#define LUA "postern has no Lua; see SigningTable for who signs what"
#define LDAP "postern has no LDAP; use data sets in files"
#define REPUTE "postern queries no reputation service"
#define STATS "postern keeps no OpenDKIM statistics"
#define VBR "Vouch By Reference (RFC 5518) is not in use any more"
#define RATE "postern counts what accounts send instead; see Quota"
#define REPORTS "postern sends no reports about failed signatures"
#define RESIGN "postern signs only what is outbound; it does not sign again"
#define MALFORMED                                                              \
	"malformed mail is checked as far as it goes, and the results tell"
#define BODY_LENGTH                                                            \
	"unsafe: l= lets anyone append text to a message under the signature"

static const struct conf_option rows[] = {
    /* operation */
    OFF("CaptureUnknownErrors",
	"use On-InternalError quarantine instead"),
    OFF("DisableCryptoInit", "OpenSSL 3 initializes itself"),
    OFF("KeepTemporaryFiles",
	"unsafe: it writes users' mail to disk; postern uses no temporary "
	"files"),
    ROW("MTACommand", "postern runs no commands, and sends no reports"),
    OFF("SoftStart", "there is no database server to wait for"),
    ROW("TemporaryDirectory", "postern uses no temporary files"),
    ROW("X-Header", "an old name; use SoftwareHeader instead"),

    /* who is signed */
    ROW("BodyLengthDB", BODY_LENGTH),
    ROW("ConditionalSignatures",
	"conditional signatures never became a standard"),
    ROW("DefaultSender",
	"the sender is taken from the fields that SenderHeaders names"),
    ROW("LuaOnlySigning", LUA),
    ROW("POPDBFile",
	"POP before SMTP is not in use any more; let users authenticate"),
    OFF("ResignAll", RESIGN),
    ROW("ResignMailTo", RESIGN),
    ROW("SelectCanonicalizationHeader",
	"unsafe: the sender of a message would choose how it is signed; "
	"see Canonicalization"),
    ROW("SenderMacro",
	"the sender is taken from the fields that SenderHeaders names"),

    /* how it is signed */
    OFF("FixCRLF", "unsafe: it signs other octets than those that are sent"),
    ROW("IdentityHeader",
	"unsafe: a field of the message would choose the identity signed "
	"for; the SigningTable names it"),
    OFF("IdentityHeaderRemove",
	"there is no IdentityHeader to remove in postern"),
    ROW("MaximumSignedBytes", BODY_LENGTH),
    ROW("ReplaceHeaders", "postern signs header fields as they are"),
    ROW("ReplaceRules", "postern signs header fields as they are"),
    OFF("RequestReports", REPORTS ", and asks for none"),

    /* verifying */
    OFF("AllowSHA1Only", "unsafe: SHA-1 is broken, RFC 8301 forbids it"),
    ROW("AlwaysAddARHeader",
	"every inbound message gets an Authentication-Results field"),
    ROW("DiagnosticDirectory", "unsafe: it writes others' mail to disk"),
    OFF("DomainKeysCompat", "DomainKeys (RFC 4870) is not in use any more"),
    ROW("IgnoreMalformedMail", MALFORMED),
    ROW("Minimum",
	"a signature that leaves a part of the body out never passes"),
    ROW("On-ReputationError", REPUTE),
    ROW("LogResults", "the summary line has the result of every signature"),
    ROW("On-Security",
	"a header over MaximumHeaders is always refused, and no other mail is "
	"a danger to postern"),
    ROW("On-SignatureError",
	"a message that cannot be signed is a case of On-InternalError"),
    ROW("RedirectFailuresTo",
	"postern does not change a message's recipients; see On-BadSignature"),
    OFF("StrictTestMode",
	"there is no test mode; posternctl check reads messages with "
	"either line end"),
    ROW("WeakSyntaxChecks", MALFORMED),

    /* DNS */
    ROW("BogusKey",
	"a key that DNSSEC finds forged is never used; see On-DNSError"),
    ROW("DNSConnect", "postern queries by TCP where UDP does not suffice"),
    ROW("QueryCache", "answers are kept for as long as the DNS allows"),
    ROW("ResolverTracing", "the resolver writes no trace"),

    /* reports */
    ROW("ReportAddress", REPORTS),
    ROW("ReportBccAddress", REPORTS),
    OFF("SendReports", REPORTS),
    ROW("SMTPURI", REPORTS),

    /* back ends and extras */
    ROW("ATPSDomains", "ATPS (RFC 6541) remained an experiment"),
    ROW("ATPSHashAlgorithm", "ATPS (RFC 6541) remained an experiment"),
    ROW("FinalPolicyScript", LUA),
    ROW("FlowData", RATE),
    ROW("FlowDataFactor", RATE),
    ROW("FlowDataTTL", RATE),
    ROW("LDAPAuthMechanism", LDAP),
    ROW("LDAPAuthName", LDAP),
    ROW("LDAPAuthRealm", LDAP),
    ROW("LDAPAuthUser", LDAP),
    ROW("LDAPBindPassword", LDAP),
    ROW("LDAPBindUser", LDAP),
    OFF("LDAPDisableCache", LDAP),
    ROW("LDAPKeepaliveIdle", LDAP),
    ROW("LDAPKeepaliveInterval", LDAP),
    ROW("LDAPKeepaliveProbes", LDAP),
    ROW("LDAPTimeout", LDAP),
    OFF("LDAPUseTLS", LDAP),
    ROW("RateLimits", RATE),
    ROW("ReputationCache", REPUTE),
    ROW("ReputationCacheTTL", REPUTE),
    ROW("ReputationDuplicates", REPUTE),
    ROW("ReputationLimitModifiers", REPUTE),
    ROW("ReputationLimits", REPUTE),
    ROW("ReputationLowTime", REPUTE),
    ROW("ReputationMinimum", REPUTE),
    ROW("ReputationRatios", REPUTE),
    ROW("ReputationRRDHashDepth", REPUTE),
    ROW("ReputationRRDRoot", REPUTE),
    ROW("ReputationSpamCheck", REPUTE),
    OFF("ReputationTest", REPUTE),
    ROW("ReputationTimeFactor", REPUTE),
    ROW("ReputationTimeout", REPUTE),
    OFF("ReputationVerbose", REPUTE),
    ROW("ScreenPolicyScript", LUA),
    ROW("SetupPolicyScript", LUA),
    ROW("Statistics", STATS),
    ROW("StatisticsName", STATS),
    ROW("StatisticsPolicyScript", LUA),
    ROW("StatisticsPrefix", STATS),
    ROW("VBR-Certifiers", VBR),
    OFF("VBR-PurgeFields", VBR),
    ROW("VBR-TrustedCertifiers", VBR),
    OFF("VBR-TrustedCertifiersOnly", VBR),
    ROW("VBR-Type", VBR),
};

const struct conf_table options_opendkim = {
    CONF_ROWS(rows),
    .foreign = &options_opendmarc,
    .foreign_says = "opendmarc.conf has it: name that file with "
		    "OpenDMARCConfig",
};
