/*
 * The text of a DKIM-Signature field (RFC 6376 section 3.5).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_sign_impl.h"

#define WIDTH 77       /* columns of a line */
#define FIRST_COLUMN 16 /* behind "DKIM-Signature: " */
#define FOLD_COLUMN 8  /* behind the tab that a folded line begins with */
#define TIME_MIN 1000000000 /* in 2001: a clock that was never set is older */
#define TIME_MAX 99999999999 /* section 3.5: at most 12 digits */

/* Text that is folded as it grows. */
struct fold {
	struct buf *b;
	size_t column;
};

static void
fold_break(struct fold *f)
{
	buf_str(f->b, "\n\t");
	f->column = FOLD_COLUMN;
}

/* Add a piece that must stay in one; a fold may come before it. */
static void
fold_add(struct fold *f, const char *text, size_t len)
{
	if (f->column + len > WIDTH && f->column > FOLD_COLUMN)
		fold_break(f);
	buf_add(f->b, text, len);
	f->column += len;
}

/* Begin a tag: its name and "=". */
static void
fold_tag(struct fold *f, const char *tag, size_t value_len)
{
	size_t len = strlen(tag);

	if (f->column + 1 + len + value_len > WIDTH) {
		fold_break(f);
	} else {
		buf_char(f->b, ' ');
		f->column++;
	}
	buf_add(f->b, tag, len);
	f->column += len;
}

static void
add_tag(struct fold *f, const char *tag, const char *value)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s;", value);
	fold_tag(f, tag, b.len);
	buf_add(f->b, b.data, b.len);
	f->column += b.len;
	f->b->failed |= b.failed;
	buf_fini(&b);
}

static void
add_number(struct fold *f, const char *tag, long long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", value);
	add_tag(f, tag, text);
}

/* One octet as dkim-quoted-printable (section 2.11); also is one more octet
 * that is not safe here. */
static size_t
quote(char piece[4], unsigned char c, char also)
{
	if (c > ' ' && c < 127 && c != ';' && c != '=' && c != also) {
		piece[0] = (char)c;
		return 1;
	}
	return (size_t)snprintf(piece, 4, "=%02X", c);
}

static void
add_identity(struct fold *f, const char *identity)
{
	const char *at = strrchr(identity, '@');
	struct buf b = BUF_INIT;
	char piece[4];

	for (const char *p = identity; p < at; p++)
		buf_add(&b, piece, quote(piece, (unsigned char)*p, '@'));
	buf_str(&b, at);
	add_tag(f, "i=", buf_text(&b) == NULL ? "" : buf_text(&b));
	f->b->failed |= b.failed;
	buf_fini(&b);
}

static void
add_names(struct fold *f, const char *const *names)
{
	char piece[DKIM_SIGN_NAMES_OCTETS + 2];

	for (size_t i = 0; names[i] != NULL; i++) {
		int n = snprintf(piece, sizeof(piece), "%s%c", names[i],
		    names[i + 1] == NULL ? ';' : ':');

		if (i == 0)
			fold_tag(f, "h=", (size_t)n);
		fold_add(f, piece, (size_t)n);
	}
}

static void
add_copy(struct fold *f, const struct hdr *h, bool first)
{
	size_t len = hdr_name_len(h), at = 0;
	char piece[4];

	if (!first)
		fold_add(f, "|", 1);
	/* A name may hold what is no name's in a copy. */
	for (size_t i = 0; i < len; i++)
		fold_add(f, piece,
		    quote(piece, (unsigned char)h->name[i], '|'));
	fold_add(f, ":", 1);
	while (at < h->value_len && (h->value[at] == ' ' ||
	    h->value[at] == '\t'))
		at++;
	for (; at < h->value_len; at++) {
		if (h->value[at] == '\n' &&
		    (at == 0 || h->value[at - 1] != '\r'))
			fold_add(f, "=0D", 3);
		fold_add(f, piece,
		    quote(piece, (unsigned char)h->value[at], '|'));
	}
}

/* Copies of the fields, in the order of the message. */
static void
add_copies(struct fold *f, const struct dkim_request *r,
    const struct hdr_list *headers)
{
	struct fold before = *f;
	size_t len = f->b->len;
	bool first = true;

	fold_tag(f, "z=", 1);
	for (const struct hdr *h = headers->first; h != NULL; h = h->next) {
		if (!dkim_sign_named(h, r->names))
			continue;
		if (h->value_len <= DKIM_SIGN_COPIES_OCTETS)
			add_copy(f, h, first);
		first = false;
		if (h->value_len > DKIM_SIGN_COPIES_OCTETS ||
		    f->b->len - len > DKIM_SIGN_COPIES_OCTETS) {
			f->b->len = len;
			f->column = before.column;
			return;
		}
	}
	fold_add(f, ";", 1);
}

