/*
 * Where the records are kept: in memory, or in a file that several processes
 * map and write to.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Both have one form, of a fixed size; in memory only what is used of it takes
 * any.  What a file has is not trusted: its numbers are looked at when a record
 * is first used, and every index whenever it is used.
 *
 * One lock guards all of it: an event holds it for about a microsecond.  It is
 * a word in the file, with its holder's process id and a number that counts.  Who
 * finds it held by a process that is gone, or unchanged for a second, takes it
 * over; what a killed process had changed of a record by then stays so.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/shared.h"
#include "record.h"

#define MEMORY_ACCOUNTS (1U << 20)
#define ACCOUNTS_MAX (1U << 26)
#define PAGES_EACH 1 /* pages for each account: most need none, some 63 */
#define WAIT_NS 50000
#define GONE_WAITS 20000 /* a second: whoever holds it that long is no more */
#define LOOK_WAITS 200

static const struct shared_kind file_kind = {
    .magic = "postern habits",
    .what = "file of habits",
    .version = 1,
    .body_min = 1 << 20,
    .body_max = (size_t)1 << 40,
};

/* -- the layout -- */

static size_t
aligned(size_t n)
{
	return (n + 4095) & ~(size_t)4095;
}

static size_t
places_for(uint32_t accounts)
{
	size_t n = 1024;

	while (n < 2 * (size_t)accounts)
		n *= 2;
	return n;
}

/* The size for so many accounts; and where everything is, in `body`, which may
 * be NULL. */
static size_t
lay_out(struct habit *h, void *body, uint32_t accounts)
{
	size_t page_room = (size_t)accounts * PAGES_EACH + 63;
	size_t at = 0;
	char *base = body;
	struct {
		void **where;
		size_t size;
	} parts[] = {
	    {(void **)&h->head, sizeof(*h->head)},
	    {(void **)&h->sent, SENT_SLOTS * sizeof(*h->sent)},
	    {(void **)&h->nets, SHARED_SLOTS * sizeof(*h->nets)},
	    {(void **)&h->subjects, SHARED_SLOTS * sizeof(*h->subjects)},
	    {(void **)&h->places, places_for(accounts) * sizeof(*h->places)},
	    {(void **)&h->locked, accounts * sizeof(*h->locked)},
	    {(void **)&h->records, accounts * sizeof(*h->records)},
	    {(void **)&h->pages, page_room * sizeof(*h->pages)},
	};

	h->room = accounts;
	h->page_room = page_room;
	h->place_count = places_for(accounts);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		*parts[i].where = base == NULL ? NULL : base + at;
		at += aligned(parts[i].size);
	}
	return at;
}

/* -- open and close -- */

static struct habit *
new_habit(const struct habit_options *opt)
{
	struct habit *h = calloc(1, sizeof(*h));

	if (h != NULL) {
		h->opt = *opt;
		h->pid = (uint32_t)getpid();
	}
	return h;
}

int
habit_open_memory(struct habit **h_r, const struct habit_options *opt)
{
	struct habit *h = new_habit(opt);
	uint32_t accounts = MEMORY_ACCOUNTS;
	void *p = MAP_FAILED;

	if (h == NULL)
		return ERR_NOMEM;
	for (; p == MAP_FAILED && accounts >= 1024; accounts /= 2) {
		h->memory_size = lay_out(h, NULL, accounts);
		p = mmap(NULL, h->memory_size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p != MAP_FAILED)
			lay_out(h, p, accounts);
	}
	if (p == MAP_FAILED) {
		free(h);
		return ERR_NOMEM;
	}
	h->memory = p;
	*h_r = h;
	return 0;
}

static void
place(struct habit *h, uint32_t number)
{
	size_t i = habit_hash(h, 'a', h->records[number].account) &
	    (h->place_count - 1);

	while (h->places[i] != 0)
		i = (i + 1) & (h->place_count - 1);
	h->places[i] = number + 1;
}

static uint32_t
smaller(size_t a, size_t b)
{
	return (uint32_t)(a < b ? a : b);
}

