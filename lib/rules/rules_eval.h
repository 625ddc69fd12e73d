/*
 * Functions of `eval:` rules that are built in: those about the header that
 * need no network (HeaderEval, RelayEval, WLBLEval, WelcomeListSubject of
 * SpamAssassin), and those for which another check has the answer (SPF, DKIM,
 * DMARC).  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_RULES_RULES_EVAL_H
#define LIB_RULES_RULES_EVAL_H

#include "lib/rules/rules_impl.h"

/* Selectors of the addresses that a message says it is from, NULL-ended. */
const char *const *eval_from_fields(struct run *run);

/* One argument of a rule; "" when it has not so many. */
const char *eval_arg(const struct rule *rule, size_t i);

/* -- rules_eval_date.c -- */

bool eval_shifted_date(struct run *run, const struct rule *rule);
bool eval_outlook_message_id(struct run *run, const struct rule *rule);
/* Seconds since 1970 of a date in a field, read as tolerantly as SpamAssassin
 * does; false: there is none. */
bool eval_date(const char *text, size_t len, int64_t *time_r);

/* The path that the message took; one without relays if it can't be known. */
const struct relays *eval_path(struct run *run);
/* Up to the first line end. */
struct rules_text eval_first_line(struct rules_text t);
/* Behind the `@`; "" where there is none. */
struct rules_text eval_host(struct rules_text address);

/* -- rules_eval_forged.c -- */

bool eval_equal_from_domains(struct run *run, const struct rule *rule);
bool eval_ratware_name_id(struct run *run, const struct rule *rule);
bool eval_ratware_envelope_from(struct run *run, const struct rule *rule);
bool eval_forged_trail(struct run *run, const struct rule *rule);
bool eval_mailfrom_matches(struct run *run, const struct rule *rule);

/* -- rules_eval_list.c -- */

bool eval_from_list(struct run *run, const struct rule *rule);
bool eval_to_list(struct run *run, const struct rule *rule);
bool eval_replyto_list(struct run *run, const struct rule *rule);
bool eval_uri_host(struct run *run, const struct rule *rule);
bool eval_uri_host_block(struct run *run, const struct rule *rule);
bool eval_uri_host_welcome(struct run *run, const struct rule *rule);

bool eval_from_welcome(struct run *run, const struct rule *rule);
bool eval_from_default_welcome(struct run *run, const struct rule *rule);
bool eval_from_block(struct run *run, const struct rule *rule);
bool eval_to_welcome(struct run *run, const struct rule *rule);
bool eval_to_block(struct run *run, const struct rule *rule);
bool eval_to_more_spam(struct run *run, const struct rule *rule);
bool eval_to_all_spam(struct run *run, const struct rule *rule);
bool eval_subject_welcome(struct run *run, const struct rule *rule);
bool eval_subject_block(struct run *run, const struct rule *rule);
bool eval_spf_welcome(struct run *run, const struct rule *rule);
bool eval_spf_default_welcome(struct run *run, const struct rule *rule);
bool eval_dkim_welcome(struct run *run, const struct rule *rule);
bool eval_dkim_default_welcome(struct run *run, const struct rule *rule);

#endif
