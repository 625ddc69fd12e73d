/*
 * DMARC policy records (RFC 9989 section 4.7).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_DMARC_DMARC_RECORD_H
#define LIB_DMARC_DMARC_RECORD_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

#define DMARC_URIS_MAX 10 /* of one rua or ruf; more are ignored */

/* What a domain owner asks for, mildest first. */
enum dmarc_policy {
	DMARC_POLICY_NONE,
	DMARC_POLICY_QUARANTINE,
	DMARC_POLICY_REJECT,
};

enum dmarc_psd {
	DMARC_PSD_UNKNOWN, /* u, the default */
	DMARC_PSD_YES,     /* a public suffix */
	DMARC_PSD_NO,      /* an organizational domain */
};

enum {
	DMARC_FO_ALL = 1 << 0,  /* 0: when nothing passed aligned */
	DMARC_FO_ANY = 1 << 1,  /* 1: when something did not */
	DMARC_FO_DKIM = 1 << 2, /* d */
	DMARC_FO_SPF = 1 << 3,  /* s */
};

struct dmarc_record {
	enum dmarc_policy p, sp, np; /* sp falls back to p, np to sp */
	bool usable; /* false: a policy tag is not valid and there is no rua:
	    the domain has no DMARC (section 4.10.1).  For the tree walk such a
	    record is one all the same */
	enum dmarc_psd psd;
	bool testing;      /* t=y */
	bool strict_dkim;  /* adkim=s */
	bool strict_spf;   /* aspf=s */
	unsigned fo;       /* DMARC_FO_ */
	const char *rua[DMARC_URIS_MAX]; /* URIs without a size, in the arena */
	const char *ruf[DMARC_URIS_MAX];
	size_t rua_count, ruf_count;
};

/*
 * Read one TXT record.  Tags and values that are not valid are ignored, of two
 * the first counts.  0; ERR_NOTFOUND: this is no DMARC record; ERR_NOMEM.
 */
int dmarc_record_parse(struct arena *a, const char *text, size_t len,
    struct dmarc_record *record_r);

/* none, quarantine, reject */
const char *dmarc_policy_word(enum dmarc_policy policy);

#endif