/* Move what there is room for from a file of another size. */
static void
move(struct habit *to, const struct habit *from)
{
	struct head *d = to->head;

	d->count = smaller(from->head->count, to->room);
	d->count = smaller(d->count, from->room);
	d->page_count = smaller(from->head->page_count, to->page_room);
	d->page_count = smaller(d->page_count, from->page_room);
	d->minors = from->head->minors;
	memcpy(d->key, from->head->key, sizeof(d->key));
	memcpy(d->ages, from->head->ages, sizeof(d->ages));
	memcpy(d->hours, from->head->hours, sizeof(d->hours));
	memcpy(to->sent, from->sent, SENT_SLOTS * sizeof(*to->sent));
	memcpy(to->nets, from->nets, SHARED_SLOTS * sizeof(*to->nets));
	memcpy(to->records, from->records, d->count * sizeof(*to->records));
	memcpy(to->pages, from->pages, d->page_count * sizeof(*to->pages));
	memcpy(to->opt.key, d->key, sizeof(d->key));
	for (uint32_t n = 0; n < d->count; n++) {
		to->records[n].account[HABIT_ACCOUNT_MAX] = '\0';
		place(to, n);
		if (to->records[n].locked > 0)
			to->locked[d->locked_count++] = n;
	}
}

/* A new file, with the accounts of the old one if that has another size. */
static void
fill(void *arg, struct shared *made, const struct shared *old)
{
	const uint32_t *accounts = arg;
	struct habit to = {0}, from = {0};
	const struct head *was = old == NULL ? NULL : old->body;

	lay_out(&to, made->body, *accounts);
	to.head->accounts = *accounts;
	memcpy(to.head->key, made->key, sizeof(made->key));
	if (was == NULL || was->accounts > ACCOUNTS_MAX ||
	    lay_out(&from, NULL, was->accounts) != old->size)
		return;
	lay_out(&from, old->body, was->accounts);
	move(&to, &from);
}

static bool
is_number(double x)
{
	return isfinite(x) && x >= 0 && x <= 1e15;
}

/* What the head says of the whole. */
static void
check_head(struct habit *h)
{
	struct head *d = h->head;
	bool good = d->count <= h->room && d->page_count <= h->page_room &&
	    d->locked_count <= d->count && d->minors <= d->count;

	for (int i = 0; i < 2 * AGES && good; i++)
		good = is_number(d->ages[i / AGES][i % AGES].strangers) &&
		    is_number(d->ages[i / AGES][i % AGES].rcpts);
	for (int i = 0; i < 24 && good; i++)
		good = is_number(d->hours[i]);
	if (!good) {
		memset(d->ages, 0, sizeof(d->ages));
		memset(d->hours, 0, sizeof(d->hours));
		if (d->count > h->room)
			d->count = h->room;
		if (d->page_count > h->page_room)
			d->page_count = (uint32_t)h->page_room;
		d->minors = 0;
		d->locked_count = 0;
	}
}

int
habit_open(struct habit **h_r, const char *path, uint32_t accounts,
    const struct habit_options *opt, time_t now,
    struct shared_report *report_r, struct errmsg *msg_r)
{
	struct habit *h = new_habit(opt);
	int rc = h == NULL ? ERR_NOMEM
	    : accounts < 1 || accounts > ACCOUNTS_MAX ? ERR_CONFIG : 0;
	uint64_t held;

	if (rc == 0)
		rc = shared_open(&h->file, &file_kind, path,
		    lay_out(h, NULL, accounts), now, fill, &accounts, report_r,
		    msg_r);
	if (rc != 0) {
		free(h);
		return rc;
	}
	lay_out(h, h->file.body, accounts);
	memcpy(h->opt.key, h->head->key, sizeof(h->opt.key));
	h->checked = calloc(accounts / 8 + 1, 1);
	if (h->checked == NULL) {
		habit_close(h);
		return ERR_NOMEM;
	}
	held = store_lock(h);
	check_head(h);
	store_unlock(h, held);
	*h_r = h;
	return 0;
}

bool
habit_is_there(const struct habit *h, const char *path)
{
	return shared_is_there(&h->file, path);
}

void
habit_close(struct habit *h)
{
	if (h == NULL)
		return;
	if (h->memory != NULL)
		munmap(h->memory, h->memory_size);
	shared_close(&h->file);
	free(h->checked);
	free(h);
}

void
habit_info(const struct habit *h, struct habit_info *info_r)
{
	info_r->accounts = h->head->count;
	info_r->bytes = lay_out(&(struct habit){0}, NULL, 0) +
	    h->head->count * (sizeof(*h->records) + 2 * sizeof(*h->places)) +
	    h->head->page_count * sizeof(*h->pages);
}

