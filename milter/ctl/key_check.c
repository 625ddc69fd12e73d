/* SPDX-License-Identifier: BSD-2-Clause */
#include "key_check.h"

#include <errno.h>
#include <errno.h>
#include <grp.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/wait.h"
#include "lib/conf/conf.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_record.h"
#include "lib/dkim/dkim_tags.h"
#include "lib/dns/dns.h"
#include "milter/privileges.h"
#include "milter/resolver.h"
#include "milter/stage/signing.h"
#include "posternctl.h"

#define FINDING 1       /* exit code: not all is well */
#define SHOWN_MAX 1200  /* octets of a record that are shown */

struct check {
	const char *domain;
	const char *selector; /* NULL: all */
	bool json;
	const struct key_check *with;
	size_t count;
	int rc;
};

/* One key, and what was found of it. */
struct finding {
	const struct signing_match *m;
	const char *file;  /* NULL: the key stands in KeyTable */
	const char *fault; /* a word; NULL: all is well */
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
find(struct finding *f, const char *fault, const char *text)
{
	f->fault = fault;
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
judge_fault(struct finding *f, struct arena *a, const struct dns_record *txt,
    const char *words)
{
	const char *p = tag_of(a, txt, "p");
	size_t len;

	if (p != NULL && *p == '\0') {
		find(f, "revoked", "the record has an empty p=, which says "
		    "that the key is revoked");
		return;
	}
	f->fault = "syntax";
	if (p != NULL && strcmp(dkim_key_word(f->m->key), "rsa") == 0 &&
	    is_cut(p, &len))
		buf_printf(&f->text, "nobody can use the record: p= has %zu "
		    "octets of base64 and ends within the key: is the second "
		    "string missing?", len);
	else
		buf_printf(&f->text, "nobody can use the record: %s", words);
}

/* k= first: of another type, p= is another key too, or none at all. */
static bool
judge_type(struct finding *f, struct arena *a, const struct dns_record *txt)
{
	const char *k = tag_of(a, txt, "k"), *p = tag_of(a, txt, "p");
	const char *want = dkim_key_word(f->m->key);

	if (p == NULL || *p == '\0')
		return true;
	if (k == NULL)
		k = "rsa"; /* RFC 6376 section 3.6.1 */
	if (strcmp(k, want) == 0)
		return true;
	f->fault = "type";
	buf_printf(&f->text, "the record is for another type of key: expected "
	    "k=%s, found k=", want);
	show(&f->text, k, strlen(k), 40);
	return false;
}

static void
judge_key(struct finding *f, struct arena *a, const struct dns_record *txt,
    const struct dkim_record *r)
{
	enum dkim_cause cause;
	const char *words = dkim_record_fault(r, &cause);

	if (!judge_type(f, a, txt))
		return;
	if (words != NULL)
		judge_fault(f, a, txt, words);
	else if (!belongs(f->m->key, r))
		find(f, "mismatch", "the record has another key in its p=");
	else if (dkim_record_testing(r))
		find(f, "testing", "the record has t=y, test mode: take it "
		    "away, as some then treat the mail as unsigned");
}

static void
judge_record(struct finding *f, struct arena *a, const struct dns_record *txt)
{
	struct dkim_record *r = dkim_record_read(txt->data, txt->len);

	show(&f->found, (const char *)txt->data, txt->len, SHOWN_MAX);
	if (r == NULL)
		find(f, "memory", err_text(ERR_NOMEM));
	else
		judge_key(f, a, txt, r);
	dkim_record_free(r);
}

static void
judge_answer(
    struct finding *f, struct arena *a, const struct dns_answer *answer)
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
		judge_record(f, a, &answer->records[0]);
		return;
	}
	f->fault = "several";
	buf_printf(&f->text, "there are %zu TXT records of this name, and "
	    "readers may take any of them: expected one", answer->count);
	for (size_t i = 0; i < answer->count; i++) {
		buf_str(&f->found, i == 0 ? "" : " | ");
		show(&f->found, (const char *)answer->records[i].data,
		    answer->records[i].len, SHOWN_MAX / 2);
	}
}

/* -- saying -- */

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

static void
print(const struct check *c, const struct finding *f)
{
	const char *found = f->found.len > 0 ? f->found.data : NULL;
	const char *cure = cure_of(f->fault);
	json_t *j;

	if (c->json) {
		j = json_pack("{s:o,s:s,s:s,s:o,s:o,s:o,s:o,s:s,s:o}", "name",
		    posternctl_string(f->name.data), "domain", f->m->domain,
		    "selector", f->m->selector, "file",
		    posternctl_string(f->file), "status",
		    posternctl_string(f->fault == NULL ? "ok" : f->fault),
		    "text", posternctl_string(f->text.data), "cure",
		    posternctl_string(cure), "expected",
		    f->expected.data, "found", posternctl_string(found));
		posternctl_print(j);
		json_decref(j);
		return;
	}
	printf("%s: %s: %s\n", f->name.data,
	    f->fault == NULL ? "ok" : f->fault, f->text.data);
	if (f->fault == NULL)
		return;
	printf("  key:      %s\n  expected: %s\n",
	    f->file == NULL ? "in KeyTable" : f->file, f->expected.data);
	printf("  found:    %s\n", found == NULL ? "nothing" : found);
	if (cure != NULL)
		printf("  cure:     %s\n", cure);
}

