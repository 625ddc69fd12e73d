/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dkim/dkim_body.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "lib/base/err.h"

#define BLOCK 64     /* octets looked at together */
#define GATHER 4096  /* short pieces are hashed together */

/*
 * Two steps in a row: for the relaxed form white space is brought to its form,
 * for both line ends are held back while they may turn out to be the last
 * (empty lines at the end of the body do not count).
 */
struct dkim_body {
	EVP_MD_CTX *md;
	enum dkim_canon canon;
	bool failed;
	bool done;
	unsigned char hash[DKIM_BODY_HASH_SIZE];

	/* Relaxed: seen, but not passed on yet. */
	bool space;    /* white space */
	bool space_cr; /* and a CR behind it */

	/* Seen and not hashed yet: ends of lines, and a CR behind them. */
	size_t ends;
	bool cr;
	bool content; /* anything but ends of lines was hashed */

	uint64_t octets; /* of the canonical form, up to here */
	uint64_t limit;  /* how many of them are hashed */

	size_t gathered;
	unsigned char gather[GATHER];
};

struct dkim_body *
dkim_body_new(const EVP_MD *sha256, enum dkim_canon canon)
{
	return dkim_body_new_limited(sha256, canon, UINT64_MAX);
}

struct dkim_body *
dkim_body_new_limited(
    const EVP_MD *sha256, enum dkim_canon canon, uint64_t octets)
{
	struct dkim_body *b = malloc(sizeof(*b));

	if (b == NULL)
		return NULL;
	/* The gathering room need not be cleared. */
	memset(b, 0, offsetof(struct dkim_body, gather));
	b->canon = canon;
	b->limit = octets;
	b->md = EVP_MD_CTX_new();
	if (b->md == NULL || EVP_DigestInit_ex(b->md, sha256, NULL) != 1) {
		dkim_body_free(b);
		return NULL;
	}
	return b;
}

void
dkim_body_free(struct dkim_body *b)
{
	if (b == NULL)
		return;
	EVP_MD_CTX_free(b->md);
	free(b);
}

static void
digest(struct dkim_body *b, const void *bytes, size_t len)
{
	uint64_t room = b->octets < b->limit ? b->limit - b->octets : 0;

	b->octets += len;
	if (len > room)
		len = (size_t)room;
	if (len > 0 && EVP_DigestUpdate(b->md, bytes, len) != 1)
		b->failed = true;
}

static void
flush(struct dkim_body *b)
{
	digest(b, b->gather, b->gathered);
	b->gathered = 0;
}

static void
hash(struct dkim_body *b, const void *bytes, size_t len)
{
	if (len > GATHER - b->gathered) {
		flush(b);
		if (len > GATHER / 2) {
			digest(b, bytes, len);
			return;
		}
	}
	memcpy(b->gather + b->gathered, bytes, len);
	b->gathered += len;
}

/* What was held back is not at the end after all. */
static void
release(struct dkim_body *b)
{
	for (; b->ends > 0; b->ends--)
		hash(b, "\r\n", 2);
	if (b->cr)
		hash(b, "\r", 1);
	b->cr = false;
	b->content = true;
}

/* RFC 6376 section 3.4.3: all but the empty lines at the end. */
static void
add_simple(struct dkim_body *b, const unsigned char *p, size_t len)
{
	size_t ends = 0;
	bool cr = false;

	if (len > 0 && b->cr && *p == '\n') {
		b->cr = false;
		b->ends++;
		p++;
		len--;
	}
	if (len == 0)
		return;
	if (p[len - 1] == '\r') {
		cr = true;
		len--;
	}
	while (len >= 2 && p[len - 2] == '\r' && p[len - 1] == '\n') {
		ends++;
		len -= 2;
	}
	if (len > 0 || b->cr) {
		release(b);
		if (len > 0)
			hash(b, p, len);
	}
	b->ends += ends;
	b->cr = cr;
}

