/* SPDX-License-Identifier: BSD-2-Clause */
#include "habit.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/base/siphash.h"
#include "record.h"

#define OFFICE_ACCOUNTS 5 /* a network of so many accounts is everybody's */
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

/* -- open and close -- */

int
habit_open_memory(struct habit **h_r, const struct habit_options *opt)
{
	struct habit *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return ERR_NOMEM;
	h->opt = *opt;
	h->place_count = 1024;
	h->places = calloc(h->place_count, sizeof(*h->places));
	h->sent = calloc(SENT_SLOTS, sizeof(*h->sent));
	h->nets = calloc(SHARED_SLOTS, sizeof(*h->nets));
	h->subjects = calloc(SHARED_SLOTS, sizeof(*h->subjects));
	if (h->places == NULL || h->sent == NULL || h->nets == NULL ||
	    h->subjects == NULL) {
		habit_close(h);
		return ERR_NOMEM;
	}
	*h_r = h;
	return 0;
}

void
habit_close(struct habit *h)
{
	if (h == NULL)
		return;
	free(h->records);
	free(h->pages);
	free(h->places);
	free(h->sent);
	free(h->nets);
	free(h->subjects);
	free(h->locked);
	free(h);
}

void
habit_info(const struct habit *h, struct habit_info *info_r)
{
	info_r->accounts = h->count;
	info_r->bytes = h->room * sizeof(*h->records) +
	    h->page_room * sizeof(*h->pages) +
	    h->place_count * sizeof(*h->places) +
	    SENT_SLOTS * sizeof(*h->sent) +
	    SHARED_SLOTS * (sizeof(*h->nets) + sizeof(*h->subjects));
}

/* A hash that is never 0; `sort` keeps a name and an address of the same text
 * apart. */
uint64_t
habit_hash(const struct habit *h, char sort, const char *text)
{
	uint64_t key[2] = {h->opt.key[0] ^ (unsigned char)sort, h->opt.key[1]};
	uint64_t hash[2];

	siphash128(key, text, strlen(text), hash);
	return hash[0] == 0 ? 1 : hash[0];
}

/* -- records -- */

static size_t
place_of(const struct habit *h, const char *account)
{
	size_t i = habit_hash(h, 'a', account) & (h->place_count - 1);

	while (h->places[i] != 0 &&
	    strcmp(h->records[h->places[i] - 1].account, account) != 0)
		i = (i + 1) & (h->place_count - 1);
	return i;
}

static int
more_places(struct habit *h)
{
	uint32_t *old = h->places;
	size_t count = h->place_count;

	h->places = calloc(count * 2, sizeof(*h->places));
	if (h->places == NULL) {
		h->places = old;
		return ERR_NOMEM;
	}
	h->place_count = count * 2;
	for (uint32_t n = 0; n < h->count; n++)
		h->places[place_of(h, h->records[n].account)] = n + 1;
	free(old);
	return 0;
}

static int
more_records(struct habit *h)
{
	size_t room = h->room == 0 ? 64 : h->room * 2;
	struct record *more = realloc(h->records, room * sizeof(*more));

	if (more == NULL)
		return ERR_NOMEM;
	h->records = more;
	h->room = room;
	return 0;
}

/* NULL: there is none. */
static struct record *
find(struct habit *h, const char *account)
{
	uint32_t n = h->places[place_of(h, account)];

	return n == 0 ? NULL : &h->records[n - 1];
}

