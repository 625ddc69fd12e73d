/*
 * The full screen of posternctl top.  SPDX-License-Identifier: BSD-2-Clause
 *
 * The terminal is put back as it was by a plain end, by a signal that ends the
 * program, and by a fault in it.
 */
#define NCURSES_WIDECHAR 1
#include <ctype.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "decision.h"
#include "lib/base/clock.h"
#include "lib/base/mapguard.h"
#include "lib/quota/limits.h"
#include "top.h"

/* Columns of a name and of a plot.  So that both have the least of them,
 * columns of numbers give way; those that are extra give way to more. */
#define NAME_MIN 12
#define NAME_EXTRA 20
#define PLOT_MIN 6
#define PLOT_EXTRA 12
#define LOW 10 /* lines of a screen that has no room for messages a second */
#define FILTER_SIZE 64
#define KEYS_AT_ONCE 64 /* read before the screen is drawn */

enum { COLOUR_WARNING = 1, COLOUR_ALARM };

struct screen {
	struct call *call;
	struct top *top;
	SCREEN *terminal;
	bool colours, utf8;
	bool paused, help, ends;
	int only;   /* the table that has the whole screen; 0: all of them */
	int scroll; /* lines of that table that are above */
	bool typing;              /* a filter */
	char filter[FILTER_SIZE]; /* in force, or being typed */
	int64_t due_ms;           /* when to read again */
	int y, end;               /* the line to draw next, and that behind the
	    last one that may be drawn */
	sigset_t open;  /* of signals, while it waits: only then any comes */
};

/* -- the terminal -- */

static volatile sig_atomic_t stopped; /* the signal; 0: none */

/* What a fault needs: nothing may be looked up then. */
static struct {
	struct termios modes;
	char text[128];
	size_t len;
	struct sigaction old[NSIG];
} restore;

static void
on_stop(int sig)
{
	stopped = sig;
}

/* Whoever handled the fault before does so now; a fault in a mapped file is one
 * that the program survives. */
static void
on_fault(int sig, siginfo_t *info, void *context)
{
	const struct sigaction *old = &restore.old[sig];
	bool survives = sig == SIGBUS && mapguard_holds(info->si_addr);
	ssize_t n;

	if (!survives) {
		n = write(STDOUT_FILENO, restore.text, restore.len);
		(void)n;
		tcsetattr(STDIN_FILENO, TCSANOW, &restore.modes);
	}
	if ((old->sa_flags & SA_SIGINFO) != 0) {
		old->sa_sigaction(sig, info, context);
		return;
	}
	signal(sig, SIG_DFL);
	raise(sig);
}

/* Keep a string of the terminal's description, without its delays. */
static void
keep_text(const char *text)
{
	while (*text != '\0' && restore.len < sizeof(restore.text)) {
		if (text[0] == '$' && text[1] == '<') {
			text += strcspn(text, ">");
			text += *text == '>';
		} else {
			restore.text[restore.len++] = *text++;
		}
	}
}

/* Keep what ends the full screen, and catch faults. */
static void
guard_terminal(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
	static const char *const ends[] = {"sgr0", "cnorm", "rmkx", "rmcup"};
	struct sigaction fault = {
	    .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		const char *text = tigetstr(ends[i]);

		if (text != NULL && text != (char *)-1)
			keep_text(text);
	}
	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
		sigaction(faults[i], &fault, &restore.old[faults[i]]);
}

/* Catch the signals that end it, and let them and a change of the window's size
 * in only while it waits.  A signal that the caller ignores stays ignored. */
static void
catch_signals(struct screen *s)
{
	static const int stops[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction stop = {.sa_handler = on_stop}, was;
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGWINCH);
	for (size_t i = 0; i < sizeof(stops) / sizeof(*stops); i++) {
		sigaddset(&held, stops[i]);
		sigaction(stops[i], NULL, &was);
		if (was.sa_handler != SIG_IGN)
			sigaction(stops[i], &stop, NULL);
	}
	sigprocmask(SIG_BLOCK, &held, &s->open);
}

