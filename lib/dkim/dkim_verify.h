/*
 * The DKIM signatures of one message, verified (RFC 6376 section 6, RFC 8301,
 * RFC 8463, results as in RFC 8601 section 2.7.1).
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Three steps: the header, with which the look-ups of all keys begin; the body
 * as it streams by; the end, where the keys are collected.
 *
 *	v = dkim_verify_new(verifier, &policy, dns, &arena, headers);
 *	dkim_verify_body(v, chunk, len);                any number of times
 *	dkim_verify_finish(v, wait, &verdicts);
 *	dkim_verify_free(v);
 *
 * A verifier is shared by all threads; a struct dkim_verify is used by one
 * thread at a time and dies before its verifier, DNS, arena and headers.
 */
#ifndef LIB_DKIM_DKIM_VERIFY_H
#define LIB_DKIM_DKIM_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct arena;
struct dns;
struct hdr_list;
struct wait;

/* What is looked at at all; beyond it a signature is not a pass. */
#define DKIM_VERIFY_SIGNATURES_MAX 8     /* of a message */
#define DKIM_VERIFY_NAMES_MAX 256        /* names in an h= */
#define DKIM_VERIFY_FIELDS_MAX 1000      /* fields of a header */
#define DKIM_VERIFY_OCTETS_MAX (256 * 1024) /* of a header */
#define DKIM_VERIFY_IDENTITY_MAX 254     /* i= */

enum dkim_status {
	DKIM_STATUS_NONE,      /* not signed; only of a message as a whole */
	DKIM_STATUS_PASS,
	DKIM_STATUS_FAIL,      /* read, and not of this message or key */
	DKIM_STATUS_POLICY,    /* verifies, or is too weak or too old to try,
	    and is not good enough */
	DKIM_STATUS_NEUTRAL,   /* was not looked at */
	DKIM_STATUS_TEMPERROR, /* the key can't be had at the moment */
	DKIM_STATUS_PERMERROR, /* signature or key can't be used */
};

/* What stands behind a status, where somebody acts by it. */
enum dkim_cause {
	DKIM_CAUSE_NONE,
	DKIM_CAUSE_SIGNATURE, /* the signature field */
	DKIM_CAUSE_HEADER,    /* the signature does not match the header */
	DKIM_CAUSE_BODY,      /* the body hash does not match the body */
	DKIM_CAUSE_NO_KEY,    /* there is no key record, or it is revoked */
	DKIM_CAUSE_KEY,       /* the key record can't be used */
	DKIM_CAUSE_DNS,       /* no answer in time, or none that is valid */
	DKIM_CAUSE_WEAK,      /* algorithm, or length of the key */
	DKIM_CAUSE_EXPIRED,   /* x= has passed, or t= is still to come */
	DKIM_CAUSE_LENGTH,    /* l= leaves a part of the body unsigned */
	DKIM_CAUSE_FORM,      /* the header is not as RFC 5322 has it */
	DKIM_CAUSE_FIELDS,    /* a field is there too often, or not signed */
	DKIM_CAUSE_LINES,     /* the body has a CR or LF that ends no line */
	DKIM_CAUSE_UNTRUSTED, /* the signer, or the key; said by others */
	DKIM_CAUSE_LIMIT,     /* a limit above, or policy's */
	DKIM_CAUSE_INTERNAL,  /* no memory, or no cryptography */
};

/* The result of one signature.  Strings are in the arena or constant, and may
 * hold any octet but NUL: escape them. */
struct dkim_verdict {
	enum dkim_status status;
	enum dkim_cause cause;
	const char *reason;    /* constant words; NULL for a pass, but of a key
	    in test mode */
	/* U-labels are A-labels here (RFC 8616 section 5); NULL: can't be
	 * read. */
	const char *domain;    /* d=, in lower case */
	const char *selector;  /* s= */
	const char *identity;  /* i=, "@" and d= without one */
	const char *algorithm; /* a=; NULL likewise */
	const char *b;         /* the first 8 characters of b= (RFC 6008);
	    NULL likewise */
	unsigned bits;         /* of the key; 0: not known */
	bool testing;          /* the key record says t=y */
	bool secure;           /* the key was validated by DNSSEC */
};

struct dkim_verdicts {
	size_t count; /* 0: not signed */
	const struct dkim_verdict *list; /* top first */
	bool many_from; /* more than one From, or none: what a pass says of the
	    author can't be relied upon */
};

/* "pass", "fail" ... */
const char *dkim_status_word(enum dkim_status status);
/* The best result there is; DKIM_STATUS_NONE: not signed.  A signature that
 * does not pass is none where its key is in test mode (RFC 6376 section 3.6.1).
 */
enum dkim_status dkim_verdicts_best(const struct dkim_verdicts *v);

/* What is shared: the header engine and keys in recent use. */
struct dkim_verifier;
struct dkim_verifier *dkim_verifier_new(void); /* NULL: no memory */
void dkim_verifier_free(struct dkim_verifier *r);

struct dkim_policy {
	unsigned min_bits; /* RSA keys with less never pass; less than 1024
	    means 1024 (RFC 8301 section 3.2) */
	size_t signatures; /* how many are verified; 0 or more than the cap
	    means the cap */
	time_t drift;      /* seconds that clocks may differ by */
	time_t now;
	const char *const *authors; /* domains of From in A-labels; where there
	    are more signatures than are verified, theirs come first */
	size_t author_count;
	const char *const *must_sign; /* fields that a pass must be over where
	    they are there, NULL-ended; NULL: those of the standard only */
	bool strict; /* nothing passes where a field is not as often there as
	    RFC 5322 section 3.6 has it */
};

struct dkim_verify;

/* The header is complete.  Look-ups start; nothing waits.  dns may be NULL:
 * then every key is a temporary error.  NULL: no memory. */
struct dkim_verify *dkim_verify_new(struct dkim_verifier *r,
    const struct dkim_policy *policy, const struct dns *dns, struct arena *a,
    const struct hdr_list *headers);
void dkim_verify_free(struct dkim_verify *v);
/* A piece of the body, as it comes over SMTP; see dkim_body.h. */
void dkim_verify_body(struct dkim_verify *v, const void *bytes, size_t len);
/* The message is complete: wait for the keys.  0, or ERR_NOMEM.  Once only. */
int dkim_verify_finish(
    struct dkim_verify *v, struct wait *w, struct dkim_verdicts *verdicts_r);

#endif
