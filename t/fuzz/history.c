/*
 * Any bytes as a history: a defined result, no sum larger than it can be, and
 * what is added to it is found.  SPDX-License-Identifier: BSD-2-Clause
 *
 * The first octet of the input is not of the file: if it is odd, the rest is
 * repeated over the body of a good file; otherwise it is the whole file.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "milter/history.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1700000000
#define SUM_MAX ((UINT64_C(1) << 48) - 1)

static void
write_body(FILE *f, const uint8_t *data, size_t size)
{
	struct stat st;

	if (fstat(fileno(f), &st) != 0)
		abort();
	fseek(f, SHARED_HEADER_SIZE, SEEK_SET);
	for (off_t at = SHARED_HEADER_SIZE; size > 0 && at < st.st_size;) {
		size_t n = (off_t)size > st.st_size - at
		    ? (size_t)(st.st_size - at)
		    : size;

		fwrite(data, 1, n, f);
		at += (off_t)n;
	}
}

static void
make(const char *path, const uint8_t *data, size_t size, bool good)
{
	struct shared_report report;
	struct history *h;
	FILE *f;

	if (good) {
		if (history_open(path, NOW, &h, &report, NULL) != 0)
			abort();
		history_close(h);
	}
	f = fopen(path, good ? "r+b" : "wb");
	if (f == NULL)
		abort();
	if (good)
		write_body(f, data, size);
	else
		fwrite(data, 1, size, f);
	fclose(f);
	chmod(path, 0600);
}

static void
use(struct history *h)
{
	static uint64_t n[HISTORY_MINUTES_KEPT];
	uint64_t before, after;

	for (int s = 0; s < HISTORY_SERIES; s++) {
		history_read(h, HISTORY_MINUTES, (enum history_series)s, NOW,
		    NOW - 60 * (HISTORY_MINUTES_KEPT - 1),
		    HISTORY_MINUTES_KEPT, n);
		for (size_t i = 0; i < HISTORY_MINUTES_KEPT; i++) {
			if (n[i] > SUM_MAX)
				abort();
		}
	}
	history_read(
	    h, HISTORY_HOURS, HISTORY_SERVED, NOW, NOW, 1, &before);
	history_add(h, NOW, HISTORY_SERVED, 7);
	history_read(h, HISTORY_HOURS, HISTORY_SERVED, NOW, NOW, 1, &after);
	if (after != (before + 7 > SUM_MAX ? SUM_MAX : before + 7))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char dir[] = "/tmp/postern-fuzz-XXXXXX", path[64];
	struct shared_report report;
	struct history *h;

	if (size == 0 || mkdtemp(dir) == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s/history", dir);
	make(path, data + 1, size - 1, data[0] % 2 == 1);
	if (history_open_read(path, &h, NULL) == 0)
		history_close(h);
	if (history_open(path, NOW, &h, &report, NULL) == 0) {
		use(h);
		history_close(h);
		unlink(path);
		if (report.event == SHARED_RENEWED)
			unlink(report.bad_path);
	}
	unlink(path);
	rmdir(dir);
	return 0;
}
