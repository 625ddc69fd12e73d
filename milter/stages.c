/*
 * The stages, in order: gather, judge, act.  Data only.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "stages.h"

#include <stddef.h>

#include "chain.h"

const struct stage *const stages[] = {
    &stage_peer,      /* whom nobody else need look at */
    &stage_direction, /* who speaks decides what everyone else does */
    &stage_author,    /* before all that ask who wrote it */
    &stage_blocklist, /* what the lists say of who speaks */
    &stage_iprev,     /* asks early; before any that waits for the DNS */
    &stage_account,   /* before whoever counts */
    &stage_login,     /* before anyone signs or counts */
    &stage_spf,       /* begins to ask at MAIL */
    &stage_dkim,      /* asks early, is answered late */
    &stage_dmarc,     /* weighs what spf and dkim found */
    &stage_helo,      /* began to ask at HELO */
    &stage_dnsbl,     /* asks at MAIL and the end of the header */
    &stage_rdns,      /* what came of iprev; after all that wait */
    &stage_header,    /* looks at no result, and waits for nobody */
    &stage_allowlist, /* is it so, what they say who are in the list? */
    &stage_rules,     /* weighs all that was found */
    &stage_refuse,    /* says what those before it refuse for */
    &stage_quota,     /* counts what all before it let pass */
    &stage_authres,   /* reports what all before it found */
    &stage_software,  /* an edit that depends on nothing */
    &stage_sign,      /* last: it signs what the others made of the header */
    NULL,
};
