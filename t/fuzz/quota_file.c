/*
 * Any bytes as a quota table: a defined result, and when it opens, counting in
 * it ends.  SPDX-License-Identifier: BSD-2-Clause
 *
 * The first octet of the input is not of the file; it says whether the check of
 * the header is made right again and how often the rest is repeated, so that
 * small inputs reach what lies behind the header.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/siphash.h"
#include "lib/quota/quota.h"
#include "lib/quota/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ACCOUNTS 3

static void
write_file(const char *path, const uint8_t *data, size_t size, bool mend)
{
	static const struct quota_options opt = {.mode = QUOTA_CREATE,
	    .accounts = ACCOUNTS, .limits = 2};
	struct quota *q;
	struct stat st;
	FILE *f;

	if (mend) {
		/* A good table, overwritten from behind its fixed part on. */
		if (quota_open(&q, path, &opt, NULL, NULL) != 0)
			abort();
		quota_close(q);
		if (stat(path, &st) != 0 || (f = fopen(path, "r+b")) == NULL)
			abort();
		fseek(f, 128, SEEK_SET);
		for (long at = 128; size > 0 && at < st.st_size;) {
			size_t n = size;

			if ((long)n > st.st_size - at)
				n = (size_t)(st.st_size - at);
			fwrite(data, 1, n, f);
			at += (long)n;
		}
	} else {
		if ((f = fopen(path, "wb")) == NULL)
			abort();
		fwrite(data, 1, size, f);
	}
	fclose(f);
	chmod(path, 0600);
}

static void
use(struct quota *q)
{
	static const struct quota_amount one = {{1, 1, 1}};
	struct quota_use use = {0};
	struct quota_set set = {.count = 0};
	struct quota_state state;
	struct quota_entry entry;
	struct quota_info info;
	uint32_t cursor = 0;
	char name[] = "a";

	quota_set_add(&set, &(struct quota_limit){QUOTA_MESSAGES, 60, 5});
	quota_set_add(&set, &(struct quota_limit){QUOTA_BYTES, 3600, 5});
	quota_info(q, &info);
	while (quota_next(q, &cursor, &entry)) {
		if (strlen(entry.account) >= sizeof(entry.account))
			abort();
		quota_peek_entry(q, &entry, &set, &state);
	}
	for (; name[0] < 'g'; name[0]++) {
		quota_peek(q, name, &set, &state);
		if (quota_reserve(q, name, &set, &one, &use, NULL) == 0)
			quota_commit(q, &use, NULL);
		quota_settle(q, &use);
		quota_release(q, &use);
		quota_lock(q, name, name[0] & 1);
		quota_reset(q, name);
	}
	quota_rename(q, "b", "z", NULL);
	quota_rename(q, "c", "d", NULL);
	quota_noted(q, QUOTA_NOTE_REALM, "a");
	quota_reset_all(q);
	quota_check(q, NULL, NULL);
}

/* Such a file is refused, and stays. */
static bool
of_a_later_program(const char *path)
{
	struct table t;
	FILE *f = fopen(path, "rb");
	bool is = f != NULL && fread(&t, sizeof(t), 1, f) == 1 &&
	    memcmp(t.magic, TABLE_MAGIC, sizeof(t.magic)) == 0 &&
	    (t.version > TABLE_VERSION || (t.version == TABLE_VERSION &&
	    (t.features & ~(uint64_t)FEATURES_KNOWN) != 0));

	if (f != NULL)
		fclose(f);
	return is;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct quota_options opt = {.mode = QUOTA_CREATE, .limits = 2};
	char dir[] = "/dev/shm/quota_file.XXXXXX", path[64];
	struct quota_report rep;
	struct errmsg msg;
	struct quota *q;

	if (size == 0 || size > 65536 || mkdtemp(dir) == NULL)
		return 0;
	snprintf(path, sizeof(path), "%s/table", dir);
	write_file(path, data + 1, size - 1, (data[0] & 1) != 0);
	for (int mode = QUOTA_READ; mode >= QUOTA_CREATE; mode--) {
		int rc;

		opt.mode = (enum quota_mode)mode;
		opt.accounts = ACCOUNTS + (data[0] >> 1 & 1);
		rep.bad_path[0] = '\0';
		rc = quota_open(&q, path, &opt, &rep, &msg);
		if (rc == 0) {
			use(q);
			quota_close(q);
		} else if (rc != ERR_FORMAT || (mode == QUOTA_CREATE &&
		    (!of_a_later_program(path) || rep.bad_path[0] != '\0'))) {
			abort();
		}
		if (rep.bad_path[0] != '\0')
			unlink(rep.bad_path);
	}
	unlink(path);
	rmdir(dir);
	return 0;
}
