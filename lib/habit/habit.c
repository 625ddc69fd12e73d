/* SPDX-License-Identifier: BSD-2-Clause */
#include "habit.h"

#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/base/siphash.h"
#include "lib/text/ascii.h"
#include "record.h"

#define OFFICE_ACCOUNTS 5 /* a network of so many accounts is everybody's */
#define LOWER_MAX 512     /* octets of an address, and more */
#define CAMPAIGN_LEAST 3  /* accounts, and strangers of each */

_Static_assert(sizeof(struct record) <= 2048, "a record is 2 KiB");

void
habit_defaults(struct habit_options *opt_r)
{
	memset(opt_r, 0, sizeof(*opt_r));
	for (enum habit_kind k = 0; k < HABIT_KINDS; k++) {
		opt_r->weight[k] = habit_kind_weight(k);
		if (!habit_kind_is_foreign(k))
			opt_r->lock_kinds |= 1U << k;
	}
}

/* A hash that is never 0, of the text without regard to case; `sort` keeps a
 * name and an address of the same text apart. */
uint64_t
habit_hash(const struct habit *h, char sort, const char *text)
{
	uint64_t key[2] = {h->opt.key[0] ^ (unsigned char)sort, h->opt.key[1]};
	uint64_t hash[2];
	char lower[LOWER_MAX];
	size_t len = strlen(text);

	/* What is longer is no address. */
	if (len <= sizeof(lower)) {
		for (size_t i = 0; i < len; i++)
			lower[i] = ascii_lower(text[i]);
		text = lower;
	}
	siphash128(key, text, len, hash);
	return hash[0] == 0 ? 1 : hash[0];
}

/* -- records -- */

/* Where the account's number is, or would be. */
static size_t
place_of(struct habit *h, const char *account)
{
	size_t i = habit_hash(h, 'a', account) & (h->place_count - 1);

	/* A file may say anything: look at each place once. */
	for (size_t n = 0; n < h->place_count && h->places[i] != 0; n++) {
		const struct record *r = store_record(h, h->places[i] - 1);

		if (r != NULL && strcasecmp(r->account, account) == 0)
			break;
		i = (i + 1) & (h->place_count - 1);
	}
	return i;
}

/* NULL: there is none. */
static struct record *
find(struct habit *h, const char *account)
{
	uint32_t n = h->places[place_of(h, account)];

	return n == 0 ? NULL : store_record(h, n - 1);
}

static bool
is_program(const char *account)
{
	return strncmp(account, "script:", 7) == 0 ||
	    strncmp(account, "sender:", 7) == 0;
}

/* 0; ERR_FULL; ERR_LIMIT: the name is too long. */
static int
find_or_make(struct habit *h, const char *account, uint32_t *number_r)
{
	size_t at = place_of(h, account);
	struct head *d = h->head;
	bool minor = is_program(account);
	struct record *r;

	if (h->places[at] != 0) {
		*number_r = h->places[at] - 1;
		return store_record(h, *number_r) == NULL ? ERR_FULL : 0;
	}
	if (strlen(account) > HABIT_ACCOUNT_MAX)
		return ERR_LIMIT;
	if (d->count >= h->room ||
	    (minor && d->minors >= h->room / 2 + 1))
		return ERR_FULL;
	r = &h->records[d->count];
	memset(r, 0, sizeof(*r));
	strcpy(r->account, account);
	*number_r = d->count++;
	d->minors += minor;
	h->places[at] = *number_r + 1;
	return 0;
}

/* -- things in use -- */

/* The thing's place, or the place of the one that is used least. */
static struct used *
used_find(struct used *u, int count, uint64_t hash, int32_t now, bool *new_r)
{
	struct used *least = &u[0];

	*new_r = true;
	for (int i = 0; i < count; i++) {
		if (u[i].hash == hash) {
			*new_r = now - u[i].first < 86400;
			return &u[i];
		}
		if (u[i].hash == 0 ? least->hash != 0
			: least->hash != 0 && (u[i].count < least->count ||
			    (u[i].count == least->count &&
				u[i].last < least->last)))
			least = &u[i];
	}
	*least = (struct used){.hash = hash, .first = now, .last = now};
	return least;
}

static uint64_t
hash_net(const struct habit *h, const char *client)
{
	struct host host;
	size_t len;
	unsigned char net[8] = {0};
	char text[24];
	const unsigned char *octets;

	if (client == NULL || !host_parse(client, &host) ||
	    host_is_loopback(&host))
		return 0;
	octets = host_octets(&host, &len);
	memcpy(net, octets, len == 4 ? 3 : 6);
	for (int i = 0; i < 8; i++) {
		text[2 * i] = "0123456789abcdef"[net[i] >> 4];
		text[2 * i + 1] = "0123456789abcdef"[net[i] & 15];
	}
	strcpy(text + 16, len == 4 ? "/24" : "/48");
	return habit_hash(h, 'n', text);
}

