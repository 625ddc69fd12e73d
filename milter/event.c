/* SPDX-License-Identifier: BSD-2-Clause */
#include "event.h"

#include <string.h>
#include <strings.h>

#include "lib/base/buf.h"
#include "lib/base/jsontext.h"
#include "lib/base/siphash.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/spf/spf.h"
#include "record.h"

#define MS_MIN INT64_C(1000000000000) /* seconds of ten digits */
#define MS_MAX INT64_C(9999999999999)

const char *const event_privacy_words[] = {"plain", "hash", "count", NULL};

/* -- the time -- */

/* A line begins with `{"t":`, and seconds with milliseconds, always as long. */
#define TIME_AT 5
#define TIME_LEN 14 /* 1764547200.123, for the years 2001 to 2286 */
#define LATE_MS 1000

static void
write_time(int64_t ms, char *at)
{
	ms = ms < MS_MIN ? MS_MIN : ms > MS_MAX ? MS_MAX : ms;
	for (int i = TIME_LEN - 1; i >= 0; i--) {
		if (i == TIME_LEN - 4) {
			at[i] = '.';
			continue;
		}
		at[i] = (char)('0' + ms % 10);
		ms /= 10;
	}
}

static int64_t
read_time(const char *at)
{
	int64_t ms = 0;

	for (int i = 0; i < TIME_LEN; i++) {
		if (at[i] != '.')
			ms = ms * 10 + (at[i] - '0');
	}
	return ms;
}

void
event_order(char *line, int64_t *last_ms)
{
	int64_t ms = read_time(line + TIME_AT);

	if (ms < *last_ms && *last_ms - ms <= LATE_MS)
		write_time(*last_ms, line + TIME_AT);
	else
		*last_ms = ms;
}

static void
add_time(struct buf *b, const struct record *r)
{
	char text[TIME_LEN];

	write_time((int64_t)r->time.tv_sec * 1000 + r->time.tv_nsec / 1000000,
	    text);
	buf_str(b, "{\"t\":");
	buf_add(b, text, sizeof(text));
}

/* -- texts -- */

/* The octets of it that count: a packed record keeps no more. */
static size_t
cut(size_t len)
{
	return len < EVENT_TEXT_MAX ? len : EVENT_TEXT_MAX;
}

static void
add_key(struct buf *b, const char *key)
{
	buf_str(b, ",\"");
	buf_str(b, key);
	buf_str(b, "\":");
}

static void
add_text(struct buf *b, const char *key, const char *text)
{
	if (text == NULL)
		return;
	add_key(b, key);
	jsontext_add(b, text, cut(strlen(text)));
}

static void
add_number(struct buf *b, const char *key, uint64_t n)
{
	char text[20];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	add_key(b, key);
	buf_add(b, text + at, sizeof(text) - at);
}

static void
add_hash(struct buf *b, const struct event_form *form, const char *bytes,
    size_t len)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t hash[2];
	char text[16];

	siphash128(form->key, bytes, len, hash);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = digits[hash[0] >> (60 - 4 * i) & 15];
	buf_add(b, text, sizeof(text));
}

/* An address in lower case; its domain has a hash of its own, so that those of
 * one domain are seen to be. */
static void
add_hashed_address(
    struct buf *b, const struct event_form *form, const char *addr, size_t len)
{
	char lower[EVENT_TEXT_MAX];
	const char *at;

	for (size_t i = 0; i < len; i++)
		lower[i] = addr[i] >= 'A' && addr[i] <= 'Z'
		    ? (char)(addr[i] | 0x20)
		    : addr[i];
	at = memrchr(lower, '@', len);
	buf_char(b, '"');
	add_hash(b, form, lower, len);
	if (at != NULL) {
		buf_char(b, '@');
		add_hash(b, form, at, len - (size_t)(at - lower));
	}
	buf_char(b, '"');
}

/* -- recipients -- */

/* Those that were refused one by one, or those that were not. */
static size_t
count_rcpts(const struct record *r, bool refused)
{
	size_t n = 0;

	for (const struct rcpt *to = r->rcpts; to != NULL; to = to->next)
		n += to->refused == refused;
	return refused ? n : r->rcpt_count;
}

