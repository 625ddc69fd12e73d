/* Limits as written, and whose. SPDX-License-Identifier: BSD-2-Clause */
#include "lib/quota/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "t/support/drivers/test.h"

#define K ((uint64_t)1 << 10)
#define M ((uint64_t)1 << 20)
#define G ((uint64_t)1 << 30)

static const struct {
	const char *text;
	uint64_t amount;
	uint32_t window;
} good[] = {
    {"200/hour", 200, 3600},
    {"20/5minute", 20, 300},
    {"20/5minutes", 20, 300},
    {"20/5min", 20, 300},
    {"20/5 m", 20, 300},
    {"500M/day", 500 * M, 86400},
    {"1k/d", K, 86400},
    {"2G/2weeks", 2 * G, 1209600},
    {"1023G/week", 1023 * G, 604800},
    {" 1 / 1s ", 1, 1},
    {"1/sec", 1, 1},
    {"1/Second", 1, 1},
    {"1/30SECONDS", 1, 30},
    {"1/hr", 1, 3600},
    {"1/53w", 1, 371 * 86400},
    {"0/day", 0, 86400},
    {"007/h", 7, 3600},
    {"none", 0, 0},
    {"None", 0, 0},
};

static const struct {
	const char *text, *words; /* what the message must have */
} bad[] = {
    {"", "not nothing"},
    {"200", "expected a limit"},
    {"/hour", "expected a limit"},
    {"-1/hour", "expected a limit"},
    {"+1/hour", "expected a limit"},
    {"1.5/hour", "expected a limit"},
    {"1T/hour", "expected a limit"},
    {"1MB/hour", "expected a limit"},
    {"500MB/day", "not 500MB/day; the letters behind an amount are K, M and G"},
    {"500MB", "the letters behind an amount are K, M and G"},
    {"500MB", "in braces, with commas between: {200/hour, 1000/day}"},
    {"200 per hour", "not 200 per hour; the time is second, minute, hour, day"},
    {"200 per hour", "in braces, with commas between: {200/hour, 1000/day}"},
    {"200/fortnight", "not 200/fortnight; the time is second, minute, hour, "
	"day or week (s, m, h, d, w)"},
    {"1/hour/2", "1 second to 53 weeks"},
    {"1/", "1 second to 53 weeks"},
    {"1/month", "1 second to 53 weeks"},
    {"1/ho", "1 second to 53 weeks"},
    {"1/0h", "1 second to 53 weeks"},
    {"1/-1h", "1 second to 53 weeks"},
    {"1/5", "1 second to 53 weeks"},
    {"1/372d", "1 second to 53 weeks"},
    {"1/99999999999999999999s", "1 second to 53 weeks"},
    {"1/4294967297s", "1 second to 53 weeks"},
    {"1/hour x", "1 second to 53 weeks"},
    {"1/secondsecond", "1 second to 53 weeks"},
    {"1024G/day", "below 1024G"},
    {"99999999999999999999999/day", "below 1024G"},
    {"18446744073709551616/day", "below 1024G"},
    {"none/day", "expected a limit"},
    {"nonesuch", "not nonesuch"},
    {"1/\x1b[1m", "1 second to 53 weeks"},
};

static void
reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		struct errmsg msg = {.text = ""};
		uint64_t amount = 99;
		uint32_t window = 99;

		print_message("%s\n", good[i].text);
		assert_int_equal(
		    limits_parse(good[i].text, &amount, &window, &msg), 0);
		assert_true(amount == good[i].amount);
		assert_int_equal(window, good[i].window);
	}
}

static void
refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct errmsg msg = {.text = ""};
		uint64_t amount;
		uint32_t window;

		print_message("%s\n", bad[i].text);
		assert_int_equal(
		    limits_parse(bad[i].text, &amount, &window, &msg),
		    ERR_CONFIG);
		assert_non_null(strstr(msg.text, bad[i].words));
		assert_null(strchr(msg.text, '\x1b'));
	}
}

