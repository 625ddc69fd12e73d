/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dkim/dkim_header.h"

#include <ctype.h>
#include <stdbool.h>
#include <strings.h>

#include <openssl/evp.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_engine.h"
#include "lib/dkim/dkim_field.h"
#include "lib/dkim/dkim_sign_impl.h"
#include "lib/mail/hdr.h"

/* Section 5.4.2: the field that the name at i stands for, the last one of that
 * name which no name before it took; NULL: none is left. */
static const struct hdr *
select_field(const struct hdr_list *headers, const struct hdr *sig,
    const char *const *names, size_t i)
{
	size_t taken = 0, left = 0;

	for (size_t k = 0; k < i; k++)
		taken += strcasecmp(names[k], names[i]) == 0;
	for (const struct hdr *h = headers->first; h != NULL; h = h->next)
		left += h != sig && dkim_sign_is(h, names[i]);
	if (taken >= left)
		return NULL;
	left -= taken;
	for (const struct hdr *h = headers->first; h != NULL; h = h->next) {
		if (h != sig && dkim_sign_is(h, names[i]) && --left == 0)
			return h;
	}
	return NULL;
}

/* Section 3.4.2: lower case, no folds, one space for several, none at the
 * ends. */
static void
add_relaxed(struct buf *b, const struct hdr *h, const char *value, size_t len)
{
	size_t name = hdr_name_len(h), start;
	bool space = false;

	for (size_t i = 0; i < name; i++)
		buf_char(b, (char)tolower((unsigned char)h->name[i]));
	buf_char(b, ':');
	start = b->len;
	for (size_t i = 0; i < len; i++) {
		if (value[i] == ' ' || value[i] == '\t' || value[i] == '\r' ||
		    value[i] == '\n') {
			space = true;
			continue;
		}
		if (space && b->len > start)
			buf_char(b, ' ');
		space = false;
		buf_char(b, value[i]);
	}
}

static void
add(struct buf *b, enum dkim_canon canon, const struct hdr *h,
    const char *value, size_t len)
{
	if (canon == DKIM_RELAXED)
		add_relaxed(b, h, value, len);
	else
		dkim_engine_field(b, h->name, h->name_len, value, len);
}

int
dkim_header_hash(const struct hdr_list *headers, const struct hdr *sig,
    const struct dkim_field *f, unsigned char hash_r[DKIM_KEY_HASH_SIZE])
{
	struct buf all = BUF_INIT, value = BUF_INIT;
	bool good;

	for (size_t i = 0; f->names[i] != NULL; i++) {
		const struct hdr *h = select_field(headers, sig, f->names, i);

		if (h == NULL)
			continue;
		add(&all, f->header, h, h->value, h->value_len);
		buf_str(&all, "\r\n");
	}
	/* Section 3.7: last the signature itself, with nothing behind b= and
	 * without a line end. */
	buf_add(&value, sig->value, f->b_at);
	buf_add(&value, sig->value + f->b_end, sig->value_len - f->b_end);
	add(&all, f->header, sig, value.data, value.len);
	good = !all.failed && !value.failed &&
	    EVP_Digest(all.data, all.len, hash_r, NULL, EVP_sha256(), NULL) ==
		1;
	buf_fini(&all);
	buf_fini(&value);
	return good ? 0 : ERR_NOMEM;
}
