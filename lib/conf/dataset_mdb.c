/*
 * LMDB as a data set.  SPDX-License-Identifier: BSD-2-Clause
 *
 * One process must not open an LMDB twice (lmdb.h, Caveats: closing one drops
 * the file locks of the other), yet two keywords may name the same file, and a
 * reload opens it before the old configuration is gone.  So what is open is
 * shared, and kept in a list of the process.  Nor may it be used across a
 * fork: a child opens its own.
 *
 * Whoever cuts the file off while it is mapped must not end this process: its
 * length is looked at before each look-up, and the map is registered with
 * mapguard for what is cut off meanwhile, or was before it was opened.  Where
 * LMDB would abort for what it reads then, its call is left.  What is found in
 * such a file is a failure, never "not found".
 */
#include "dataset_type.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/cure.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/base/mapguard.h"

/* An LMDB that is open, once in the process. */
struct shared {
	struct shared *next;
	dev_t dev; /* of the data file */
	ino_t ino;
	pid_t pid; /* who opened it */
	unsigned refs;
	pthread_mutex_t lock; /* one look-up at a time: one reader's slot */
	MDB_env *env;
	MDB_txn *txn; /* reset between look-ups */
	MDB_dbi dbi;
	struct mapguard *guard; /* NULL: its map was not found */
	off_t size; /* of the data file, which LMDB never makes shorter */
	jmp_buf corrupt; /* out of a call of LMDB's that finds nonsense */
};

struct mdb {
	char *path;
	enum dataset_use use;
	pthread_mutex_t lock; /* guards `shared`, which a fork outdates */
	struct shared *shared;
};

static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shared *all;

/* -- opening -- */

static int
say(const char *path, const char *what, int rc, struct errmsg *msg_r)
{
	errmsg_set(msg_r, "mdb:%s: %s: %s", path, what,
	    rc == MDB_INVALID ? "no LMDB file" : mdb_strerror(rc));
	errmsg_of_file(msg_r, path, rc);
	return ERR_CONFIG;
}

/* The data file's status; subdir_r: does it stand in a directory of its own? */
static int
stat_data(
    const char *path, struct stat *st, bool *subdir_r, struct errmsg *msg_r)
{
	char file[PATH_MAX];

	if (stat(path, st) != 0)
		return say(path, "cannot be opened", errno, msg_r);
	*subdir_r = S_ISDIR(st->st_mode);
	snprintf(file, sizeof(file), "%s/data.mdb", path);
	if (*subdir_r && stat(file, st) != 0) {
		int error = errno;

		errmsg_set(msg_r, "%s: %s", file, strerror(error));
		errmsg_of_file(msg_r, file, error);
		return ERR_CONFIG;
	}
	if (!S_ISREG(st->st_mode))
		return errmsg_set(
		    msg_r, "mdb:%s: expected a regular file", path);
	if (st->st_mode & S_IWOTH)
		return cure_writable(
		    path, *subdir_r ? file : path, st, msg_r);
	return 0;
}

/* As LMDB names it. */
static void
name_lock(const char *path, bool subdir, char lock_r[PATH_MAX])
{
	snprintf(lock_r, PATH_MAX, subdir ? "%s/lock.mdb" : "%s-lock", path);
}

static int
say_closed(const char *path, bool subdir, int rc, struct errmsg *msg_r)
{
	struct buf cure = BUF_INIT;
	char lock[PATH_MAX];

	name_lock(path, subdir, lock);
	cure_lock(&cure, lock, geteuid(), getegid());
	errmsg_set(msg_r,
	    "mdb:%s: cannot be opened: %s (reading takes write access to "
	    "LMDB's lock file)",
	    path, mdb_strerror(rc));
	errmsg_of_file(msg_r, path, rc);
	if (cure.len > 0)
		errmsg_cure(msg_r, "; ", buf_text(&cure));
	buf_fini(&cure);
	return ERR_CONFIG;
}

