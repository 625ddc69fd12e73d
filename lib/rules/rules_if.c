/*
 * Conditions of `if` and `ifplugin`: what is there, as rule files ask for it.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "lib/rules/rules_expr.h"
#include "lib/rules/rules_impl.h"

#define PREFIX "Mail::SpamAssassin::"

/* Plugins whose commands and eval functions are built in, at least those about
 * the header; what is missing of them is named when it is met. */
static const char *const plugins[] = {
    "Plugin::AuthRes",
    "Plugin::Check",
    "Plugin::DKIM",
    "Plugin::DMARC",
    "Plugin::Dmarc", /* another name of it, Conf/Parser.pm */
    "Plugin::FreeMail",
    "Plugin::HeaderEval",
    "Plugin::MIMEHeader",
    "Plugin::RelayEval",
    "Plugin::ReplaceTags",
    "Plugin::SPF",
    "Plugin::WLBLEval",
    "Plugin::WelcomeListSubject",
    "Plugin::WhiteListSubject",
};

/* Functions that has() and can() ask for. */
static const char *const features[] = {
    "Conf::feature_blocklist_welcomelist",
    "Conf::feature_bug6558_free",
    "Conf::feature_compile_regexp",
    "Conf::feature_get_host",
    "Conf::feature_header_address_parser",
    "Conf::feature_header_first_last",
    "Conf::feature_header_match_many",
    "Conf::feature_local_tests_only",
    "Conf::feature_meta_rules_matching",
    "Conf::feature_originating_ip_headers",
    "Conf::feature_registryboundaries",
    "Conf::feature_welcomelist_blocklist",
    "Conf::feature_yesno_takes_args",
    "Conf::has_tflags_nosubject",
    "Conf::perl_min_version_5010000",
    "Plugin::MIMEHeader::has_all_header",
    "Plugin::MIMEHeader::has_tflags_concat",
    "Plugin::MIMEHeader::has_tflags_multiple",
    "Plugin::MIMEHeader::has_tflags_range",
};

static bool
listed(const char *const *list, size_t count, const char *name)
{
	size_t len;

	while (*name == ' ' || *name == '\t')
		name++;
	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
		return false;
	name += strlen(PREFIX);
	len = strcspn(name, " \t");
	for (size_t i = 0; i < count; i++) {
		if (strncmp(list[i], name, len) == 0 && list[i][len] == '\0')
			return true;
	}
	return false;
}

bool
rules_has_plugin(const char *name)
{
	return listed(plugins, sizeof(plugins) / sizeof(*plugins), name);
}

static const char *
name(void *ctx, const char *text, const char *arg, struct expr_name *name_r)
{
	struct reader *rd = ctx;

	if (strcmp(text, "version") == 0 && arg == NULL) {
		name_r->constant = RULES_VERSION;
	} else if (strcmp(text, "perl_version") == 0 && arg == NULL) {
		name_r->constant = 5.036;
	} else if (strcmp(text, "local_tests_only") == 0 && arg == NULL) {
		/* The sets without a network are the even ones. */
		name_r->constant = rd->setup->score_set % 2 == 0;
	} else if (strcmp(text, "plugin") == 0 && arg != NULL) {
		name_r->constant = rules_has_plugin(arg);
	} else if ((strcmp(text, "has") == 0 || strcmp(text, "can") == 0) &&
	    arg != NULL) {
		name_r->constant = listed(
		    features, sizeof(features) / sizeof(*features), arg);
	} else {
		return "expected version, plugin(NAME), has(NAME), can(NAME) "
		       "or "
		       "a number";
	}
	return NULL;
}

static double
no_value(const void *ctx, size_t variable)
{
	(void)ctx, (void)variable;
	return 0;
}

bool
rules_condition(struct reader *rd, const char *text)
{
	struct expr *e;
	const char *mistake =
	    expr_parse(&rd->rules->arena, text, name, rd, &e);

	if (mistake != NULL) {
		rules_say(rd, RULES_ERROR, "if: %s", mistake);
		return false;
	}
	return expr_value(e, no_value, NULL) != 0;
}