bool
dkim_sign_domain_ok(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > DKIM_SIGN_DOMAIN_MAX || name[0] == '.' ||
	    name[len - 1] == '.' || strstr(name, "..") != NULL)
		return false;
	return strspn(name,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		   "0123456789-_.") == len;
}

/* Section 3.5, i=: the domain is that of d= or a subdomain. */
static bool
identity_ok(const char *identity, const char *domain)
{
	const char *at = strrchr(identity, '@');
	size_t len, domain_len = strlen(domain);

	if (at == NULL)
		return false;
	/* Each octet of the local part may need three. */
	if ((size_t)(at - identity) * 3 + strlen(at) > DKIM_SIGN_IDENTITY_MAX)
		return false;
	if (strchr(identity, '@') != at || !dkim_sign_domain_ok(at + 1))
		return false;
	len = strlen(at + 1);
	if (len < domain_len ||
	    strcasecmp(at + 1 + len - domain_len, domain) != 0)
		return false;
	return len == domain_len || at[len - domain_len] == '.';
}

static const char *
names_fault(const char *const *names, int *error_r)
{
	size_t octets = 0, n = 0;
	bool from = false;

	*error_r = ERR_SYNTAX;
	for (; names != NULL && names[n] != NULL; n++) {
		size_t len = strlen(names[n]);

		octets += len + 1;
		if (n == DKIM_SIGN_NAMES_MAX ||
		    octets > DKIM_SIGN_NAMES_OCTETS) {
			*error_r = ERR_LIMIT;
			return "too many field names to sign";
		}
		if (!dkim_sign_name_ok(names[n], len))
			return "a name to sign is not a field's name";
		if (strcasecmp(names[n], "DKIM-Signature") == 0)
			return "DKIM-Signature fields can't be signed";
		from |= strcasecmp(names[n], "From") == 0;
	}
	if (!from) {
		*error_r = ERR_NOTFOUND;
		return "From is not among the fields to sign";
	}
	*error_r = 0;
	return NULL;
}

const char *
dkim_sign_fault(const struct dkim_request *r, int *error_r)
{
	*error_r = ERR_SYNTAX;
	if (r->domain == NULL || !dkim_sign_domain_ok(r->domain))
		return "the signing domain is not a domain name";
	if (r->selector == NULL || !dkim_sign_domain_ok(r->selector))
		return "the selector is not a domain name";
	if (r->identity != NULL && !identity_ok(r->identity, r->domain))
		return "the identity is not in the signing domain";
	if (r->at != 0 && (r->at < TIME_MIN || r->at > TIME_MAX))
		return "the time is not set";
	if (r->ttl < 0 || r->ttl > TIME_MAX || (r->ttl > 0 && r->at == 0))
		return "the time to live makes no sense";
	if (r->key == NULL)
		return "there is no key";
	return names_fault(r->names, error_r);
}

static const char *
canon_words(const struct dkim_request *r)
{
	static const char *const words[2][2] = {
	    {"simple/simple", "simple/relaxed"},
	    {"relaxed/simple", "relaxed/relaxed"}};

	return words[r->header == DKIM_RELAXED][r->body == DKIM_RELAXED];
}

void
dkim_sign_compose(struct buf *b, const struct dkim_request *r,
    const unsigned char body_hash[DKIM_BODY_HASH_SIZE],
    const struct hdr_list *headers)
{
	unsigned char bh[DKIM_BODY_HASH_SIZE / 3 * 4 + 5];
	struct fold f = {b, FIRST_COLUMN};

	fold_add(&f, "v=1;", 4);
	add_tag(&f, "a=", dkim_key_algorithm(r->key));
	add_tag(&f, "c=", canon_words(r));
	add_tag(&f, "d=", r->domain);
	add_tag(&f, "s=", r->selector);
	if (r->identity != NULL)
		add_identity(&f, r->identity);
	if (r->at != 0)
		add_number(&f, "t=", r->at);
	if (r->ttl != 0)
		add_number(&f, "x=", (long long)r->at + r->ttl);
	add_names(&f, r->names);
	if (r->copies)
		add_copies(&f, r, headers);
	EVP_EncodeBlock(bh, body_hash, DKIM_BODY_HASH_SIZE);
	add_tag(&f, "bh=", (const char *)bh);
	/* Last, so that what is in front is hashed as it stands (section 3.7:
	 * the field with b= empty). */
	fold_break(&f);
	buf_str(b, "b=");
}

void
dkim_sign_append(struct buf *b, const unsigned char *sig, size_t len)
{
	unsigned char text[DKIM_KEY_SIGNATURE_MAX / 3 * 4 + 8];
	size_t n = (size_t)EVP_EncodeBlock(text, sig, (int)len);
	size_t room = WIDTH - FOLD_COLUMN - 2; /* behind "b=" */

	for (size_t at = 0; at < n; at += room) {
		if (at > 0) {
			buf_str(b, "\n\t");
			room = WIDTH - FOLD_COLUMN;
		}
		buf_add(b, text + at, n - at < room ? n - at : room);
	}
}