/* Do so many accounts use the network that it is nobody's sign?  fresh: one more
 * does. */
static bool
is_everybodys(struct habit *h, uint64_t hash, bool fresh, int32_t now)
{
	struct shared_net *s = &h->nets[hash % (SHARED_SLOTS / WAYS) * WAYS];
	struct shared_net *least = s;

	for (int i = 0; i < WAYS; i++) {
		if (s[i].hash == hash) {
			s[i].accounts += fresh;
			return s[i].accounts >= OFFICE_ACCOUNTS;
		}
		if (s[i].accounts < least->accounts)
			least = &s[i];
	}
	if (fresh)
		*least = (struct shared_net){hash, 1, now};
	return false;
}

static void
look_at_place(struct habit *h, struct mail *m)
{
	uint64_t hash = hash_net(h, m->e->client);
	bool fresh = true, new;

	if (hash == 0)
		return;
	for (int i = 0; i < NETS; i++)
		fresh = fresh && m->r->nets[i].hash != hash;
	if (is_everybodys(h, hash, fresh, m->now))
		return;
	m->net = used_find(m->r->nets, NETS, hash, m->now, &new);
	m->newnet = new;
	m->firstnet = fresh;
	/* What the account is suspected for does not become usual. */
	if (new && m->r->dirty > m->now)
		m->net->first = m->now;
	m->net->last = m->now;
	m->net->count++;
}

static void
look_at_helo(struct habit *h, struct mail *m)
{
	struct used *u;
	bool new;

	if (m->e->helo == NULL)
		return;
	m->hashelo = true;
	m->helo = habit_hash(h, 'h', m->e->helo);
	u = used_find(m->r->helos, NAMES, m->helo, m->now, &new);
	m->newhelo = new;
	if (new && m->r->dirty > m->now)
		u->first = m->now;
	u->last = m->now;
	u->count++;
}

/* The first sender that an account uses is its own. */
static void
look_at_from(struct habit *h, struct mail *m)
{
	struct used *u;
	bool new, first = m->r->froms[0].hash == 0;

	if (m->e->from == NULL || m->e->from[0] == '\0')
		return;
	m->from = habit_hash(h, 'f', m->e->from);
	u = used_find(m->r->froms, NAMES, m->from, m->now, &new);
	m->newfrom = u->count == 0 && !first;
	u->last = m->now;
	u->count++;
}

/* -- recipients -- */

static bool
is_canary(const struct habit *h, const char *address)
{
	return h->opt.is_canary != NULL &&
	    h->opt.is_canary(h->opt.ctx, address);
}

static void
meet(struct habit *h, struct mail *m, const char *const *names, size_t count,
    bool keep)
{
	for (size_t i = 0; i < count && names != NULL; i++) {
		uint64_t hash = habit_hash(h, 'r', names[i]);
		int met = met_has(h, m->r, hash);

		m->strangers += met == 0;
		m->met += met == 1;
		m->canary = m->canary || is_canary(h, names[i]);
		if (met == 0 && keep)
			met_add(h, m->r, hash);
	}
}

static void
look_at_rcpts(struct habit *h, struct mail *m)
{
	const struct habit_event *e = m->e;

	meet(h, m, e->rcpts, e->rcpt_count, !e->stopped);
	meet(h, m, e->refused, e->refused_count, false);
	m->rcpts = e->rcpt_count + e->refused_count;
	m->known = m->strangers + m->met > 0;
}

/* -- subjects -- */

/* The number of accounts that have sent that subject to strangers today. */
static uint32_t
subject_accounts(struct habit *h, uint64_t hash, uint32_t number, int32_t now)
{
	struct shared_subject *s =
	    &h->subjects[hash % (SHARED_SLOTS / WAYS) * WAYS], *at = s;

	for (int i = 0; i < WAYS && at->hash != hash; i++) {
		if (s[i].hash == hash || s[i].last < at->last)
			at = &s[i];
	}
	if (at->hash != hash || now - at->last >= 86400)
		*at = (struct shared_subject){.hash = hash};
	at->last = now;
	at->count = at->count > CAMPAIGN_ACCOUNTS ? 0 : at->count;
	for (uint32_t i = 0; i < at->count; i++) {
		if (at->records[i] == number + 1)
			return at->count;
	}
	if (at->count < CAMPAIGN_ACCOUNTS)
		at->records[at->count++] = number + 1;
	return at->count;
}