/* Add their list; returns how many are in it. */
static size_t
add_rcpts(struct buf *b, const struct record *r, const struct event_form *form,
    const char *key, bool refused)
{
	size_t n = 0, from = b->len;

	add_key(b, key);
	buf_char(b, '[');
	for (const struct rcpt *to = r->rcpts;
	     to != NULL && b->len - from < EVENT_LIST_MAX; to = to->next) {
		size_t len = cut(strlen(to->addr));

		if (to->refused != refused)
			continue;
		if (n++ > 0)
			buf_char(b, ',');
		if (form->privacy == EVENT_HASH)
			add_hashed_address(b, form, to->addr, len);
		else
			jsontext_add(b, to->addr, len);
	}
	buf_char(b, ']');
	return n;
}

static void
add_envelope(
    struct buf *b, const struct record *r, const struct event_form *form)
{
	size_t stopped = count_rcpts(r, true), n = 0;
	bool counts = form->privacy == EVENT_COUNT;

	add_text(b, "from", r->sender);
	if (!counts)
		n = add_rcpts(b, r, form, "rcpts", false);
	if (counts || n != r->rcpt_count)
		add_number(b, "recipient_count", r->rcpt_count);
	if (stopped == 0)
		return;
	if (!counts)
		n = add_rcpts(b, r, form, "stopped", true);
	if (counts || n != stopped)
		add_number(b, "stopped_count", stopped);
}

/* -- the rest -- */

/* With an octet in front that no address has: who sends a subject that is an
 * address does not see the address's hash. */
static void
add_hashed_subject(struct buf *b, const struct event_form *form,
    const char *subject, size_t len)
{
	char text[1 + EVENT_TEXT_MAX] = {'\0'};

	memcpy(text + 1, subject, len);
	buf_char(b, '"');
	add_hash(b, form, text, 1 + len);
	buf_char(b, '"');
}

static void
add_subject(
    struct buf *b, const struct record *r, const struct event_form *form)
{
	size_t len = cut(r->subject_len);

	if (r->subject == NULL || form->privacy == EVENT_COUNT)
		return;
	add_key(b, "subject");
	if (form->privacy == EVENT_PLAIN) {
		jsontext_add(b, r->subject, len);
		return;
	}
	add_hashed_subject(b, form, r->subject, len);
}

/* Of a message that has a recipient; the others ended before it came. */
static void
add_message(
    struct buf *b, const struct record *r, const struct event_form *form)
{
	if (r->rcpt_count == 0)
		return;
	if (r->came)
		add_number(b, "bytes", r->size);
	add_subject(b, r, form);
	if (r->rules != NULL || r->score != 0) {
		add_key(b, "score");
		buf_printf(b, "%.6g", r->score);
	}
	add_text(b, "queue_id", r->queue_id);
}

/* Does SPF, DKIM or DMARC vouch for the domain of the sender? */
static bool
is_proved(const struct record *r)
{
	const char *domain = strrchr(r->sender, '@');
	bool proved = r->spf != NULL && r->spf->result == SPF_PASS &&
	    r->spf->scope == SPF_MFROM;

	if (domain == NULL)
		return false;
	domain++;
	for (size_t i = 0; r->dkim != NULL && i < r->dkim->count; i++) {
		const struct dkim_verdict *d = &r->dkim->list[i];

		proved = proved ||
		    (d->status == DKIM_STATUS_PASS && d->domain != NULL &&
			strcasecmp(d->domain, domain) == 0);
	}
	return proved ||
	    (r->dmarc != NULL && r->dmarc->result == DMARC_PASS &&
		r->dmarc->authors == 1 &&
		strcasecmp(r->dmarc->domain, domain) == 0);
}

static void
add_proof(struct buf *b, const struct record *r)
{
	if (r->direction == DIRECTION_OUTBOUND || r->sender[0] == '\0' ||
	    (r->spf == NULL && r->dkim == NULL && r->dmarc == NULL))
		return;
	add_key(b, "proved");
	buf_str(b, is_proved(r) ? "true" : "false");
}

bool
event_line(
    struct buf *b, const struct record *r, const struct event_form *form)
{
	const char *verdict = record_word(r);

	if (r->at != NULL)
		return false;
	add_time(b, r);
	add_text(b, "direction", r->direction == DIRECTION_OUTBOUND
		? "outbound" : "inbound");
	add_text(b, "account", r->account);
	add_text(b, "client", r->client_ip);
	add_text(b, "helo", r->client_helo);
	add_envelope(b, r, form);
	add_message(b, r, form);
	add_proof(b, r);
	if (strcmp(verdict, "accept") != 0)
		add_text(b, "verdict", verdict);
	buf_char(b, '}');
	return true;
}
