/*
 * The stages, in order: gather, judge, act.  Data only.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "stages.h"

#include <stddef.h>

#include "chain.h"

const struct stage *const stages[] = {
    &stage_peer,      /* accepts some clients: no other stage runs */
    &stage_direction, /* all others depend on inbound or outbound */
    &stage_author,    /* before all that need the author */
    &stage_blocklist, /* looks client, HELO, sender and author up in a list */
    &stage_iprev,     /* starts look-ups; before all that wait for the DNS */
    &stage_account,   /* before login and quota, which need the account */
    &stage_login,     /* before sign and quota */
    &stage_spf,       /* starts look-ups at MAIL */
    &stage_dkim,      /* starts look-ups after the header */
    &stage_dmarc,     /* needs the results of spf and dkim */
    &stage_helo,      /* starts look-ups at HELO */
    &stage_dnsbl,     /* starts look-ups at MAIL and after the header */
    &stage_rdns,      /* collects what iprev started; after all that wait */
    &stage_header,    /* needs no other stage's result, waits for nothing */
    &stage_allowlist, /* needs SPF, DKIM, DMARC and HELO to trust a name */
    &stage_rules,     /* scores the symbols of all before it */
    &stage_refuse,    /* returns the deferred refusals of those before it */
    &stage_quota,     /* counts what no stage before it refused */
    &stage_authres,   /* reports the results of all before it */
    &stage_software,  /* an edit that depends on nothing */
    &stage_sign,      /* last: it signs the header as the edits leave it */
    &stage_ring,      /* keeps the records of what all others did */
    &stage_journal,   /* makes events of the records */
    NULL,
};