/*
 * Without its lock file: whoever only looks must not be the one who makes it,
 * as those who serve or write may not open it then.  While there is none nobody
 * who heeds it writes; who begins to, meanwhile, puts what is new on pages that
 * were free already, and only the second change could come upon ours.  It must
 * be refused to a look where it would be to a start.
 */
static int
look_flags(
    const char *path, bool subdir, enum dataset_use use, unsigned *flags)
{
	char lock[PATH_MAX], dir[PATH_MAX];

	name_lock(path, subdir, lock);
	if (use == DATASET_SERVES || access(lock, F_OK) == 0 || errno != ENOENT)
		return 0;
	cure_parent(lock, dir);
	if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) != 0 &&
	    errno != EROFS)
		return errno;
	*flags |= MDB_NOLOCK;
	return 0;
}

static void
shared_free(struct shared *s)
{
	if (s->txn != NULL)
		mdb_txn_abort(s->txn);
	mapguard_remove(s->guard);
	if (s->env != NULL)
		mdb_env_close(s->env);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* The data file is not what LMDB left. */
static bool
is_cut(struct shared *s)
{
	struct stat st;
	int fd;

	if (mapguard_hit(s->guard) || mdb_env_get_fd(s->env, &fd) != 0 ||
	    fstat(fd, &st) != 0 || st.st_size < s->size)
		return true;
	s->size = st.st_size;
	return false;
}

/*
 * LMDB does not say where its map is, so it is looked up in what the kernel
 * says.  Where that can't be read (a changed root without /proc), only
 * the length guards.
 */
static void
guard_map(struct shared *s, ino_t ino)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[PATH_MAX + 128], mode[5];
	unsigned long at, end, offset, inode;
	int fd;

	if (maps == NULL || mdb_env_get_fd(s->env, &fd) != 0)
		fd = -1;
	while (fd >= 0 && s->guard == NULL &&
	    fgets(line, sizeof(line), maps) != NULL) {
		/* What is held is our parent's, or was cut off. */
		if (sscanf(line, "%lx-%lx %4s %lx %*s %lu", &at, &end, mode,
			&offset, &inode) == 5 &&
		    inode == ino && offset == 0 && strcmp(mode, "r--s") == 0 &&
		    !mapguard_holds((void *)at))
			s->guard = mapguard_add((void *)at, end - at, fd);
	}
	if (maps != NULL)
		fclose(maps);
}

/* LMDB aborts when this returns. */
static void
on_assert(MDB_env *env, const char *text)
{
	struct shared *s = mdb_env_get_userctx(env);

	(void)text;
	longjmp(s->corrupt, 1);
}

static int
shared_open(struct shared *s, const char *path, bool subdir,
    enum dataset_use use, struct errmsg *msg_r)
{
	unsigned flags = MDB_RDONLY | MDB_NOTLS | (subdir ? 0 : MDB_NOSUBDIR);
	int rc = mdb_env_create(&s->env);

	if (rc != 0)
		return say(path, "cannot be opened", rc, msg_r);
	mdb_env_set_userctx(s->env, s);
	mdb_env_set_assert(s->env, on_assert);
	if (setjmp(s->corrupt) != 0)
		return say(path, "cannot be read", MDB_CORRUPTED, msg_r);
	rc = look_flags(path, subdir, use, &flags);
	if (rc == 0)
		rc = mdb_env_open(s->env, path, flags, 0600);
	if (rc == EACCES || rc == EPERM)
		return say_closed(path, subdir, rc, msg_r);
	if (rc != 0)
		return say(path, "cannot be opened", rc, msg_r);
	guard_map(s, s->ino);
	if (is_cut(s))
		return say(path, "cannot be read", EIO, msg_r);
	rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->txn);
	if (rc != 0)
		return say(path, "cannot be read", rc, msg_r);
	rc = mdb_dbi_open(s->txn, NULL, 0, &s->dbi);
	if (rc != 0)
		return say(path, "cannot be read", rc, msg_r);
	mdb_txn_reset(s->txn);
	return 0;
}

/* all_lock is held. */
static int
shared_get_locked(const char *path, enum dataset_use use,
    struct shared **shared_r, struct errmsg *msg_r)
{
	struct shared *s;
	struct stat st;
	bool subdir;
	int rc = stat_data(path, &st, &subdir, msg_r);