static void
look_at_subject(struct habit *h, struct mail *m)
{
	struct test *t = &m->r->tests[HABIT_CAMPAIGN];
	struct used *u;
	uint32_t n;
	bool new;

	if (m->e->subject == NULL || m->e->subject[0] == '\0' || m->tolerated)
		return;
	m->subject = habit_hash(h, 's', m->e->subject);
	u = used_find(m->r->subjects, NAMES, m->subject, m->now, &new);
	if (!new) {
		u->first = m->now;
		u->strangers = 0;
	}
	u->last = m->now;
	u->count++;
	u->strangers += (float)m->strangers;
	if (!m->e->stopped && m->r->peak_today.subject < u->strangers)
		m->r->peak_today.subject = u->strangers;
	if (u->strangers < CAMPAIGN_LEAST || m->program)
		return;
	n = subject_accounts(h, m->subject, m->number, m->now);
	if (n >= CAMPAIGN_LEAST)
		*t = (struct test){.z = n == CAMPAIGN_LEAST ? 0.5f : 1,
		    .hits = (float)n, .since = m->now, .at = m->now};
}

/* -- queue ids -- */

static struct sent *
sent_find(struct habit *h, const char *id, uint64_t *hash_r)
{
	struct sent *s;

	*hash_r = habit_hash(h, 'q', id);
	s = &h->sent[*hash_r % (SENT_SLOTS / WAYS) * WAYS];
	for (int i = 0; i < WAYS; i++) {
		if (s[i].id == *hash_r)
			return &s[i];
	}
	return NULL;
}

static void
sent_add(struct habit *h, const struct mail *m)
{
	size_t n = m->e->rcpt_count;
	struct sent *s, *at;
	uint64_t hash;

	if (m->e->queue_id == NULL || n == 0)
		return;
	at = sent_find(h, m->e->queue_id, &hash);
	if (at == NULL) {
		/* The newest is first. */
		s = &h->sent[hash % (SENT_SLOTS / WAYS) * WAYS];
		memmove(s + 1, s, (WAYS - 1) * sizeof(*s));
		at = s;
	}
	n = n > UINT16_MAX ? UINT16_MAX : n;
	*at = (struct sent){hash, m->number + 1, (uint16_t)n, (uint16_t)n};
}

/* -- events -- */

static void
weigh(struct habit *h, struct record *r, const struct habit_event *e,
    struct habit_result *res)
{
	int32_t now = record_seconds(e->t);

	strcpy(res->account, r->account);
	kinds_weigh(h, r, now, res);
	if (res->score >= h->opt.alert_score * 0.75)
		r->dirty = now + 86400;
	if (res->score >= h->opt.alert_score &&
	    (r->alerted == 0 ||
		e->t - r->alerted >= (int64_t)h->opt.alert_every * 1000)) {
		res->alert = true;
		r->alerted = e->t;
	}
}

static void
lock_if_due(struct habit *h, uint32_t number, const struct habit_event *e,
    struct habit_result *res)
{
	struct record *r = store_record(h, number);

	if (h->opt.lock_score <= 0 || r->locked != 0 ||
	    h->head->locked_count >= h->room ||
	    kinds_lock_score(h, r, record_seconds(e->t)) < h->opt.lock_score)
		return;
	h->locked[h->head->locked_count++] = number;
	/* 0 means that it is not locked. */
	r->locked = e->t > 0 ? e->t : 1;
	res->locked = true;
}

static bool
is_tolerated(const struct mail *m)
{
	const struct counts *c = &m->r->usual;

	return m->e->bulk && (c->mails < 1 || c->bulk > 0.3f * c->mails);
}

static int
outbound(struct habit *h, const struct habit_event *e, struct habit_result *res)
{
	struct mail m = {.e = e, .now = record_seconds(e->t)};
	int rc = find_or_make(h, e->account, &m.number);

	if (rc != 0)
		return rc;
	m.r = store_record(h, m.number);
	m.program = is_program(e->account);
	usual_day(h, m.r, m.program, m.now);
	m.tolerated = is_tolerated(&m);
	look_at_place(h, &m);
	look_at_helo(h, &m);
	look_at_from(h, &m);
	look_at_rcpts(h, &m);
	look_at_subject(h, &m);
	kinds_mail(h, &m);
	usual_count(h, &m);
	sent_add(h, &m);
	m.r->last = m.now;
	weigh(h, m.r, e, res);
	lock_if_due(h, m.number, e, res);
	if (res->alert || res->locked || e->stopped)
		kinds_tell(h, m.r, m.now, res);
	return 0;
}

