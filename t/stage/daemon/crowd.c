/*
 * How many connections there are, and whose.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/daemon/crowd.h"

#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "t/support/drivers/test.h"

#define MAX 8

static int
sock(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	return fd;
}

/* A look over all is not taken again at once. */
static enum crowd_room
add_later(struct crowd *c, int fd, uid_t uid)
{
	struct timespec some = {.tv_nsec = 1000000};
	enum crowd_room room;

	for (int i = 0; i < 5000; i++) {
		room = crowd_add(c, fd, uid);
		if (room == CROWD_ROOM)
			break;
		nanosleep(&some, NULL);
	}
	return room;
}

static void
shares(void **state)
{
	static const size_t share[] = {0, 1, 1, 2, 3, 3, 4, 5, 6};

	(void)state;
	for (size_t max = 1; max < sizeof(share) / sizeof(*share); max++)
		assert_int_equal(crowd_share(max), share[max]);
	assert_int_equal(crowd_share(1000000), 750000);
}

static void
fills(void **state)
{
	struct crowd *c = crowd_new(MAX);
	int fds[MAX], more = sock();

	(void)state;
	assert_int_equal(crowd_max(c), MAX);
	for (int i = 0; i < MAX; i++)
		fds[i] = sock();
	for (int i = 0; i < 6; i++)
		assert_int_equal(crowd_add(c, fds[i], 1000), CROWD_ROOM);
	assert_int_equal(crowd_add(c, more, 1000), CROWD_USER_FULL);
	/* The rest is for others, whoever they are. */
	assert_int_equal(crowd_add(c, fds[6], CROWD_UNKNOWN), CROWD_ROOM);
	assert_int_equal(crowd_add(c, fds[7], 0), CROWD_ROOM);
	assert_int_equal(crowd_add(c, more, 0), CROWD_FULL);
	/* Nobody says that one is closed. */
	close(fds[0]);
	assert_int_equal(add_later(c, more, 1000), CROWD_ROOM);
	/* The descriptor is another socket, which did not come this way. */
	close(fds[1]);
	fds[1] = sock();
	assert_int_equal(add_later(c, fds[0] = sock(), 1000), CROWD_ROOM);
	for (int i = 0; i < MAX; i++)
		close(fds[i]);
	close(more);
	crowd_free(c);
}

/* Through many more than there may be at a time, of many users. */
static void
passes(void **state)
{
	struct crowd *c = crowd_new(MAX);

	(void)state;
	for (uid_t i = 0; i < 2000; i++) {
		int fd = sock();

		assert_int_equal(add_later(c, fd, i), CROWD_ROOM);
		close(fd);
	}
	crowd_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shares),
	    cmocka_unit_test(fills),
	    cmocka_unit_test(passes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
