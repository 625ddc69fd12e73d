/* SPDX-License-Identifier: BSD-2-Clause */
#include "published.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_record.h"
#include "lib/dkim/dkim_tags.h"
#include "lib/dns/dns.h"

#define SHOWN_MAX 1200 /* octets of a record that are shown */

struct published {
	const struct dns *dns;
	const struct dkim_key *key;
	struct dns_query *query;
	bool collected;
	struct published_finding finding;
	struct arena arena; /* while it is judged */
	struct buf name, expected, found, text;
};

/* -- judging -- */

/* Text of the DNS for a terminal: as it is, but for what can't be printed. */
static void
show(struct buf *b, const char *text, size_t len, size_t max)
{
	for (size_t i = 0; i < len && i < max; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < ' ' || c > '~')
			buf_printf(b, "\\x%02x", c);
		else
			buf_char(b, text[i]);
	}
	if (len > max)
		buf_str(b, "...");
}

static void
find(struct published *f, const char *fault, const char *text)
{
	f->finding.fault = fault;
	buf_str(&f->text, text);
}

/* The value of a tag of a record without white space; NULL: it has none. */
static const char *
tag_of(struct arena *a, const struct dns_record *r, const char *name)
{
	const struct dkim_tag *tag;
	struct dkim_tags tags;

	if (dkim_tags_read((const char *)r->data, r->len, &tags) != 0)
		return NULL;
	tag = dkim_tags_find(&tags, name);
	return tag == NULL ? NULL : dkim_tag_text(tag, a);
}

/* Does what the key signs verify with the record? */
static bool
belongs(const struct dkim_key *key, const struct dkim_record *r)
{
	static const unsigned char hash[DKIM_KEY_HASH_SIZE] = {1};
	unsigned char *sig = malloc(DKIM_KEY_SIGNATURE_MAX);
	size_t len = DKIM_KEY_SIGNATURE_MAX;
	bool ok = sig != NULL && dkim_key_sign(key, hash, sig, &len) == 0 &&
	    dkim_record_verify(r, hash, sig, len);

	free(sig);
	return ok;
}

/* Does RSA's p= end before the key does, by the length with which that begins?
 * *len_r: octets of base64. */
static bool
is_cut(const char *p, size_t *len_r)
{
	unsigned char head[9], der[6];
	size_t n = 0, whole;

	for (; *p != '\0'; p++) {
		if (strchr(" \t\r\n", *p) != NULL)
			continue;
		if (n < 8)
			head[n] = (unsigned char)*p;
		n++;
	}
	*len_r = n;
	head[8] = '\0';
	if (n < 8 || EVP_DecodeBlock(der, head, 8) != 6 || der[0] != 0x30)
		return false;
	whole = der[1] == 0x82 ? 4 + (size_t)(der[2] << 8 | der[3])
	    : der[1] == 0x81   ? 3 + (size_t)der[2]
	    : der[1] < 0x80    ? 2 + (size_t)der[1]
			       : 0;
	return n / 4 * 3 + n % 4 * 3 / 4 < whole;
}

/* A record that can't be used. */
static void
judge_fault(
    struct published *f, const struct dns_record *txt, const char *words)
{
	const char *p = tag_of(&f->arena, txt, "p");
	size_t len;

	if (p != NULL && *p == '\0') {
		find(f, "revoked", "the record has an empty p=, which says "
		    "that the key is revoked");
		return;
	}
	f->finding.fault = "syntax";
	if (p != NULL && strcmp(dkim_key_word(f->key), "rsa") == 0 &&
	    is_cut(p, &len))
		buf_printf(&f->text, "nobody can use the record: p= has %zu "
		    "octets of base64 and ends within the key: is the second "
		    "string missing?", len);
	else
		buf_printf(&f->text, "nobody can use the record: %s", words);
}

/* k= first: of another type, p= is another key too, or none at all. */
static bool
judge_type(struct published *f, const struct dns_record *txt)
{
	const char *k = tag_of(&f->arena, txt, "k"), *p = tag_of(&f->arena, txt, "p");
	const char *want = dkim_key_word(f->key);

	if (p == NULL || *p == '\0')
		return true;
	if (k == NULL)
		k = "rsa"; /* RFC 6376 section 3.6.1 */
	if (strcmp(k, want) == 0)
		return true;
	f->finding.fault = "type";
	buf_printf(&f->text, "the record is for another type of key: expected "
	    "k=%s, found k=", want);
	show(&f->text, k, strlen(k), 40);
	return false;
}

static void
judge_key(struct published *f, const struct dns_record *txt,
    const struct dkim_record *r)
{
	enum dkim_cause cause;
	const char *words = dkim_record_fault(r, &cause);

	if (!judge_type(f, txt))
		return;
	if (words != NULL)
		judge_fault(f, txt, words);
	else if (!belongs(f->key, r))
		find(f, "mismatch", "the record has another key in its p=");
	else if (dkim_record_testing(r))
		find(f, "testing", "the record has t=y, test mode: take it "
		    "away, as some then treat the mail as unsigned");
}