/* False, after a message: the terminal can't be used. */
static bool
open_terminal(struct screen *s)
{
	setlocale(LC_CTYPE, "");
	if (tcgetattr(STDIN_FILENO, &restore.modes) != 0) {
		fprintf(stderr, "posternctl: standard input: %s\n",
		    strerror(errno));
		return false;
	}
	/* Before newterm, which would handle some of them. */
	catch_signals(s);
	s->terminal = newterm(NULL, stdout, stdin);
	if (s->terminal == NULL) {
		fprintf(stderr, "posternctl: no terminal of the kind that TERM "
		    "names is known here; --once prints what goes on\n");
		return false;
	}
	guard_terminal();
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	s->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	s->colours = decision_colours() && has_colors() &&
	    start_color() == OK && use_default_colors() == OK &&
	    init_pair(COLOUR_WARNING, COLOR_YELLOW, -1) == OK &&
	    init_pair(COLOUR_ALARM, COLOR_RED, -1) == OK;
	return true;
}

static void
close_terminal(struct screen *s)
{
	endwin();
	delscreen(s->terminal);
}

/* -- drawing -- */

static void
set_tone(const struct screen *s, enum top_tone tone)
{
	attrset(tone == TOP_ALARM ? A_BOLD : A_NORMAL);
	if (s->colours && tone != TOP_PLAIN)
		attron(COLOR_PAIR(
		    tone == TOP_ALARM ? COLOUR_ALARM : COLOUR_WARNING));
}

/* A line of text across the screen, if there is room for it. */
static void
draw_text(struct screen *s, int attr, const char *text)
{
	if (s->y >= s->end)
		return;
	attrset(attr);
	mvhline(s->y, 0, ' ' | (chtype)attr, COLS);
	mvaddnstr(s->y, 0, text, COLS);
	s->y++;
}

/* How wide things are in a table. */
struct widths {
	int name, columns, plot; /* columns: how many are shown */
};

static struct widths
measure(const struct top_table *table)
{
	struct widths w = {.name = COLS};

	for (; w.columns < TOP_COLUMNS; w.columns++) {
		const struct top_column *c = &table->columns[w.columns];
		int least = c->extra ? NAME_EXTRA + PLOT_EXTRA + 1 : NAME_MIN;

		if (c->head == NULL || w.name - c->width - 1 < least)
			break;
		w.name -= c->width + 1;
	}
	if (!table->series || w.name < NAME_MIN + PLOT_MIN + 1)
		return w;
	/* What a name hardly needs is for the plot. */
	w.plot = w.name - NAME_EXTRA - 1 - COLS / 12;
	if (w.plot < PLOT_MIN)
		w.plot = PLOT_MIN;
	if (w.plot > ACTIVITY_BUCKETS)
		w.plot = ACTIVITY_BUCKETS;
	w.name -= w.plot + 1;
	return w;
}

/* Text in so many columns, cut off with a mark. */
static void
draw_cell(const char *text, int width, bool right)
{
	int len = (int)strlen(text);

	if (len > width)
		printw("%.*s~", width - 1, text);
	else
		printw("%*s", right ? width : -width, text);
}

/* The newest parts of a series, the last one at the right. */
static void
draw_plot(const struct screen *s, const uint32_t *series, int width)
{
	static const wchar_t blocks[] = L" ▁▂▃▄▅▆▇█";
	static const char plain[] = " .:-=+*%#";
	uint32_t most = 1;

	for (int i = ACTIVITY_BUCKETS - width; i < ACTIVITY_BUCKETS; i++) {
		if (series[i] > most)
			most = series[i];
	}
	for (int i = ACTIVITY_BUCKETS - width; i < ACTIVITY_BUCKETS; i++) {
		size_t level = ((uint64_t)series[i] * 8 + most - 1) / most;

		if (s->utf8)
			addnwstr(&blocks[level], 1);
		else
			addch((chtype)(unsigned char)plain[level]);
	}
}