/* -- asking -- */

static void
ask(struct check *c, struct finding *f, struct arena *a)
{
	const struct dns *d = resolver_dns(c->with->resolver);
	struct dns_query *q = dns_start(d, buf_text(&f->name), DNS_TXT);
	struct wait w = WAIT_INIT;

	if (q == NULL) {
		find(f, "memory", err_text(ERR_NOMEM));
		return;
	}
	wait_begin(&w, resolver_timeout_ms(c->with->conf));
	judge_answer(f, a, dns_collect(d, q, &w));
	dns_drop(d, q);
	wait_fini(&w);
}

static int
check_key(const struct signing_match *m, const char *file, void *arg)
{
	struct check *c = arg;
	struct finding f = {m, file, NULL, BUF_INIT, BUF_INIT, BUF_INIT,
	    BUF_INIT};
	struct arena a;
	int rc = 0;

	if (c->selector != NULL && strcasecmp(c->selector, m->selector) != 0)
		return 0;
	c->count++;
	arena_init(&a);
	buf_printf(&f.name, "%s._domainkey.%s", m->selector, m->domain);
	if (buf_text(&f.name) == NULL ||
	    dkim_key_record(m->key, &f.expected) != 0 ||
	    buf_text(&f.expected) == NULL) {
		rc = ERR_NOMEM;
	} else {
		ask(c, &f, &a);
		if (f.fault == NULL)
			buf_printf(&f.text,
			    "the DNS has the key that signs (%s, %u bits)",
			    dkim_key_word(m->key), dkim_key_bits(m->key));
		if (buf_text(&f.text) != NULL)
			print(c, &f);
		if (f.fault != NULL)
			c->rc = FINDING;
	}
	buf_fini(&f.name);
	buf_fini(&f.expected);
	buf_fini(&f.found);
	buf_fini(&f.text);
	arena_fini(&a);
	return rc;
}

/* Where root asks, keys are read as UserID, for that is who signs with them. */
static int
load_keys(
    struct key_check *k, const struct conf *conf, struct errmsg *msg_r)
{
	struct privileges user = {0};
	struct errmsg why;
	bool root = geteuid() == 0;
	int rc;

	if (root && privileges_find(conf_str(conf, "UserID"), &user, &why) ==
	    EX_OK && user.change &&
	    (setgroups((size_t)user.ngroups, user.groups) != 0 ||
		setegid(user.gid) != 0 || seteuid(user.uid) != 0)) {
		errmsg_set(msg_r, "UserID: can't become user %s: %s", user.name,
		    strerror(errno));
		return ERR_SYSTEM;
	}
	rc = signing_load(conf, &k->signing, msg_r);
	if (root && seteuid(0) != 0)
		abort();
	return rc;
}

int
key_check_load(struct key_check *k, struct conf *conf, struct errmsg *msg_r)
{
	int rc;

	k->conf = conf;
	rc = conf_also(conf, 0, load_keys(k, conf, msg_r), msg_r);
	return conf_also(
	    conf, rc, resolver_load(conf, NULL, &k->resolver, msg_r), msg_r);
}

void
key_check_close(struct key_check *k)
{
	signing_free(k->signing);
	resolver_unref(k->resolver);
}

static void
say_unjudged(const struct conf *conf)
{
	if (geteuid() != 0)
		fprintf(stderr, "posternctl: who may read the keys is not "
		    "judged; run posternctl as root\n");
	else
		fprintf(stderr, "posternctl: UserID: there is no user %s, so "
		    "who may read the keys is not judged\n",
		    conf_str(conf, "UserID"));
}

int
key_check_run(const struct key_check *k, const char *domain,
    const char *selector, bool json)
{
	struct check c = {.domain = domain,
	    .selector = selector,
	    .json = json,
	    .with = k};
	struct errmsg msg = {.text = ""};

	if (k->signing != NULL && !signing_judged(k->signing))
		say_unjudged(k->conf);
	if (k->signing != NULL &&
	    signing_keys(k->signing, domain, check_key, &c, &msg) != 0) {
		fprintf(stderr, "posternctl: %s\n",
		    msg.text[0] == '\0' ? err_text(ERR_NOMEM) : msg.text);
		return EX_SOFTWARE;
	}
	if (c.count > 0)
		return c.rc;
	fprintf(stderr, "posternctl: %s: the configuration has no key "
	    "%s%sfor this domain: see KeyTable, or Domain, Selector "
	    "and KeyFile\n", domain, selector == NULL ? "" : selector,
	    selector == NULL ? "" : " ");
	return FINDING;
}