static bool
is_space(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/* Does white space that is to change begin at p?  It does at every tab, and at
 * a space before more white space or a CR. */
static bool
changes(const unsigned char *p)
{
	return p[0] == '\t' ||
	    (p[0] == ' ' && (is_space(p[1]) || p[1] == '\r'));
}

/* The same for BLOCK octets at once, in a form that becomes vector code. */
static bool
block_changes(const unsigned char *p)
{
	uint8_t any = 0;

	for (size_t i = 0; i < BLOCK; i++) {
		uint8_t tab = p[i] == '\t', space = p[i] == ' ';
		uint8_t next = (uint8_t)((p[i + 1] == ' ') |
		    (p[i + 1] == '\t') | (p[i + 1] == '\r'));

		any |= (uint8_t)(tab | (space & next));
	}
	return any != 0;
}

/* The first white space to change, or at the end of the chunk where that can't
 * be said yet; end: there is none. */
static const unsigned char *
find_space(const unsigned char *p, const unsigned char *end)
{
	while (end - p > BLOCK) {
		if (block_changes(p)) {
			while (!changes(p))
				p++;
			return p;
		}
		p += BLOCK;
	}
	for (; p < end; p++) {
		if (p + 1 == end ? is_space(*p) : changes(p))
			return p;
	}
	return end;
}

/* Decide about white space from before p; returns where to go on. */
static const unsigned char *
settle_space(
    struct dkim_body *b, const unsigned char *p, const unsigned char *end)
{
	if (b->space_cr) {
		b->space = b->space_cr = false;
		/* A CR that ends no line: the white space stands inside. */
		if (*p != '\n')
			add_simple(b, (const unsigned char *)" ", 1);
		add_simple(b, (const unsigned char *)"\r", 1);
		return p;
	}
	while (p < end && is_space(*p))
		p++;
	if (p == end)
		return p;
	if (*p != '\r') {
		b->space = false;
		add_simple(b, (const unsigned char *)" ", 1);
		return p;
	}
	if (p + 1 == end) {
		b->space_cr = true;
		return end;
	}
	b->space = false;
	if (p[1] != '\n')
		add_simple(b, (const unsigned char *)" ", 1);
	return p;
}

/* RFC 6376 section 3.4.4: white space at the end of lines goes, other runs of
 * it become one space; then as for the simple form. */
static void
add_relaxed(struct dkim_body *b, const unsigned char *p, size_t len)
{
	const unsigned char *end = p + len, *stop;

	while (p < end) {
		if (b->space) {
			p = settle_space(b, p, end);
			continue;
		}
		stop = find_space(p, end);
		if (stop > p)
			add_simple(b, p, (size_t)(stop - p));
		b->space = stop < end;
		p = stop;
	}
}

void
dkim_body_add(struct dkim_body *b, const void *bytes, size_t len)
{
	if (len == 0 || b->done)
		return;
	if (b->canon == DKIM_RELAXED)
		add_relaxed(b, bytes, len);
	else
		add_simple(b, bytes, len);
}

int
dkim_body_finish(struct dkim_body *b, unsigned char hash_r[DKIM_BODY_HASH_SIZE])
{
	if (!b->done) {
		/* White space at the very end is at the end of a line; unless
		 * a CR that ends nothing follows it. */
		if (b->space_cr)
			add_simple(b, (const unsigned char *)" \r", 2);
		if (b->cr)
			release(b);
		/* The last line has an end, and the simple form of nothing is
		 * one (section 3.4.3), the relaxed form is nothing. */
		if (b->content || b->canon == DKIM_SIMPLE)
			hash(b, "\r\n", 2);
		flush(b);
		if (EVP_DigestFinal_ex(b->md, b->hash, NULL) != 1)
			b->failed = true;
		b->done = true;
	}
	memcpy(hash_r, b->hash, sizeof(b->hash));
	return b->failed ? ERR_CRYPTO : 0;
}

uint64_t
dkim_body_octets(const struct dkim_body *b)
{
	return b->octets;
}