static void
says_windows(void **state)
{
	static const struct {
		uint32_t window;
		const char *text, *words;
	} cases[] = {{1, "1s", "1 second"}, {90, "90s", "90 seconds"},
	    {300, "5m", "5 minutes"}, {3600, "1h", "1 hour"},
	    {86400, "1d", "1 day"}, {604800, "1w", "1 week"},
	    {5400, "90m", "90 minutes"}, {129600, "36h", "36 hours"},
	    {1209600, "2w", "2 weeks"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[LIMITS_TEXT];

		limits_window_text(cases[i].window, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
		limits_window_words(cases[i].window, text, sizeof(text));
		assert_string_equal(text, cases[i].words);
	}
}

static int
try(struct limits *l, const char *title, enum quota_kind kind,
    const char *text, struct errmsg *msg_r)
{
	uint64_t amount;
	uint32_t window;

	assert_int_equal(limits_parse(text, &amount, &window, NULL), 0);
	return limits_add(l, title, kind, amount, window, msg_r);
}

static void
add(struct limits *l, const char *title, enum quota_kind kind, const char *text)
{
	assert_int_equal(try(l, title, kind, text, NULL), 0);
}

/* `messages 5/3600 bytes 7/60`, in the order given back. */
static const char *
show(const struct limits *l, const char *account, char *out, size_t size)
{
	struct quota_set set;
	size_t len = 0;

	assert_int_equal(limits_of(l, account, &set), 0);
	out[0] = '\0';
	for (unsigned i = 0; i < set.count; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s %llu/%u",
		    i == 0 ? "" : " ", quota_kind_name(set.limit[i].kind),
		    (unsigned long long)set.limit[i].limit,
		    set.limit[i].window_s);
	return out;
}

static const struct {
	const char *name, *account, *limits;
} owners[] = {
    {"no section of its own", "ann", "messages 200/3600 messages 1000/86400 "
				     "bytes 1024/86400"},
    {"one kind of its own", "bob",
	"messages 5/3600 recipients 7/60 bytes 1024/86400"},
    {"its domain's", "x@example.org",
	"messages 200/3600 messages 1000/86400 recipients 100/3600 "
	"bytes 1024/86400"},
    {"its own before its domain's", "news@example.org",
	"messages 200/3600 messages 1000/86400 recipients 20000/86400 "
	"bytes 1024/86400"},
    {"case does not matter", "NEWS@Example.ORG",
	"messages 200/3600 messages 1000/86400 recipients 20000/86400 "
	"bytes 1024/86400"},
    {"the last @ begins the domain", "a@b@example.org",
	"messages 200/3600 messages 1000/86400 recipients 100/3600 "
	"bytes 1024/86400"},
    {"a sender by its domain", "sender:x@example.org",
	"messages 9/60 messages 200/86400 recipients 100/3600 "
	"bytes 1024/86400"},
    {"all senders' before their domain's", "Sender:x@example.com",
	"messages 9/60 messages 200/86400 recipients 30/60 bytes 1024/86400"},
    {"a sender's own before all senders'", "sender:y@example.com",
	"messages 9/60 messages 200/86400 recipients 8/60 bytes 1024/86400"},
    {"what all senders share", "sender:*",
	"messages 9/60 messages 200/86400 bytes 1024/86400"},
    {"the null sender", "sender:<>",
	"messages 9/60 messages 200/86400 bytes 1024/86400"},
    {"a script", "script:33:x.php@example.com",
	"messages 200/3600 messages 1000/86400 recipients 30/60 "
	"bytes 1024/86400"},
    {"a login that looks like one", "sender",
	"messages 200/3600 messages 1000/86400 bytes 1024/86400"},
    {"none lifts a kind", "boss", "bytes 1024/86400"},
    {"another domain", "x@example.net",
	"messages 200/3600 messages 1000/86400 bytes 1024/86400"},
    {"the empty name", "",
	"messages 200/3600 messages 1000/86400 bytes 1024/86400"},
};

static void
resolves(void **state)
{
	struct limits *l = limits_new();
	char long_name[300], text[512];

	(void)state;
	assert_int_equal(limits_sections(l), 0);
	assert_string_equal(show(l, "ann", text, sizeof(text)), "");
	add(l, "bob", QUOTA_MESSAGES, "5/hour");
	add(l, "bob", QUOTA_RECIPIENTS, "7/min");
	add(l, "Default", QUOTA_MESSAGES, "200/hour");
	add(l, "default", QUOTA_MESSAGES, "1000/day");
	add(l, "default", QUOTA_BYTES, "1K/day");
	add(l, "@Example.Org", QUOTA_RECIPIENTS, "100/hour");
	add(l, "News@example.org", QUOTA_RECIPIENTS, "20000/day");
	add(l, "boss", QUOTA_MESSAGES, "none");
	add(l, "Sender:*", QUOTA_MESSAGES, "9/min");
	add(l, "sender:*", QUOTA_MESSAGES, "200/day");
	add(l, "@example.com", QUOTA_RECIPIENTS, "30/min");
	add(l, "@example.com", QUOTA_MESSAGES, "none");
	add(l, "sender:y@example.com", QUOTA_RECIPIENTS, "8/min");
	add(l, "script:33:x.php@example.com", QUOTA_MESSAGES, "200/h");
	add(l, "script:33:x.php@example.com", QUOTA_MESSAGES, "1000/d");
	assert_int_equal(limits_sections(l), 9);
	assert_true(limits_has(l, "BOB"));
	assert_false(limits_has(l, "ann"));
	for (size_t i = 0; i < sizeof(owners) / sizeof(*owners); i++) {
		print_message("%s\n", owners[i].name);
		assert_string_equal(
		    show(l, owners[i].account, text, sizeof(text)),
		    owners[i].limits);
	}
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	assert_string_equal(show(l, long_name, text, sizeof(text)),
	    owners[0].limits);
	limits_free(l);
	limits_free(NULL);
}

/* Whose names are anybody's to make up, and where such accounts are counted
 * together. */
static const struct {
	const char *account, *pool; /* NULL: it is no such account */
	bool minor;
} pools[] = {
    {"bob", NULL, false},
    {"sender@example.org", NULL, false},
    {"sender:x@example.org", "sender:*", true},
    {"Sender:X@example.org", "sender:*", true},
    {"script:33:mail.php", "script:*", true},
    {"script:", "script:*", true},
    {"sender:known@example.org", "sender:*", false},
    {"sender:*", "sender:*", false},
    {"script:*", "script:*", false},
    {"sender:<>", "sender:*", false},
    {"realm:*", NULL, false},
};

static void
knows_pools(void **state)
{
	struct limits *l = limits_new();

	(void)state;
	add(l, "default", QUOTA_MESSAGES, "1/hour");
	add(l, "@example.org", QUOTA_MESSAGES, "1/hour");
	add(l, "sender:KNOWN@example.org", QUOTA_MESSAGES, "1/hour");
	for (size_t i = 0; i < sizeof(pools) / sizeof(*pools); i++) {
		const char *pool = limits_pool(pools[i].account);
		struct quota_set set;

		print_message("%s\n", pools[i].account);
		assert_int_equal(limits_of(l, pools[i].account, &set), 0);
		assert_int_equal(set.minor, pools[i].minor);
		if (pools[i].pool == NULL)
			assert_null(pool);
		else
			assert_string_equal(pool, pools[i].pool);
	}
	limits_free(l);
}

/* Actions by account, as all sections say, and as only those do that go by how
 * its name begins. */
static const struct {
	const char *account;
	int all, of_name;
} acted[] = {
    {"bob", 1, 1}, {"BOB", 1, 1}, {"ann", 5, 0}, {"x@example.org", 2, 0},
    {"y@example.org", 3, 3}, {"sender:x@example.org", 4, 4},
    {"script:x@example.org", 2, 0}, {"script:x", 5, 0}, {"sender:*", 4, 4},
    {"quiet@example.org", 2, 0},
};

static void
says_actions(void **state)
{
	struct limits *l = limits_new();
	struct errmsg msg;

	(void)state;
	assert_int_equal(limits_action(l, "bob", false), 0);
	add(l, "quiet@example.org", QUOTA_MESSAGES, "1/hour");
	assert_int_equal(limits_action(l, "bob", false), 0);
	assert_int_equal(limits_set_action(l, "Bob", 1, NULL), 0);
	assert_int_equal(limits_set_action(l, "@example.org", 2, NULL), 0);
	assert_int_equal(limits_set_action(l, "y@example.org", 3, NULL), 0);
	assert_int_equal(limits_set_action(l, "sender:*", 4, NULL), 0);
	assert_int_equal(limits_set_action(l, "default", 5, NULL), 0);
	assert_int_equal(limits_set_action(l, "", 5, &msg), ERR_CONFIG);
	for (size_t i = 0; i < sizeof(acted) / sizeof(*acted); i++) {
		print_message("%s\n", acted[i].account);
		assert_int_equal(limits_action(l, acted[i].account, false),
		    acted[i].all);
		assert_int_equal(limits_action(l, acted[i].account, true),
		    acted[i].of_name);
	}
	limits_free(l);
}

static void
contradictions(void **state)
{
	struct limits *l = limits_new();
	char title[300];
	struct errmsg msg;

	(void)state;
	add(l, "a", QUOTA_MESSAGES, "1/hour");
	assert_int_equal(
	    try(l, "A", QUOTA_MESSAGES, "2/60min", &msg), ERR_CONFIG);
	assert_non_null(strstr(msg.text, "one limit for each window"));
	assert_int_equal(
	    try(l, "a", QUOTA_MESSAGES, "none", &msg), ERR_CONFIG);
	add(l, "b", QUOTA_MESSAGES, "none");
	assert_int_equal(
	    try(l, "b", QUOTA_MESSAGES, "1/hour", &msg), ERR_CONFIG);
	assert_non_null(strstr(msg.text, "alone"));
	for (int i = 2; i <= LIMITS_KIND_MAX; i++) {
		char text[32];

		snprintf(text, sizeof(text), "1/%dh", i);
		add(l, "a", QUOTA_MESSAGES, text);
	}
	assert_int_equal(
	    try(l, "a", QUOTA_MESSAGES, "1/week", &msg), ERR_CONFIG);
	assert_non_null(strstr(msg.text, "at most"));
	add(l, "a", QUOTA_BYTES, "1/week");
	assert_int_equal(
	    try(l, "", QUOTA_BYTES, "1/week", &msg), ERR_CONFIG);
	memset(title, 't', sizeof(title));
	title[256] = '\0';
	assert_int_equal(
	    try(l, title, QUOTA_BYTES, "1/week", &msg), ERR_CONFIG);
	title[255] = '\0';
	add(l, title, QUOTA_BYTES, "1/week");
	limits_free(l);
}

static void
most(void **state)
{
	struct limits *l = limits_new();
	const char *title = "";
	struct quota_set set;

	(void)state;
	assert_int_equal(limits_most(l, &title), 0);
	assert_null(title);
	add(l, "default", QUOTA_MESSAGES, "1/h");
	add(l, "@example.org", QUOTA_RECIPIENTS, "1/h");
	assert_int_equal(limits_most(l, &title), 2);
	assert_string_equal(title, "@example.org");
	add(l, "bob@example.org", QUOTA_BYTES, "1/h");
	add(l, "ann", QUOTA_BYTES, "1/h");
	assert_int_equal(limits_most(l, &title), 3);
	assert_string_equal(title, "bob@example.org");
	for (int i = 1; i <= 4; i++) {
		char text[32];

		snprintf(text, sizeof(text), "1/%dd", i);
		add(l, "eve@example.org", QUOTA_BYTES, text);
		add(l, "eve@example.org", QUOTA_MESSAGES, text);
	}
	assert_int_equal(limits_most(l, &title), QUOTA_LIMITS_MAX + 1);
	assert_string_equal(title, "eve@example.org");
	assert_int_equal(limits_of(l, title, &set), ERR_LIMIT);
	limits_free(l);
	/* A sender of the domain has all three sections' limits. */
	l = limits_new();
	add(l, "default", QUOTA_MESSAGES, "1/h");
	add(l, "sender:*", QUOTA_BYTES, "1/h");
	assert_int_equal(limits_most(l, &title), 2);
	add(l, "@example.org", QUOTA_RECIPIENTS, "1/h");
	assert_int_equal(limits_most(l, &title), 3);
	assert_string_equal(title, "@example.org");
	limits_free(l);
	/* Its pool has the default's of one kind, and the domain's of another:
	 * more than either. */
	l = limits_new();
	add(l, "default", QUOTA_MESSAGES, "1/h");
	add(l, "default", QUOTA_MESSAGES, "2/d");
	add(l, "@example.org", QUOTA_MESSAGES, "1/h");
	add(l, "@example.org", QUOTA_BYTES, "1/h");
	assert_int_equal(limits_of(l, "sender:a@example.org", &set), 0);
	assert_int_equal(set.count, 2);
	assert_int_equal(limits_of_pool(l, "sender:a@example.org", &set), 0);
	assert_int_equal(set.count, 3);
	assert_false(set.minor);
	assert_int_equal(limits_most(l, &title), 3);
	limits_free(l);
}

/* Every section keeps what it was given while the hash grows. */
static void
many(void **state)
{
	struct limits *l = limits_new();
	char title[32], text[32], want[64];

	(void)state;
	for (int i = 0; i < 100000; i++) {
		snprintf(title, sizeof(title), "user%d@example.org", i);
		snprintf(text, sizeof(text), "%d/hour", i);
		add(l, title, QUOTA_MESSAGES, text);
	}
	assert_int_equal(limits_sections(l), 100000);
	for (int i = 0; i < 100000; i += 7) {
		snprintf(title, sizeof(title), "USER%d@example.org", i);
		snprintf(want, sizeof(want), "messages %d/3600", i);
		assert_string_equal(show(l, title, text, sizeof(text)), want);
	}
	limits_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads),
	    cmocka_unit_test(refuses),
	    cmocka_unit_test(says_windows),
	    cmocka_unit_test(resolves),
	    cmocka_unit_test(knows_pools),
	    cmocka_unit_test(says_actions),
	    cmocka_unit_test(contradictions),
	    cmocka_unit_test(most),
	    cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