/* What comes back for mail of ours. */
static void
returned(struct habit *h, const struct habit_event *e, struct habit_result *res)
{
	int32_t now = record_seconds(e->t);
	uint64_t hash;
	struct sent *s = sent_find(h, e->about, &hash);
	struct record *r =
	    s == NULL || s->record == 0 ? NULL : store_record(h, s->record - 1);
	uint16_t *left;

	if (r == NULL)
		return;
	left = e->complaint ? &s->complaints : &s->left;
	if (*left == 0)
		return;
	--*left;
	kinds_bounce(r, now, e->complaint);
	weigh(h, r, e, res);
	if (res->alert)
		kinds_tell(h, r, now, res);
}

/* Who writes to an account is no stranger to it, if somebody vouches that it was
 * he. */
static void
wrote(struct habit *h, const struct habit_event *e)
{
	bool canary = is_canary(h, e->from);
	uint64_t hash = habit_hash(h, 'r', e->from);

	for (size_t i = 0; i < e->rcpt_count && e->rcpts != NULL; i++) {
		struct record *r = find(h, e->rcpts[i]);

		if (r == NULL)
			continue;
		if (canary)
			r->lured = record_seconds(e->t);
		if (e->proved && met_has(h, r, hash) == 0)
			met_add(h, r, hash);
	}
}

static int
handle(struct habit *h, const struct habit_event *e, struct habit_result *res)
{
	if (e->outbound)
		return e->account == NULL ? 0 : outbound(h, e, res);
	if (e->about != NULL &&
	    (e->complaint || (e->from != NULL && e->from[0] == '\0')))
		returned(h, e, res);
	else if (e->from != NULL && e->from[0] != '\0')
		wrote(h, e);
	return 0;
}

int
habit_event(
    struct habit *h, const struct habit_event *e, struct habit_result *res)
{
	uint64_t held;
	int rc;

	res->account[0] = '\0';
	res->alert = res->locked = false;
	res->since = 0;
	res->score = 0;
	res->count = 0;
	held = store_lock(h);
	rc = handle(h, e, res);
	store_unlock(h, held);
	return rc;
}

void
habit_look(struct habit *h, const char *account, struct habit_result *res)
{
	uint64_t held = store_lock(h);
	struct record *r = find(h, account);

	memset(res, 0, sizeof(*res));
	if (r != NULL) {
		strcpy(res->account, r->account);
		kinds_weigh(h, r, r->last, res);
		kinds_tell(h, r, r->last, res);
	}
	store_unlock(h, held);
}

/* -- locks -- */

static bool
has_ended(const struct habit *h, const struct record *r, int64_t t)
{
	return h->opt.lock_for != 0 &&
	    t - r->locked >= (int64_t)h->opt.lock_for * 1000;
}

bool
habit_is_locked(struct habit *h, const char *account, int64_t t)
{
	uint64_t held = store_lock(h);
	const struct record *r = find(h, account);
	bool is = r != NULL && r->locked != 0 && !has_ended(h, r, t);

	store_unlock(h, held);
	return is;
}

/* What was said against the account is settled; it may be locked for what comes
 * now. */
static void
unlock_at(struct habit *h, uint32_t i)
{
	struct record *r = store_record(h, h->locked[i]);

	if (r != NULL) {
		r->locked = 0;
		r->canary = 0;
		memset(r->tests, 0, sizeof(r->tests));
		memset(r->cells, 0, sizeof(r->cells));
		memset(r->day_cells, 0, sizeof(r->day_cells));
		r->mail_most = 0;
	}
	h->head->locked_count--;
	memmove(&h->locked[i], &h->locked[i + 1],
	    (h->head->locked_count - i) * sizeof(*h->locked));
}

void
habit_unlock(struct habit *h, const char *account)
{
	uint64_t held = store_lock(h);

	for (uint32_t i = 0; i < h->head->locked_count; i++) {
		const struct record *r = store_record(h, h->locked[i]);

		if (r != NULL && strcmp(r->account, account) == 0) {
			unlock_at(h, i);
			break;
		}
	}
	store_unlock(h, held);
}

bool
habit_next_unlocked(
    struct habit *h, int64_t t, char account_r[HABIT_ACCOUNT_MAX + 1])
{
	uint64_t held = store_lock(h);
	const struct record *r;
	bool is = false;

	/* In the order in which they were locked, all for the same time. */
	if (h->head->locked_count > 0) {
		r = store_record(h, h->locked[0]);
		is = r != NULL && has_ended(h, r, t);
	}
	if (is) {
		strcpy(account_r, r->account);
		unlock_at(h, 0);
	}
	store_unlock(h, held);
	return is;
}