static void
draw_head(struct screen *s, const struct top_table *table,
    const struct widths *w)
{
	if (s->y >= s->end)
		return;
	attrset(A_REVERSE);
	mvhline(s->y, 0, ' ' | A_REVERSE, COLS);
	move(s->y, 0);
	draw_cell(table->head, w->name, false);
	for (int k = 0; k < w->columns; k++) {
		const struct top_column *c = &table->columns[k];
		bool sorted = c->sorted == (int)s->top->by + 1;

		addch(' ' | A_REVERSE);
		attrset(sorted ? A_REVERSE | A_BOLD | A_UNDERLINE : A_REVERSE);
		draw_cell(c->head, c->width, true);
		attrset(A_REVERSE);
	}
	if (w->plot >= PLOT_MIN) {
		addch(' ' | A_REVERSE);
		draw_cell(top_ago(&s->top->arena,
			      w->plot * activity_bucket_ms(s->top->activity) /
				  1000),
		    w->plot, true);
	}
	s->y++;
}

static void
draw_line(struct screen *s, const struct top_table *table,
    const struct widths *w, const struct top_line *l)
{
	if (s->y >= s->end)
		return;
	set_tone(s, l->tone);
	move(s->y, 0);
	draw_cell(l->name, w->name, false);
	for (int k = 0; k < w->columns; k++) {
		addch(' ');
		draw_cell(l->cells[k], table->columns[k].width, true);
	}
	attrset(A_NORMAL);
	if (w->plot > 0 && l->series != NULL) {
		addch(' ');
		draw_plot(s, l->series, w->plot);
	}
	s->y++;
}

/* At most so many lines of it, without its head. */
static void
draw_table(struct screen *s, const struct top_table *table, int lines)
{
	struct widths w = measure(table);
	size_t first = 0;
	bool others = table->others != NULL && lines > 0;

	lines -= others;
	if (table == &s->top->tables[s->only] && s->only != 0) {
		int most = (int)table->count - lines;

		if (s->scroll > most)
			s->scroll = most < 0 ? 0 : most;
		first = (size_t)s->scroll;
	}
	draw_head(s, table, &w);
	for (size_t i = first; i < table->count && lines > 0; i++, lines--)
		draw_line(s, table, &w, &table->lines[i]);
	if (others)
		draw_text(s, A_NORMAL, table->others);
}

static void
draw_top(struct screen *s)
{
	struct top *t = s->top;
	char text[512], when[32] = "", span[LIMITS_TEXT];
	time_t now = (time_t)(t->now_ms / 1000);
	struct tm tm;

	if (gmtime_r(&now, &tm) != NULL)
		strftime(when, sizeof(when), "%TZ", &tm);
	limits_window_text(t->span_s, span, sizeof(span));
	snprintf(text, sizeof(text),
	    "posternctl top %s%s%s%s  the last %s  every %gs  newest %s",
	    when, s->paused ? "  PAUSED" : "",
	    t->filter[0] == '\0' ? "" : "  filter: ", t->filter, span,
	    t->interval_s,
	    t->last_ms == 0 ? "-"
			    : top_ago(&t->arena,
				  (t->now_ms - t->last_ms) / 1000));
	draw_text(s, A_BOLD, text);
}

static void
draw_keys(struct screen *s)
{
	char text[512];

	if (s->typing)
		snprintf(text, sizeof(text),
		    "filter: %s_   Enter uses it, Esc clears it", s->filter);
	else
		snprintf(text, sizeof(text),
		    "q quit  h help  p pause  / filter  s sort: %s  "
		    "1-4 one table  0 all", top_order(s->top->by));
	s->y = LINES - 1;
	s->end = LINES;
	draw_text(s, s->typing ? A_BOLD : A_REVERSE, text);
}

/* Give each of the first tables as many lines as it has and there are, the
 * accounts two where others get one. */
