/*
 * Any octets in a file of habits: it is opened, and events go on in it.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The input is written over a good file: a place (four octets, little-endian,
 * modulo the size), how often (one), a length (one) and so many octets, again
 * and again.
 */
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/shared.h"
#include "lib/habit/habit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ACCOUNTS 8

static struct habit *
open_file(const char *path)
{
	struct habit_options opt;
	struct shared_report report;
	struct habit *h;

	habit_defaults(&opt);
	opt.alert_score = 5;
	opt.alert_every = 86400;
	opt.lock_score = 5;
	opt.lock_for = 60;
	if (habit_open(&h, path, ACCOUNTS, &opt, 1700000000, &report, NULL) !=
	    0)
		abort();
	return h;
}

static void
use(struct habit *h)
{
	static const char *const accounts[] = {
	    "bob@example.org", "script:/form.php", "al@example.org", "new"};
	char rcpt[40], unlocked[HABIT_ACCOUNT_MAX + 1];
	const char *rcpts[] = {rcpt};
	struct habit_result r;

	for (int i = 0; i < 40; i++) {
		struct habit_event e = {.t = 1700697600000 + i * 3000,
		    .outbound = i % 5 != 0, .account = accounts[i % 4],
		    .from = i % 5 == 0 ? "" : "x@example.org",
		    .client = "192.0.2.7", .helo = "h", .subject = "s",
		    .queue_id = "Q", .about = "Q", .rcpts = rcpts,
		    .rcpt_count = 1, .quota = 0.9, .has_score = true,
		    .score = 6};

		snprintf(rcpt, sizeof(rcpt), "r%d@example.net", i);
		if (habit_event(h, &e, &r) != 0)
			continue;
		if (!isfinite(r.score) || r.score < 0 ||
		    strlen(r.account) > HABIT_ACCOUNT_MAX)
			abort();
	}
	for (int i = 0; i < 4; i++) {
		habit_look(h, accounts[i], &r);
		habit_unlock(h, accounts[i]);
	}
	while (habit_next_unlocked(h, INT64_MAX, unlocked))
		continue;
}

static void
overwrite(const char *path, const uint8_t *data, size_t size)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		abort();
	while (size > 6) {
		uint32_t at = (uint32_t)data[0] | (uint32_t)data[1] << 8 |
		    (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
		unsigned times = data[4] + 1U;
		size_t n = data[5] < size - 6 ? data[5] : size - 6;
		off_t place = SHARED_HEADER_SIZE + (off_t)(at %
		    (uint32_t)(st.st_size - SHARED_HEADER_SIZE - 65536));

		for (; times > 0; times--, place += (off_t)n) {
			if (pwrite(fd, data + 6, n, place) < 0)
				abort();
		}
		data += 6 + n;
		size -= 6 + n;
	}
	close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/dev/shm/habit_file.XXXXXX", path[64];
	struct habit *h;

	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/habits", dir);
	h = open_file(path);
	use(h);
	habit_close(h);
	overwrite(path, data, size);
	h = open_file(path);
	use(h);
	habit_close(h);
	unlink(path);
	rmdir(dir);
	return 0;
}
