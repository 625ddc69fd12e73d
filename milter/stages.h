/*
 * The stages, one in each file of milter/stage/ that defines a stage_NAME.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_STAGES_H
#define MILTER_STAGES_H

struct stage;

extern const struct stage stage_account;
extern const struct stage stage_authres;
extern const struct stage stage_direction;
extern const struct stage stage_dkim;
extern const struct stage stage_dmarc;
extern const struct stage stage_author;
extern const struct stage stage_header;
extern const struct stage stage_dnsbl;
extern const struct stage stage_iprev;
extern const struct stage stage_journal;
extern const struct stage stage_login;
extern const struct stage stage_peer;
extern const struct stage stage_rdns;
extern const struct stage stage_refuse;
extern const struct stage stage_ring;
extern const struct stage stage_allowlist;
extern const struct stage stage_blocklist;
extern const struct stage stage_helo;
extern const struct stage stage_rules;
extern const struct stage stage_sign;
extern const struct stage stage_quota;
extern const struct stage stage_software;
extern const struct stage stage_spf;

#endif