static void
share_lines(const struct screen *s, int tables, int room, int lines[TOP_TABLES])
{
	static const int each[TOP_TABLES] = {0, 2, 1, 1, 1};
	bool given = true;

	memset(lines, 0, TOP_TABLES * sizeof(*lines));
	while (room > 0 && given) {
		given = false;
		for (int i = TOP_ACCOUNTS; i < TOP_ACCOUNTS + tables; i++) {
			const struct top_table *table = &s->top->tables[i];
			int wants = (int)table->count +
			    (table->others != NULL) - lines[i];
			int gets = each[i] < wants ? each[i] : wants;

			if (gets > room)
				gets = room;
			lines[i] += gets;
			room -= gets;
			given = given || gets > 0;
		}
	}
}

static void
draw_tables(struct screen *s)
{
	int lines[TOP_TABLES], tables = TOP_TABLES - TOP_ACCOUNTS, room;

	draw_top(s);
	if (LINES >= LOW)
		draw_table(s, &s->top->tables[TOP_FLOWS], 3);
	room = s->end - s->y;
	if (s->only != 0) {
		draw_table(s, &s->top->tables[s->only], room - 1);
		return;
	}
	/* A head without lines is of no use. */
	while (tables > 1 && room < 3 * tables)
		tables--;
	share_lines(s, tables, room - tables, lines);
	for (int i = TOP_ACCOUNTS; i < TOP_ACCOUNTS + tables; i++)
		draw_table(s, &s->top->tables[i], lines[i]);
}

static const char *const help[] = {
    "Keys",
    "  q       quit                      p, blank  pause, and go on",
    "  h, ?    this                      /         show names that have a text",
    "  0       all tables                + -       longer, shorter interval",
    "  1 2 3 4 accounts, clients, checks or DNS lists alone",
    "  Up Down PgUp PgDn Home            move in a table that is alone",
    "  s S     sort by the next, the previous column; or directly by",
    "          m messages  r recipients  x refused  u share  o score  l last",
    "          n name",
    "",
    "Messages a second are the mean of the last minute; `in all` and the other",
    "tables are of the span that the first line names.",
    "MSGS/H    messages in an hour, refused ones too",
    "RCPTS/H   recipients of those that were let through",
    "SHARE     of its nearest limit, as of its last message",
    "SCORE     the highest score of a message",
    "plot      messages, in the time that its head names",
    "CALLS     messages that a check spent time on; DECIDED: and those whose",
    "          verdict is its",
    "FAILED    queries to a DNS list without an answer; OFF: not made, since",
    "          the list failed its self-test",
    "",
    "Any key goes back.",
};

static void
draw(struct screen *s)
{
	erase();
	s->y = 0;
	s->end = LINES - 1;
	if (s->help) {
		for (size_t i = 0; i < sizeof(help) / sizeof(*help); i++)
			draw_text(s, A_NORMAL, help[i]);
	} else {
		draw_tables(s);
	}
	draw_keys(s);
	attrset(A_NORMAL);
	refresh();
}

/* -- keys -- */

/* A key while a filter is typed. */
static void
type_filter(struct screen *s, int key)
{
	size_t len = strlen(s->filter);

	if (key == '\n' || key == '\r' || key == KEY_ENTER) {
		s->typing = false;
	} else if (key == 27) {
		s->filter[0] = '\0';
		s->typing = false;
	} else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
		if (len > 0)
			s->filter[len - 1] = '\0';
	} else if (key < 128 && isprint(key) && len + 1 < sizeof(s->filter)) {
		s->filter[len] = (char)key;
		s->filter[len + 1] = '\0';
	}
}

static void
sort_next(struct top *t, int step)
{
	t->by = (enum activity_order)(
	    ((int)t->by + step + ACTIVITY_ORDERS) % ACTIVITY_ORDERS);
}

/* Is it a key that names an order? */
static bool
sort_by(struct top *t, int key)
{
	static const char keys[ACTIVITY_ORDERS + 1] = "mrxuoln";
	const char *at = key > 0 && key < 128 ? strchr(keys, key) : NULL;

	if (at != NULL)
		t->by = (enum activity_order)(at - keys);
	return at != NULL;
}

