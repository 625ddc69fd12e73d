/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dkim/dkim_engine.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <opendkim/dkim.h>
#include <openssl/evp.h>

#include "lib/base/buf.h"
#include "lib/dkim/dkim_key.h"

struct dkim_engine {
	DKIM_LIB *lib;
	EVP_MD *sha256;
};

/* The hashes are there: no key is looked up, nothing is verified. */
static DKIM_CBSTAT
stop_before_keys(DKIM *d, DKIM_SIGINFO **sigs, int count)
{
	(void)d;
	(void)sigs;
	(void)count;
	return DKIM_CBSTAT_ERROR;
}

struct dkim_engine *
dkim_engine_new(void)
{
	struct dkim_engine *e = malloc(sizeof(*e));
	/* Signatures may bear any time since 2001, whatever the clock says:
	 * the library compares both ways, without regard to signs. */
	uint64_t drift = 1000000000;
	unsigned int flags =
	    DKIM_LIBFLAGS_DELAYSIGPROC | DKIM_LIBFLAGS_BADSIGHANDLES;

	if (e == NULL)
		return NULL;
	e->lib = dkim_init(NULL, NULL);
	e->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (e->lib == NULL || e->sha256 == NULL ||
	    dkim_options(e->lib, DKIM_OP_SETOPT, DKIM_OPTS_CLOCKDRIFT, &drift,
		sizeof(drift)) != DKIM_STAT_OK ||
	    dkim_options(e->lib, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags,
		sizeof(flags)) != DKIM_STAT_OK ||
	    dkim_set_final(e->lib, stop_before_keys) != DKIM_STAT_OK) {
		dkim_engine_free(e);
		return NULL;
	}
	return e;
}

void
dkim_engine_free(struct dkim_engine *e)
{
	if (e == NULL)
		return;
	if (e->lib != NULL)
		dkim_close(e->lib);
	EVP_MD_free(e->sha256);
	free(e);
}

const EVP_MD *
dkim_engine_sha256(const struct dkim_engine *e)
{
	return e->sha256;
}

struct dkim *
dkim_engine_begin(const struct dkim_engine *e)
{
	DKIM_STAT st;

	return dkim_verify(e->lib, (const unsigned char *)"", NULL, &st);
}

void
dkim_engine_end(struct dkim *d)
{
	if (d != NULL)
		dkim_free(d);
}

void
dkim_engine_text(struct buf *field, const char *value, size_t value_len)
{
	const char *end = value + value_len, *lf, *p = value;

	for (; (lf = memchr(p, '\n', (size_t)(end - p))) != NULL; p = lf + 1) {
		buf_add(field, p, (size_t)(lf - p));
		buf_str(field, lf > value && lf[-1] == '\r' ? "\n" : "\r\n");
	}
	buf_add(field, p, (size_t)(end - p));
}

void
dkim_engine_field(struct buf *field, const char *name, size_t name_len,
    const char *value, size_t value_len)
{
	buf_add(field, name, name_len);
	buf_char(field, ':');
	dkim_engine_text(field, value, value_len);
}

bool
dkim_engine_feed(struct dkim *d, const struct buf *field)
{
	return !field->failed && field->len > 0 &&
	    dkim_header(d, (unsigned char *)field->data, field->len) ==
	    DKIM_STAT_OK;
}

bool
dkim_engine_run(struct dkim **d)
{
	DKIM_STAT st = dkim_eoh(*d);

	/* libopendkim 2.11 may have freed part of it by then, and would again;
	 * better a leak than that. */
	if (st == DKIM_STAT_NORESOURCE)
		*d = NULL;
	/* Without a body of its own the library's is empty; it ends before keys
	 * are looked up (stop_before_keys). */
	return st == DKIM_STAT_OK &&
	    dkim_eom(*d, NULL) == DKIM_STAT_CBERROR;
}

const unsigned char *
dkim_engine_hash(struct dkim *d, size_t i)
{
	void *header, *body;
	size_t header_len, body_len;
	DKIM_SIGINFO **sigs;
	DKIM_SIGERROR error;
	int count;

	if (dkim_getsiglist(d, &sigs, &count) != DKIM_STAT_OK ||
	    i >= (size_t)count)
		return NULL;
	/* An error here means that parts of the signature are missing; but that
	 * l= exceeds a body which is not there says nothing. */
	error = dkim_sig_geterror(sigs[i]);
	if ((error != DKIM_SIGERROR_UNKNOWN &&
		error != DKIM_SIGERROR_TOOLARGE_L) ||
	    dkim_sig_gethashes(sigs[i], &header, &header_len, &body,
		&body_len) != DKIM_STAT_OK ||
	    header_len != DKIM_KEY_HASH_SIZE)
		return NULL;
	return header;
}