	if (rc != 0)
		return rc;
	for (s = all; s != NULL; s = s->next) {
		if (s->dev == st.st_dev && s->ino == st.st_ino &&
		    s->pid == getpid() && !mapguard_hit(s->guard)) {
			s->refs++;
			*shared_r = s;
			return 0;
		}
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return ERR_NOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	rc = shared_open(s, path, subdir, use, msg_r);
	if (rc != 0) {
		shared_free(s);
		return rc;
	}
	s->pid = getpid();
	s->refs = 1;
	s->next = all;
	all = s;
	*shared_r = s;
	return 0;
}

static int
shared_get(const char *path, enum dataset_use use, struct shared **shared_r,
    struct errmsg *msg_r)
{
	int rc;

	pthread_mutex_lock(&all_lock);
	rc = shared_get_locked(path, use, shared_r, msg_r);
	pthread_mutex_unlock(&all_lock);
	return rc;
}

static void
shared_put(struct shared *s)
{
	struct shared **at = &all;

	/* What a parent opened is left as it is: closing it here would
	 * disturb the parent's locks. */
	if (s == NULL || s->pid != getpid())
		return;
	pthread_mutex_lock(&all_lock);
	if (--s->refs == 0) {
		while (*at != s)
			at = &(*at)->next;
		*at = s->next;
		shared_free(s);
	}
	pthread_mutex_unlock(&all_lock);
}

static void
close_mdb(void *data)
{
	struct mdb *mdb = data;

	shared_put(mdb->shared);
	pthread_mutex_destroy(&mdb->lock);
	free(mdb->path);
	free(mdb);
}

static int
open_mdb(const struct dataset_type *type, const char *path,
    enum dataset_use use, struct errlist *list, struct dataset **set_r)
{
	struct mdb *mdb = calloc(1, sizeof(*mdb));
	struct errmsg msg = {.text = ""};
	int rc = ERR_NOMEM;

