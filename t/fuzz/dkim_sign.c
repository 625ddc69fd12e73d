/*
 * Any message is signed so that the DKIM library verifies it, or there is a
 * reason.  The input: an octet of flags; fields, each a length and a name, a
 * length and a value, up to a length of 0; the rest is the body.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_sign.h"
#include "lib/mail/hdr.h"
#include "t/support/data/dkim_keys.h"
#include "t/support/drivers/dkim_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FLAG_FROM 1     /* put a From field on top */
#define FLAG_OVERSIGN 2
#define FLAG_ALL 4      /* sign every field */
#define FLAG_COPIES 8
#define FLAG_HEADER 16  /* relaxed */
#define FLAG_BODY 32    /* relaxed */

static struct dkim_engine *engine;
static struct dkim_key *key;

static void
set_up(void)
{
	struct errmsg msg;

	engine = dkim_engine_new();
	if (engine == NULL ||
	    dkim_key_decode(
		KEY_ED25519, strlen(KEY_ED25519), 0, &key, &msg) != 0)
		abort();
}

static const char *
piece(const uint8_t **data, size_t *size, size_t *len_r)
{
	const char *p;

	*len_r = 0;
	if (*size == 0)
		return "";
	*len_r = (*data)[0] < *size ? (*data)[0] : *size - 1;
	p = (const char *)*data + 1;
	*data += *len_r + 1;
	*size -= *len_r + 1;
	return p;
}

static void
sign(struct arena *a, const struct hdr_list *headers, unsigned flags,
    const char *body, size_t len)
{
	static const char *const all[] = {"*", NULL};
	static const char *const over[] = {"From", "To", "Subject", NULL};
	struct dkim_fields fields = {
	    .sign = flags & FLAG_ALL ? all : NULL,
	    .oversign = flags & FLAG_OVERSIGN ? over : NULL};
	struct dkim_request r = {.domain = "example.org", .selector = "s",
	    .key = key, .at = 1528637909, .ttl = flags,
	    .copies = flags & FLAG_COPIES,
	    .header = flags & FLAG_HEADER ? DKIM_RELAXED : DKIM_SIMPLE,
	    .body = flags & FLAG_BODY ? DKIM_RELAXED : DKIM_SIMPLE};
	struct dkim_sign *s = dkim_sign_new(engine, DKIM_CANON_BIT(r.body));
	struct dkim_result res;
	const char *wrong;
	int rc = dkim_sign_names(a, headers, &fields, &r.names);

	if (s == NULL)
		abort();
	dkim_sign_body(s, body, len);
	if (rc == 0)
		rc = dkim_sign_finish(s, a, headers, &r, 1, &res);
	if (rc == 0) {
		wrong = dkim_check(headers, res.value, body, len,
		    "v=DKIM1; k=ed25519; p=" KEY_ED25519_PUBLIC);
		if (wrong != NULL) {
			fprintf(stderr, "%s\n%s\n", wrong, res.value);
			abort();
		}
	} else if (rc != ERR_NOTFOUND && rc != ERR_SYNTAX && rc != ERR_LIMIT) {
		abort();
	}
	dkim_sign_free(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hdr_list headers = {0};
	struct arena a;
	unsigned flags;

	if (engine == NULL)
		set_up();
	if (size == 0)
		return 0;
	arena_init(&a);
	flags = *data++;
	size--;
	if (flags & FLAG_FROM)
		hdr_add(&headers, &a, "From", 4, " a@example.org", 14);
	for (;;) {
		size_t name_len, value_len;
		const char *name = piece(&data, &size, &name_len), *value;

		if (name_len == 0)
			break;
		value = piece(&data, &size, &value_len);
		hdr_add(&headers, &a, name, name_len, value, value_len);
	}
	sign(&a, &headers, flags, (const char *)data, size);
	arena_fini(&a);
	return 0;
}