static void
judge_record(struct published *f, const struct dns_record *txt)
{
	struct dkim_record *r = dkim_record_read(txt->data, txt->len);

	show(&f->found, (const char *)txt->data, txt->len, SHOWN_MAX);
	if (r == NULL)
		find(f, "memory", err_text(ERR_NOMEM));
	else
		judge_key(f, txt, r);
	dkim_record_free(r);
}

static void
judge_answer(struct published *f, const struct dns_answer *answer)
{
	switch (answer->status) {
	case DNS_OK:
		break;
	case DNS_NXDOMAIN:
	case DNS_NODATA:
		find(f, "missing", "there is no TXT record of this name");
		return;
	case DNS_BADNAME:
		find(f, "name", "this is no name that the DNS can have");
		return;
	case DNS_TIMEOUT:
		find(f, "dns", "the DNS did not answer in time (DNSTimeout)");
		return;
	case DNS_TEMPFAIL:
		find(f, "dns", "the DNS could not answer (SERVFAIL, no server, "
		    "or DNSSEC finds it forged)");
		return;
	}
	if (answer->count == 1) {
		judge_record(f, &answer->records[0]);
		return;
	}
	f->finding.fault = "several";
	buf_printf(&f->text, "there are %zu TXT records of this name, and "
	    "readers may take any of them: expected one", answer->count);
	for (size_t i = 0; i < answer->count; i++) {
		buf_str(&f->found, i == 0 ? "" : " | ");
		show(&f->found, (const char *)answer->records[i].data,
		    answer->records[i].len, SHOWN_MAX / 2);
	}
}

/* -- the cure -- */

/* What mends each fault. */
static const struct {
	const char *fault, *cure;
} cures[] = {
    {"missing", "publish the expected record under this name; where a form of "
     "the DNS's provider adds the domain by itself, its field for the name "
     "takes what stands before the domain"},
    {"several", "take all away but the expected one"},
    {"syntax", "publish the expected record in its place, as it stands here"},
    {"type", "publish the expected record in its place, or sign with the key "
     "of the one that was found"},
    {"mismatch", "publish the expected record in its place, or sign with the "
     "key of the one that was found"},
    {"revoked", "sign with another key, under another selector (posternctl key "
     "generate); if it was not meant to be revoked, publish the expected "
     "record"},
    {"testing", "publish the expected record, which has no t=y"},
    {"dns", "ask again; if that helps nothing, see Nameservers, and whether "
     "the servers of the domain answer"},
    {"name", "name a domain and a selector whose labels have 1 to 63 letters, "
     "digits, - and _"},
};

/* NULL: there is none, for nothing is wrong, or no memory was left. */
static const char *
cure_of(const char *fault)
{
	for (size_t i = 0; i < sizeof(cures) / sizeof(*cures); i++) {
		if (fault != NULL && strcmp(cures[i].fault, fault) == 0)
			return cures[i].cure;
	}
	return NULL;
}

/* -- start, collect, drop -- */

struct published *
published_start(const struct dns *d, const char *domain, const char *selector,
    const struct dkim_key *key)
{
	struct published *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->dns = d;
	p->key = key;
	arena_init(&p->arena);
	buf_printf(&p->name, "%s._domainkey.%s", selector, domain);
	if (buf_text(&p->name) == NULL ||
	    dkim_key_record(key, &p->expected) != 0 ||
	    buf_text(&p->expected) == NULL) {
		published_drop(p);
		return NULL;
	}
	p->query = dns_start(d, buf_text(&p->name), DNS_TXT);
	if (p->query == NULL) {
		published_drop(p);
		return NULL;
	}
	p->finding.name = buf_text(&p->name);
	p->finding.expected = buf_text(&p->expected);
	return p;
}

bool
published_ready(const struct published *p)
{
	return p->collected || dns_ready(p->dns, p->query);
}

const struct published_finding *
published_collect(struct published *p, struct wait *w)
{
	struct published_finding *f = &p->finding;

	if (p->collected)
		return f;
	p->collected = true;
	judge_answer(p, dns_collect(p->dns, p->query, w));
	if (f->fault == NULL)
		buf_printf(&p->text,
		    "the DNS has the key that signs (%s, %u bits)",
		    dkim_key_word(p->key), dkim_key_bits(p->key));
	f->text = buf_text(&p->text);
	f->found = p->found.len > 0 ? buf_text(&p->found) : NULL;
	if (f->text == NULL || (p->found.len > 0 && f->found == NULL)) {
		f->fault = "memory";
		f->text = err_text(ERR_NOMEM);
	}
	f->cure = cure_of(f->fault);
	return f;
}

void
published_drop(struct published *p)
{
	if (p == NULL)
		return;
	dns_drop(p->dns, p->query);
	buf_fini(&p->name);
	buf_fini(&p->expected);
	buf_fini(&p->found);
	buf_fini(&p->text);
	arena_fini(&p->arena);
	free(p);
}
