/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/mapguard.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/err.h"

/* The handler may come at any moment, so that an entry is never freed; one that
 * is nobody's is taken again. */
struct mapguard {
	struct mapguard *next;
	atomic_bool taken;
	_Atomic uintptr_t at; /* 0: not in use, or not yet */
	atomic_size_t size;
	atomic_int fd;
	atomic_bool hit;
	/* Threads of one fault wait for the first of them, which replaces all:
	 * the next one's zeros must not undo what it counts there. */
	atomic_flag busy;
	atomic_size_t kept; /* from here on all is replaced */
};

/*
 * The only writable statics of lib/: a signal's action belongs to the process,
 * and its handler is given no context, so whatever it is to know must be found
 * from here.
 */
static _Atomic(struct mapguard *) guards;
static struct sigaction before;
static size_t page_size;

/* The sanitizer takes mmap for a write that races with who counts in the pages,
 * but what is replaced here nobody could read. */
#ifdef __SANITIZE_THREAD__
#define map(at, size, prot, flags) \
	((void *)syscall(SYS_mmap, at, size, prot, flags, -1, 0))
#else
#define map(at, size, prot, flags) mmap(at, size, prot, flags, -1, 0)
#endif

/* Zeros from one page on.  mmap is one system call, that nothing but this
 * thread waits for; in no other way can the fault be left behind. */
static bool
replace(struct mapguard *g, size_t from, size_t size)
{
	return map((void *)(atomic_load(&g->at) + from), size,
	    PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED) != MAP_FAILED;
}

/*
 * What the file has lost is replaced all at once: a large file page by page
 * would need more mappings than a process may have.  A page that the file still
 * has can't be read from the disk: only that one.
 */
static bool
mend(struct mapguard *g, size_t page)
{
	size_t size = atomic_load(&g->size), kept = page;
	int fd = atomic_load(&g->fd);
	struct stat st;

	if (page >= atomic_load(&g->kept))
		return true; /* by another thread, meanwhile */
	if (fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size > page)
		return replace(g, page, page_size);
	if (fd >= 0 && fstat(fd, &st) == 0)
		kept = ((size_t)st.st_size + page_size - 1) / page_size *
		    page_size;
	if (!replace(g, kept, size - kept))
		return false;
	atomic_store(&g->kept, kept);
	return true;
}

/* Whose mapping an address is in; NULL: nobody's. */
static struct mapguard *
find(uintptr_t where)
{
	struct mapguard *g = atomic_load(&guards);

	for (; g != NULL; g = g->next) {
		uintptr_t at = atomic_load(&g->at);

		if (at != 0 && where >= at &&
		    where - at < atomic_load(&g->size))
			break;
	}
	return g;
}

static bool
survive(uintptr_t where)
{
	struct mapguard *g = find(where);
	bool done;

	if (g == NULL)
		return false;
	while (atomic_flag_test_and_set(&g->busy))
		;
	atomic_store(&g->hit, true);
	done = mend(g, (where - atomic_load(&g->at)) / page_size * page_size);
	atomic_flag_clear(&g->busy);
	return done;
}

static void
on_fault(int sig, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	/* Not a fault of a mapping of ours: once more, as it was before. */
	if (info->si_code <= 0 || !survive((uintptr_t)info->si_addr)) {
		sigaction(sig, &before, NULL);
		if (info->si_code <= 0)
			raise(sig);
	}
	errno = saved;
}

int
mapguard_install(void)
{
	struct sigaction action = {
	    .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	page_size = (size_t)sysconf(_SC_PAGESIZE);
	sigfillset(&action.sa_mask);
	return sigaction(SIGBUS, &action, &before) == 0 ? 0 : ERR_SYSTEM;
}

static struct mapguard *
take_entry(void)
{
	struct mapguard *g = atomic_load(&guards);

	for (; g != NULL; g = g->next) {
		if (!atomic_exchange(&g->taken, true))
			return g;
	}
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return NULL;
	atomic_store(&g->taken, true);
	g->next = atomic_load(&guards);
	while (!atomic_compare_exchange_weak(&guards, &g->next, g))
		;
	return g;
}

struct mapguard *
mapguard_add(void *at, size_t size, int fd)
{
	struct mapguard *g = take_entry();
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (g == NULL)
		return NULL;
	atomic_store(&g->hit, false);
	atomic_store(&g->fd, fd);
	/* Of the last page all is mapped. */
	size = (size + page - 1) / page * page;
	atomic_store(&g->size, size);
	atomic_store(&g->kept, size);
	atomic_store(&g->at, (uintptr_t)at);
	return g;
}

void
mapguard_remove(struct mapguard *g)
{
	if (g == NULL)
		return;
	atomic_store(&g->at, 0);
	atomic_store(&g->taken, false);
}

bool
mapguard_hit(const struct mapguard *g)
{
	return g != NULL && atomic_load_explicit(&g->hit, memory_order_relaxed);
}

bool
mapguard_holds(const void *at)
{
	return find((uintptr_t)at) != NULL;
}

void
mapguard_other_signals(sigset_t *set)
{
	static const int faults[] = {
	    SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};

	sigfillset(set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		sigdelset(set, faults[i]);
}
