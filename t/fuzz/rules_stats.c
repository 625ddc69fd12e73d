/*
 * Any bytes as a file of counts: read, opened, counted in, and a defined result
 * of each.  SPDX-License-Identifier: BSD-2-Clause
 *
 * The first octet of the input is not of the file: when it is odd, the rest is
 * repeated from a place behind a good header on, so that small inputs fill
 * slots.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/rules/rules.h"
#include "lib/rules/rules_stats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER 128

static const char text[] = "header A exists:From\nheader B exists:To\n";

static void
write_file(const char *path, const struct rules *rules, const uint8_t *data,
    size_t size, bool good)
{
	struct rules_stats_report rep;
	struct rules_stats *s;
	struct stat st;
	FILE *f;

	if (!good) {
		if ((f = fopen(path, "wb")) == NULL)
			abort();
		fwrite(data, 1, size, f);
		fclose(f);
		chmod(path, 0600);
		return;
	}
	s = rules_stats_new(path, rules);
	if (s == NULL || rules_stats_flush(s, 1000, &rep, NULL) != 0 ||
	    stat(path, &st) != 0 || (f = fopen(path, "r+b")) == NULL)
		abort();
	rules_stats_free(s);
	fseek(f, HEADER, SEEK_SET);
	for (long at = HEADER; size > 0 && at < st.st_size;) {
		size_t n = size;

		if ((long)n > st.st_size - at)
			n = (size_t)(st.st_size - at);
		fwrite(data, 1, n, f);
		at += (long)n;
	}
	fclose(f);
}

/* Such a file is refused, and stays. */
static bool
of_a_later_program(const uint8_t *file, size_t size)
{
	uint32_t version;

	if (size < HEADER || memcmp(file, "postern rules\n\0", 16) != 0)
		return false;
	memcpy(&version, file + 16, sizeof(version));
	return version > 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct rules_setup setup = {0};
	char dir[] = "/dev/shm/rules_stats.XXXXXX", path[64];
	struct rules_stats_report rep;
	struct rules_stats_count *list = NULL;
	struct rules_stats *s;
	struct rules *rules;
	int rc;

	if (size == 0 || size > 100000 ||
	    rules_new_text(text, strlen(text), &setup, &rules) != 0)
		return 0;
	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/rules", dir);
	write_file(path, rules, data + 1, size - 1, (data[0] & 1) != 0);
	rc = rules_stats_read(path, rules, &list, NULL);
	if (rc != 0 && rc != ERR_FORMAT)
		abort();
	free(list);
	s = rules_stats_new(path, rules);
	if (s == NULL)
		abort();
	if ((data[0] & 1) == 0 && of_a_later_program(data + 1, size - 1)) {
		if (rules_stats_flush(s, 2000, &rep, NULL) != ERR_FORMAT ||
		    rep.bad_path[0] != '\0' || rc != ERR_FORMAT)
			abort();
		goto done;
	}
	if (rules_stats_flush(s, 2000, &rep, NULL) != 0 ||
	    (rep.event == RULES_STATS_RENEWED) != (rc == ERR_FORMAT))
		abort();
	/* Whatever it was, now it is good. */
	if (rules_stats_read(path, rules, &list, NULL) != 0 ||
	    list[0].since == 0)
		abort();
	free(list);
	if (rep.bad_path[0] != '\0')
		unlink(rep.bad_path);
done:
	rules_stats_free(s);
	unlink(path);
	rmdir(dir);
	rules_free(rules);
	return 0;
}