/* -- the lock -- */

static void
nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = WAIT_NS}, NULL);
}

static bool
is_gone(uint64_t word)
{
	return kill((pid_t)(word & 0xffffffff), 0) != 0 && errno == ESRCH;
}

uint64_t
store_lock(struct habit *h)
{
	_Atomic uint64_t *lock = &h->head->lock;
	uint64_t seen = atomic_load(lock);
	unsigned waits = 0;

	for (;;) {
		uint64_t now = atomic_load(lock);
		uint64_t free_word = now & ~UINT64_C(0xffffffff);
		uint64_t mine = (free_word + (UINT64_C(1) << 32)) |
		    h->pid;

		if (now != seen)
			waits = 0;
		seen = now;
		if ((now == free_word || waits > GONE_WAITS ||
			(waits > LOOK_WAITS && waits % LOOK_WAITS == 1 &&
			    is_gone(now))) &&
		    atomic_compare_exchange_strong(lock, &now, mine)) {
			return mine;
		}
		if (waits++ > 20)
			nap();
	}
}

void
store_unlock(struct habit *h, uint64_t held)
{
	/* If it was taken from us, it is no longer ours to give. */
	atomic_compare_exchange_strong(
	    &h->head->lock, &held, held & ~UINT64_C(0xffffffff));
}

/* -- what a file may say -- */

static bool
numbers_are_good(const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_number(x[i]))
			return false;
	}
	return true;
}

static bool
tests_are_good(const struct test *t)
{
	for (int i = 0; i < HABIT_KINDS; i++) {
		if (!is_number(t[i].z) || !is_number(t[i].hits) ||
		    !is_number(t[i].total) || t[i].since < 0 || t[i].at < 0)
			return false;
	}
	return true;
}

static bool
used_are_good(const struct used *u, int n)
{
	for (int i = 0; i < n; i++) {
		if (u[i].first < 0 || u[i].last < 0 ||
		    !is_number(u[i].count) || !is_number(u[i].strangers))
			return false;
	}
	return true;
}

static bool
pages_are_good(const struct habit *h, const struct record *r)
{
	if (r->filters > MET_PAGES)
		return false;
	for (uint32_t i = 0; i < r->filters; i++) {
		if (r->pages[i] == 0 ||
		    r->pages[i] - 1 + (UINT64_C(1) << i) > h->page_room)
			return false;
	}
	return true;
}

static bool
record_is_good(const struct habit *h, const struct record *r)
{
	return r->alerted >= 0 && r->locked >= 0 && r->day >= 0 &&
	    r->dirty >= 0 && r->probe >= 0 && r->lured >= 0 &&
	    r->canary >= 0 && r->days >= 0 && r->last >= 0 &&
	    r->cell_at >= 0 && r->day_cell_at >= 0 && is_number(r->mail_most) &&
	    numbers_are_good(r->cells, CELLS) &&
	    numbers_are_good(r->day_cells, DAY_CELLS) &&
	    numbers_are_good((const float *)&r->usual,
		sizeof(r->usual) / sizeof(float)) &&
	    numbers_are_good((const float *)&r->today,
		sizeof(r->today) / sizeof(float)) &&
	    numbers_are_good((const float *)&r->peak,
		sizeof(r->peak) / sizeof(float)) &&
	    numbers_are_good((const float *)&r->peak_today,
		sizeof(r->peak_today) / sizeof(float)) &&
	    tests_are_good(r->tests) && used_are_good(r->nets, NETS) &&
	    used_are_good(r->helos, NAMES) && used_are_good(r->froms, NAMES) &&
	    used_are_good(r->subjects, NAMES) && pages_are_good(h, r);
}

struct record *
store_record(struct habit *h, uint32_t number)
{
	struct record *r;
	unsigned char bit = (unsigned char)(1 << number % 8);

	if (number >= h->head->count || number >= h->room)
		return NULL;
	r = &h->records[number];
	if (h->checked == NULL || (h->checked[number / 8] & bit) != 0)
		return r;
	h->checked[number / 8] |= bit;
	r->account[HABIT_ACCOUNT_MAX] = '\0';
	r->quota_words[sizeof(r->quota_words) - 1] = '\0';
	if (!record_is_good(h, r))
		memset((char *)r + sizeof(r->account), 0,
		    sizeof(*r) - sizeof(r->account));
	return r;
}