static int
find_or_make(struct habit *h, const char *account, uint32_t *number_r)
{
	size_t at = place_of(h, account);
	struct record *r;

	if (h->places[at] != 0) {
		*number_r = h->places[at] - 1;
		return 0;
	}
	if (strlen(account) > HABIT_ACCOUNT_MAX)
		return ERR_LIMIT;
	if ((h->count == h->room && more_records(h) != 0) ||
	    (2 * (h->count + 1) > h->place_count && more_places(h) != 0))
		return ERR_NOMEM;
	r = &h->records[h->count];
	memset(r, 0, sizeof(*r));
	strcpy(r->account, account);
	*number_r = (uint32_t)h->count++;
	h->places[place_of(h, account)] = *number_r + 1;
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

/* The network in the table of all accounts, or the place for it; for `fresh` one
 * more account uses it. */
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

static int
meet(struct habit *h, struct mail *m, const char *const *names, size_t count,
    bool keep)
{
	int rc = 0;

	for (size_t i = 0; i < count && names != NULL && rc == 0; i++) {
		uint64_t hash = habit_hash(h, 'r', names[i]);
		int met = met_has(h, m->r, hash);

		m->strangers += met == 0;
		m->met += met == 1;
		m->canary = m->canary || is_canary(h, names[i]);
		if (met == 0 && keep)
			rc = met_add(h, m->r, hash);
	}
	return rc;
}

static int
look_at_rcpts(struct habit *h, struct mail *m)
{
	const struct habit_event *e = m->e;
	int rc = meet(h, m, e->rcpts, e->rcpt_count, !e->stopped);

	if (rc == 0)
		rc = meet(h, m, e->refused, e->refused_count, false);
	m->rcpts = e->rcpt_count + e->refused_count;
	m->known = m->strangers + m->met > 0;
	return rc;
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
	int32_t now = (int32_t)(e->t / 1000);

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

static int
lock_if_due(struct habit *h, uint32_t number, const struct habit_event *e,
    struct habit_result *res)
{
	struct record *r = &h->records[number];
	uint32_t *more;

	if (h->opt.lock_score <= 0 || r->locked != 0 ||
	    kinds_lock_score(h, r, (int32_t)(e->t / 1000)) < h->opt.lock_score)
		return 0;
	if (h->locked_count == h->locked_room) {
		size_t room = h->locked_room == 0 ? 16 : h->locked_room * 2;

		more = realloc(h->locked, room * sizeof(*more));
		if (more == NULL)
			return ERR_NOMEM;
		h->locked = more;
		h->locked_room = room;
	}
	h->locked[h->locked_count++] = number;
	r->locked = e->t;
	res->locked = true;
	return 0;
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
	struct mail m = {.e = e, .now = (int32_t)(e->t / 1000)};
	int rc = find_or_make(h, e->account, &m.number);

	if (rc != 0)
		return rc;
	m.r = &h->records[m.number];
	m.program = strncmp(e->account, "script:", 7) == 0 ||
	    strncmp(e->account, "sender:", 7) == 0;
	usual_day(h, m.r, m.program, m.now);
	m.tolerated = is_tolerated(&m);
	look_at_place(h, &m);
	look_at_helo(h, &m);
	look_at_from(h, &m);
	rc = look_at_rcpts(h, &m);
	look_at_subject(h, &m);
	kinds_mail(h, &m);
	usual_count(h, &m);
	sent_add(h, &m);
	m.r->last = m.now;
	weigh(h, m.r, e, res);
	if (rc == 0)
		rc = lock_if_due(h, m.number, e, res);
	if (res->alert || res->locked || e->stopped)
		kinds_tell(h, m.r, m.now, res);
	return rc;
}

/* What comes back for mail of ours. */
static int
returned(struct habit *h, const struct habit_event *e, struct habit_result *res)
{
	uint64_t hash;
	struct sent *s = sent_find(h, e->about, &hash);
	uint16_t *left;

	if (s == NULL)
		return 0;
	left = e->complaint ? &s->complaints : &s->left;
	if (*left == 0)
		return 0;
	--*left;
	kinds_bounce(&h->records[s->record - 1], (int32_t)(e->t / 1000),
	    e->complaint);
	weigh(h, &h->records[s->record - 1], e, res);
	if (res->alert)
		kinds_tell(h, &h->records[s->record - 1],
		    (int32_t)(e->t / 1000), res);
	return 0;
}

/* Who writes to an account is no stranger to it, if somebody vouches that it was
 * he. */
static int
wrote(struct habit *h, const struct habit_event *e)
{
	bool canary = is_canary(h, e->from);
	uint64_t hash = habit_hash(h, 'r', e->from);
	int rc = 0;

	for (size_t i = 0; i < e->rcpt_count && e->rcpts != NULL; i++) {
		struct record *r = find(h, e->rcpts[i]);

		if (r == NULL)
			continue;
		if (canary)
			r->lured = (int32_t)(e->t / 1000);
		if (e->proved && met_has(h, r, hash) == 0)
			rc = met_add(h, r, hash);
	}
	return rc;
}

int
habit_event(
    struct habit *h, const struct habit_event *e, struct habit_result *res)
{
	res->account[0] = '\0';
	res->alert = res->locked = false;
	res->since = 0;
	res->score = 0;
	res->count = 0;
	if (e->outbound)
		return e->account == NULL ? 0 : outbound(h, e, res);
	if (e->about != NULL &&
	    (e->complaint || (e->from != NULL && e->from[0] == '\0')))
		return returned(h, e, res);
	if (e->from != NULL && e->from[0] != '\0')
		return wrote(h, e);
	return 0;
}

void
habit_look(struct habit *h, const char *account, struct habit_result *res)
{
	struct record *r = find(h, account);

	memset(res, 0, sizeof(*res));
	if (r == NULL)
		return;
	strcpy(res->account, r->account);
	kinds_weigh(h, r, r->last, res);
	kinds_tell(h, r, r->last, res);
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
	const struct record *r = find(h, account);

	return r != NULL && r->locked != 0 && !has_ended(h, r, t);
}

/* What was said against the account is settled; it may be locked for what comes
 * now. */
static void
unlock_at(struct habit *h, size_t i)
{
	struct record *r = &h->records[h->locked[i]];

	r->locked = 0;
	r->canary = 0;
	memset(r->tests, 0, sizeof(r->tests));
	memset(r->cells, 0, sizeof(r->cells));
	memset(r->day_cells, 0, sizeof(r->day_cells));
	r->mail_most = 0;
	memmove(&h->locked[i], &h->locked[i + 1],
	    (h->locked_count - i - 1) * sizeof(*h->locked));
	h->locked_count--;
}

void
habit_unlock(struct habit *h, const char *account)
{
	for (size_t i = 0; i < h->locked_count; i++) {
		if (strcmp(h->records[h->locked[i]].account, account) == 0) {
			unlock_at(h, i);
			return;
		}
	}
}

bool
habit_next_unlocked(
    struct habit *h, int64_t t, char account_r[HABIT_ACCOUNT_MAX + 1])
{
	/* In the order in which they were locked, all for the same time. */
	if (h->locked_count == 0 ||
	    !has_ended(h, &h->records[h->locked[0]], t))
		return false;
	strcpy(account_r, h->records[h->locked[0]].account);
	unlock_at(h, 0);
	return true;
}
