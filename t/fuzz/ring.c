/*
 * Any bytes as a decision ring: reading and copying it ends, and where it opens
 * for writing, a record that is put there is read again.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The first octet of the input is not of the file; it says whether the rest
 * stands in the place of a good ring's first records and counts, or of the whole
 * file.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/ring/ring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1700000000

static char dir[32], path[64], copy[64];

static void
write_file(const uint8_t *data, size_t size, bool whole)
{
	struct shared_report report;
	struct ring *r = NULL;
	FILE *f;

	if (!whole) {
		if (ring_open(
			path, RING_SIZE_MIN, NOW, &r, &report, NULL) != 0)
			abort();
		for (int i = 0; i < 100; i++)
			ring_put(r, "a record", 8);
		ring_close(r);
	}
	f = fopen(path, whole ? "wb" : "r+b");
	if (f == NULL)
		abort();
	if (!whole)
		fseek(f, SHARED_HEADER_SIZE, SEEK_SET);
	fwrite(data, 1, size, f);
	fclose(f);
	chmod(path, 0600);
}

static void
check_copy(const struct ring *r)
{
	uint64_t upto = 0;
	struct ring *c;

	if (ring_copy(r, copy, &upto, NULL) != 0 ||
	    ring_copy(r, copy, &upto, NULL) != 0 ||
	    ring_open_read(copy, &c, NULL) != 0 || ring_head(c) != upto)
		abort();
	ring_close(c);
	unlink(copy);
}

static void
read_it(const struct ring *r, struct ring_reader *rd, uint64_t skip)
{
	*rd = (struct ring_reader){.ring = r};
	while (ring_next(rd, skip) == RING_RECORD)
		if (rd->len == 0 || rd->len > RING_RECORD_MAX ||
		    rd->place >= rd->at)
			abort();
	if (rd->at > ring_head(r))
		abort();
}

static void
write_on(struct ring *r, struct ring_reader *rd)
{
	rd->at = ring_head(r);
	for (int i = 0; i < 10; i++) {
		if (!ring_put(r, &i, sizeof(i)) ||
		    ring_next(rd, 0) != RING_RECORD || rd->len != sizeof(i) ||
		    memcmp(rd->words, &i, sizeof(i)) != 0)
			abort();
	}
	if (ring_next(rd, 0) != RING_END)
		abort();
}

static void
use(struct ring *r, bool reads)
{
	struct ring_reader rd;

	read_it(r, &rd, UINT64_MAX);
	read_it(r, &rd, 0);
	for (uint64_t at = 0; at < 4096; at += 8)
		(void)ring_at(&rd, at);
	check_copy(r);
	if (!reads)
		write_on(r, &rd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct shared_report report;
	struct ring *r;
	int rc;

	strcpy(dir, "/dev/shm/fuzz-ring.XXXXXX");
	if (size == 0 || size > 2 * RING_SIZE_MIN || mkdtemp(dir) == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s/ring", dir);
	snprintf(copy, sizeof(copy), "%s/copy", dir);
	write_file(data + 1, size - 1, (data[0] & 1) != 0);
	rc = ring_open_read(path, &r, NULL);
	if (rc == 0)
		use(r, true);
	else if (rc != ERR_FORMAT)
		abort();
	ring_close(r);
	/* In its size, and in another. */
	for (size_t by = 1; by <= 2; by++) {
		rc = ring_open(
		    path, by * RING_SIZE_MIN, NOW, &r, &report, NULL);
		if (rc == 0)
			use(r, false);
		else if (rc != ERR_FORMAT)
			abort();
		ring_close(r);
		if (rc == 0 && report.event == SHARED_RENEWED)
			unlink(report.bad_path);
	}
	unlink(path);
	if (rmdir(dir) != 0)
		abort();
	return 0;
}
