/*
 * Compiled in front of lib/quota for unit_quota_crossings, and of lib/ring for
 * unit_ring_crossings: before every atomic operation somebody else may run.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef T_SUPPORT_DRIVERS_CROSSINGS_H
#define T_SUPPORT_DRIVERS_CROSSINGS_H

#include <pthread.h>
#include <stdatomic.h>

/* Somebody else may run here. */
void crossing(void);
/* pthread_mutex_lock, for which the other one has to go on. */
int crossing_lock(pthread_mutex_t *mutex);

#define pthread_mutex_lock crossing_lock

#ifdef __clang__
#define CROSSING_LOAD(p, o) __c11_atomic_load(p, o)
#define CROSSING_STORE(p, v, o) __c11_atomic_store(p, v, o)
#define CROSSING_ADD(p, v) __c11_atomic_fetch_add(p, v, memory_order_seq_cst)
#define CROSSING_SUB(p, v) __c11_atomic_fetch_sub(p, v, memory_order_seq_cst)
#define CROSSING_CAS(p, e, v) __c11_atomic_compare_exchange_strong(p, e, v, \
    memory_order_seq_cst, memory_order_seq_cst)
#else
#define CROSSING_LOAD(p, o) __atomic_load_n(p, o)
#define CROSSING_STORE(p, v, o) __atomic_store_n(p, v, o)
#define CROSSING_ADD(p, v) __atomic_fetch_add(p, v, memory_order_seq_cst)
#define CROSSING_SUB(p, v) __atomic_fetch_sub(p, v, memory_order_seq_cst)
#define CROSSING_CAS(p, e, v) __atomic_compare_exchange_n(p, e, v, 0, \
    memory_order_seq_cst, memory_order_seq_cst)
#endif

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_fetch_add
#undef atomic_fetch_sub
#undef atomic_fetch_add_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit
#undef atomic_compare_exchange_strong
#define atomic_load_explicit(p, o) (crossing(), CROSSING_LOAD(p, o))
#define atomic_store_explicit(p, v, o) (crossing(), CROSSING_STORE(p, v, o))
#define atomic_load(p) atomic_load_explicit(p, memory_order_seq_cst)
#define atomic_store(p, v) atomic_store_explicit(p, v, memory_order_seq_cst)
#define atomic_fetch_add(p, v) (crossing(), CROSSING_ADD(p, v))
#define atomic_fetch_sub(p, v) (crossing(), CROSSING_SUB(p, v))
#define atomic_compare_exchange_strong(p, e, v) \
	(crossing(), CROSSING_CAS(p, e, v))
#define atomic_compare_exchange_weak atomic_compare_exchange_strong
#define atomic_fetch_add_explicit(p, v, o) atomic_fetch_add(p, v)
#define atomic_compare_exchange_weak_explicit(p, e, v, o, f) \
	atomic_compare_exchange_strong(p, e, v)

#endif