static void
set_interval(struct screen *s, int step)
{
	static const double all[] = {0.5, 1, 2, 5, 10, 30, 60};
	struct top *t = s->top;
	int n = (int)(sizeof(all) / sizeof(*all)), i = 0;

	while (i + 1 < n && all[i] < t->interval_s)
		i++;
	i += step;
	t->interval_s = all[i < 0 ? 0 : i >= n ? n - 1 : i];
	s->due_ms = clock_ms() + (int64_t)(t->interval_s * 1000);
}

static void
scroll_by(struct screen *s, int lines)
{
	s->scroll += lines;
	if (s->scroll < 0)
		s->scroll = 0;
}

/* A key that moves in a table; others do nothing. */
static void
move_by_key(struct screen *s, int key)
{
	int page = LINES > 12 ? LINES - 8 : 4;

	switch (key) {
	case KEY_UP:
		scroll_by(s, -1);
		break;
	case KEY_DOWN:
		scroll_by(s, 1);
		break;
	case KEY_PPAGE:
		scroll_by(s, -page);
		break;
	case KEY_NPAGE:
		scroll_by(s, page);
		break;
	case KEY_HOME:
		s->scroll = 0;
		break;
	default:
		break;
	}
}

static void
press(struct screen *s, int key)
{
	if (s->help) {
		s->help = false;
	} else if (key == 'q') {
		s->ends = true;
	} else if (key == 'h' || key == '?') {
		s->help = true;
	} else if (key == 'p' || key == ' ') {
		s->paused = !s->paused;
		s->due_ms = 0;
	} else if (key == '/') {
		s->typing = true;
	} else if (key == 's' || key == 'S') {
		sort_next(s->top, key == 's' ? 1 : -1);
	} else if (key >= '0' && key < '0' + TOP_TABLES) {
		s->only = key - '0';
		s->scroll = 0;
	} else if (key == '+' || key == '-') {
		set_interval(s, key == '+' ? 1 : -1);
	} else if (!sort_by(s->top, key)) {
		move_by_key(s, key);
	}
}

/* Take all keys that were pressed.  False: the terminal is gone. */
static bool
take_keys(struct screen *s, bool ready)
{
	int key = getch();

	if (key == ERR)
		return !ready;
	for (int i = 0; key != ERR && i < KEYS_AT_ONCE && !s->ends; i++) {
		if (key != KEY_RESIZE && s->typing)
			type_filter(s, key);
		else if (key != KEY_RESIZE)
			press(s, key);
		key = getch();
	}
	return true;
}

/* -- the loop -- */

/* Wait for a key, a signal or the time to read.  False: the terminal is
 * gone. */
static bool
wait_for_key(struct screen *s)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	int64_t ms = s->due_ms - clock_ms();
	struct timespec delay = clock_timespec(ms < 0 ? 0 : ms);
	int n = ppoll(&in, 1, s->paused ? NULL : &delay, &s->open);

	if (n > 0 && (in.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
		return false;
	return stopped != 0 || take_keys(s, n > 0);
}

static int
loop(struct screen *s)
{
	struct top *t = s->top;

	while (!s->ends && stopped == 0) {
		if (!s->paused && clock_ms() >= s->due_ms) {
			int rc = top_read(s->call);

			if (rc != EX_OK)
				return rc;
			s->due_ms =
			    clock_ms() + (int64_t)(t->interval_s * 1000);
		}
		if (!top_fill(t))
			return EX_OSERR;
		draw(s);
		if (!wait_for_key(s))
			return EX_OK;
	}
	return EX_OK;
}

int
top_screen_check(const struct call *c)
{
	if (isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1)
		return EX_OK;
	return verb_misused(c, "standard output",
	    "this is no terminal; --once prints what goes on");
}

int
top_screen(struct call *c)
{
	struct screen s = {.call = c, .top = c->own};
	int rc;

	s.top->filter = s.filter;
	if (!open_terminal(&s))
		return EX_UNAVAILABLE;
	rc = loop(&s);
	close_terminal(&s);
	s.top->filter = "";
	if (stopped != 0) {
		signal(stopped, SIG_DFL);
		raise(stopped);
	}
	sigprocmask(SIG_SETMASK, &s.open, NULL);
	return rc;
}