	if (mdb == NULL)
		return ERR_NOMEM;
	pthread_mutex_init(&mdb->lock, NULL);
	mdb->use = use;
	mdb->path = strdup(path);
	if (mdb->path != NULL)
		rc = shared_get(path, use, &mdb->shared, &msg);
	if (rc != 0 && rc != ERR_NOMEM)
		errlist_add_msg(list, &msg);
	if (rc == 0)
		rc = dataset_make(type, path, mdb, set_r);
	if (rc != 0)
		close_mdb(mdb);
	return rc;
}

/* -- reading -- */

/* Lock what is open, its transaction renewed; opened anew after a fork. */
static int
begin(struct mdb *mdb, struct shared **s_r)
{
	struct shared *s;
	int rc = 0;

	pthread_mutex_lock(&mdb->lock);
	if (mdb->shared->pid != getpid())
		rc = shared_get(mdb->path, mdb->use, &mdb->shared, NULL);
	s = mdb->shared;
	pthread_mutex_unlock(&mdb->lock);
	if (rc != 0)
		return rc;
	pthread_mutex_lock(&s->lock);
	if (is_cut(s) || mdb_txn_renew(s->txn) != 0) {
		pthread_mutex_unlock(&s->lock);
		return ERR_SYSTEM;
	}
	*s_r = s;
	return 0;
}

/* Returns rc, unless that was read from a file that is cut off. */
static int
end(struct shared *s, int rc)
{
	if (mapguard_hit(s->guard))
		rc = ERR_SYSTEM;
	mdb_txn_reset(s->txn);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* Some writers count the terminating NUL as part of the string. */
static size_t
text_len(const MDB_val *v)
{
	const char *s = v->mv_data;

	return v->mv_size > 0 && s[v->mv_size - 1] == '\0' ? v->mv_size - 1
							   : v->mv_size;
}

static int
make_entry(const MDB_val *key, const MDB_val *value, size_t i,
    struct dataset_entry *entry_r)
{
	size_t klen = text_len(key), vlen = text_len(value);
	char *owned = malloc(klen + vlen + 2);

	if (owned == NULL)
		return ERR_NOMEM;
	memcpy(owned, key->mv_data, klen);
	owned[klen] = '\0';
	memcpy(owned + klen + 1, value->mv_data, vlen);
	owned[klen + 1 + vlen] = '\0';
	*entry_r = (struct dataset_entry){owned, owned + klen + 1, i, 0, owned};
	return 0;
}

/* As mdb_get and mdb_cursor_get. */
static int
find_value(struct shared *s, MDB_val *key, MDB_val *value)
{
	if (setjmp(s->corrupt) != 0)
		return MDB_CORRUPTED;
	return mdb_get(s->txn, s->dbi, key, value);
}

static int
step(struct shared *s, MDB_cursor *cursor, MDB_val *key, MDB_val *value,
    MDB_cursor_op to)
{
	if (is_cut(s))
		return MDB_CORRUPTED;
	if (setjmp(s->corrupt) != 0)
		return MDB_CORRUPTED;
	return mdb_cursor_get(cursor, key, value, to);
}

/* Without the terminating NUL, then with it. */
static int
get_exact(struct shared *s, char *text, struct dataset_entry *entry_r)
{
	MDB_val key = {strlen(text), text}, value;
	int rc = MDB_NOTFOUND;

	/* LMDB calls an empty or too long key a mistake. */
	if (key.mv_size == 0 ||
	    key.mv_size >= (size_t)mdb_env_get_maxkeysize(s->env))
		return ERR_NOTFOUND;
	rc = find_value(s, &key, &value);
	if (rc == MDB_NOTFOUND) {
		key.mv_size++;
		rc = find_value(s, &key, &value);
	}
	if (rc == MDB_NOTFOUND)
		return ERR_NOTFOUND;
	return rc == 0 ? make_entry(&key, &value, 0, entry_r) : ERR_SYSTEM;
}

/* A key has one value. */
static int
get_entry(
    void *data, const char *key, size_t from, struct dataset_entry *entry_r)
{
	char *text;
	struct shared *s;
	int rc;

	if (from > 0)
		return ERR_NOTFOUND;
	text = strdup(key);
	if (text == NULL)
		return ERR_NOMEM;
	rc = begin(data, &s);
	if (rc == 0) {
		rc = get_exact(s, text, entry_r);
		if (rc == ERR_NOTFOUND) {
			/* LMDB compares octets: in it, keys are in lower
			 * case to be found whatever the mail says. */
			for (char *p = text; *p != '\0'; p++)
				*p = (char)tolower((unsigned char)*p);
			rc = get_exact(s, text, entry_r);
		}
		if (end(s, rc) != rc) {
			if (rc == 0)
				dataset_entry_fini(entry_r);
			rc = ERR_SYSTEM;
		}
	}
	free(text);
	return rc;
}

static int
walk_entries(void *data,
    int (*each)(const struct dataset_entry *entry, void *arg), void *arg)
{
	struct shared *s;
	MDB_cursor *cursor;
	MDB_val key, value;
	size_t i = 0;
	int rc = begin(data, &s), found;

	if (rc != 0)
		return rc;
	if (mdb_cursor_open(s->txn, s->dbi, &cursor) != 0)
		return end(s, ERR_SYSTEM);
	found = step(s, cursor, &key, &value, MDB_FIRST);
	while (rc == 0 && found == 0) {
		struct dataset_entry entry;

		rc = make_entry(&key, &value, i++, &entry);
		if (rc == 0) {
			rc = each(&entry, arg);
			dataset_entry_fini(&entry);
		}
		found = step(s, cursor, &key, &value, MDB_NEXT);
	}
	if (rc == 0 && found != MDB_NOTFOUND)
		rc = ERR_SYSTEM;
	mdb_cursor_close(cursor);
	return end(s, rc);
}

const struct dataset_type dataset_mdb = {
    .prefix = "mdb:",
    .live = true,
    .open = open_mdb,
    .get = get_entry,
    .walk = walk_entries,
    .close = close_mdb,
};
