/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_expr.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"

enum step_op {
	STEP_NUMBER,
	STEP_VARIABLE,
	STEP_NOT,
	STEP_NEGATE,
	STEP_MULTIPLY,
	STEP_DIVIDE,
	STEP_ADD,
	STEP_SUBTRACT,
	STEP_LESS,
	STEP_GREATER,
	STEP_LESS_EQUAL,
	STEP_GREATER_EQUAL,
	STEP_EQUAL,
	STEP_UNEQUAL,
	STEP_XOR,
	STEP_AND,
	STEP_OR,
	STEP_CHOOSE,
};

struct step {
	enum step_op op;
	union {
		double number;
		size_t variable;
	};
};

/* For a machine with a stack. */
struct expr {
	size_t count;
	struct step steps[];
};

/* Binary operators; longer ones before their beginnings. */
static const struct {
	const char *text;
	enum step_op op;
	int level;
} operators[] = {
    {"||", STEP_OR, 1},
    {"&&", STEP_AND, 2},
    {"^", STEP_XOR, 3},
    {"==", STEP_EQUAL, 4},
    {"!=", STEP_UNEQUAL, 4},
    {"<=", STEP_LESS_EQUAL, 5},
    {">=", STEP_GREATER_EQUAL, 5},
    {"<", STEP_LESS, 5},
    {">", STEP_GREATER, 5},
    {"+", STEP_ADD, 6},
    {"-", STEP_SUBTRACT, 6},
    {"*", STEP_MULTIPLY, 7},
    {"/", STEP_DIVIDE, 7},
};

#define OPERATORS (sizeof(operators) / sizeof(*operators))
#define LEVEL_LOWEST 1
#define LEVEL_UNARY 8

struct parser {
	struct arena *arena;
	const char *at;
	expr_name_fn *name;
	void *ctx;
	struct step *steps;
	size_t count, room;
	unsigned depth;
	const char *mistake;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_word(char c)
{
	return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') ||
	    (c >= 'A' && c <= 'Z');
}

static bool
fail(struct parser *p, const char *mistake)
{
	if (p->mistake == NULL)
		p->mistake = mistake;
	return false;
}

static void
skip_space(struct parser *p)
{
	while (*p->at == ' ' || (*p->at >= '\t' && *p->at <= '\r'))
		p->at++;
}

static bool
emit(struct parser *p, struct step step)
{
	if (p->count == p->room) {
		size_t room = p->room == 0 ? 32 : p->room * 2;
		struct step *steps;

		if (room > EXPR_STEPS_MAX)
			return fail(p, "the expression is too long");
		steps = realloc(p->steps, room * sizeof(*steps));
		if (steps == NULL)
			return fail(p, "no memory");
		p->steps = steps;
		p->room = room;
	}
	p->steps[p->count++] = step;
	return true;
}

static bool
emit_number(struct parser *p, double number)
{
	return emit(p, (struct step){.op = STEP_NUMBER, .number = number});
}

static bool
emit_op(struct parser *p, enum step_op op)
{
	return emit(p, (struct step){.op = op});
}

static bool parse_choice(struct parser *p);

static bool
emit_name(struct parser *p, const struct expr_name *n)
{
	if (n->count == 0)
		return emit_number(p, n->constant);
	for (size_t i = 0; i < n->count; i++) {
		if (!emit(p, (struct step){.op = STEP_VARIABLE,
				 .variable = n->variables[i]}) ||
		    (i > 0 && !emit_op(p, STEP_ADD)))
			return false;
	}
	return true;
}

static bool
parse_name(struct parser *p)
{
	const char *begin = p->at, *open = NULL;
	struct expr_name found = {0};
	char *name, *arg = NULL;
	const char *mistake;

	while (is_word(*p->at) || *p->at == ':')
		p->at++;
	if (p->at - begin > EXPR_NAME_MAX)
		return fail(p, "a name is too long");
	name = arena_memdup(p->arena, begin, (size_t)(p->at - begin));
	skip_space(p);
	if (*p->at == '(') {
		open = ++p->at;
		while (*p->at != '\0' && *p->at != ')')
			p->at++;
		arg = arena_memdup(p->arena, open, (size_t)(p->at - open));
		if (*p->at != ')')
			return fail(p, "a `)` is missing");
		p->at++;
	}
	if (name == NULL || (open != NULL && arg == NULL))
		return fail(p, "no memory");
	mistake = p->name(p->ctx, name, arg, &found);
	return mistake == NULL ? emit_name(p, &found) : fail(p, mistake);
}

static bool
parse_number(struct parser *p)
{
	char *end;
	double number = strtod(p->at, &end);

	p->at = end;
	return emit_number(p, number);
}

/* Something that stands by itself. */
static bool
parse_operand(struct parser *p)
{
	bool good;

	skip_space(p);
	if (++p->depth > EXPR_DEPTH_MAX)
		return fail(p, "parentheses are nested too deep");
	if (*p->at == '!' || *p->at == '-') {
		enum step_op op = *p->at++ == '!' ? STEP_NOT : STEP_NEGATE;

		good = parse_operand(p) && emit_op(p, op);
	} else if (*p->at == '+') {
		p->at++;
		good = parse_operand(p);
	} else if (*p->at == '(') {
		p->at++;
		good = parse_choice(p);
		skip_space(p);
		if (good && *p->at != ')')
			good = fail(p, "a `)` is missing");
		p->at += good;
	} else if (is_digit(*p->at) || *p->at == '.') {
		good = parse_number(p);
	} else if (is_word(*p->at)) {
		good = parse_name(p);
	} else {
		good = fail(p, *p->at == '\0'
			? "something is missing at the end"
			: "expected a name, a number or a `(`");
	}
	p->depth--;
	return good;
}

/* Operators of this level and those that bind stronger. */
static bool
parse_level(struct parser *p, int level)
{
	if (level == LEVEL_UNARY)
		return parse_operand(p);
	if (!parse_level(p, level + 1))
		return false;
	for (;;) {
		size_t i = 0;

		skip_space(p);
		while (i < OPERATORS && strncmp(p->at, operators[i].text,
					    strlen(operators[i].text)) != 0)
			i++;
		if (i == OPERATORS || operators[i].level != level)
			return true;
		p->at += strlen(operators[i].text);
		if (!parse_level(p, level + 1) ||
		    !emit_op(p, operators[i].op))
			return false;
	}
}

static bool
parse_choice(struct parser *p)
{
	if (!parse_level(p, LEVEL_LOWEST))
		return false;
	skip_space(p);
	if (*p->at != '?')
		return true;
	p->at++;
	if (++p->depth > EXPR_DEPTH_MAX)
		return fail(p, "it is nested too deep");
	if (!parse_choice(p))
		return false;
	skip_space(p);
	if (*p->at != ':')
		return fail(p, "a `:` is missing behind the `?`");
	p->at++;
	if (!parse_choice(p) || !emit_op(p, STEP_CHOOSE))
		return false;
	p->depth--;
	return true;
}

const char *
expr_parse(struct arena *a, const char *text, expr_name_fn *name, void *ctx,
    struct expr **expr_r)
{
	struct parser p = {
	    .arena = a, .at = text, .name = name, .ctx = ctx};
	struct expr *e = NULL;

	if (parse_choice(&p)) {
		skip_space(&p);
		if (*p.at != '\0')
			fail(&p, arena_printf(a,
				    "expected an operator before `%.20s`",
				    p.at));
	}
	if (p.mistake == NULL) {
		e = arena_alloc(
		    a, sizeof(*e) + p.count * sizeof(struct step));
		if (e == NULL)
			p.mistake = "no memory";
	}
	if (p.mistake == NULL) {
		e->count = p.count;
		memcpy(e->steps, p.steps, p.count * sizeof(struct step));
	}
	free(p.steps);
	*expr_r = e;
	return p.mistake;
}

/* -- what comes of it -- */

/* As Perl's integers; what lies outside them is none. */
static uint64_t
bits(double v)
{
	return v > 0 && v < 9e15 ? (uint64_t)v : 0;
}

static double
combine(enum step_op op, double a, double b)
{
	switch (op) {
	case STEP_MULTIPLY:
		return a * b;
	case STEP_DIVIDE:
		return b == 0 ? 0 : a / b;
	case STEP_ADD:
		return a + b;
	case STEP_SUBTRACT:
		return a - b;
	case STEP_LESS:
		return a < b;
	case STEP_GREATER:
		return a > b;
	case STEP_LESS_EQUAL:
		return a <= b;
	case STEP_GREATER_EQUAL:
		return a >= b;
	case STEP_EQUAL:
		return a == b;
	case STEP_UNEQUAL:
		return a != b;
	case STEP_XOR:
		return (double)(bits(a) ^ bits(b));
	case STEP_AND:
		return a != 0 ? b : a;
	case STEP_OR:
		return a != 0 ? a : b;
	default:
		return 0;
	}
}

/* An operand is never deeper than what the parser nests: each level of
 * parentheses holds at most one value per level of operators. */
#define STACK_MAX (EXPR_DEPTH_MAX * (LEVEL_UNARY + 3))

double
expr_value(const struct expr *e, expr_value_fn *value, const void *ctx)
{
	double stack[STACK_MAX];
	size_t top = 0;

	for (size_t i = 0; i < e->count; i++) {
		const struct step *s = &e->steps[i];

		switch (s->op) {
		case STEP_NUMBER:
			stack[top++] = s->number;
			break;
		case STEP_VARIABLE:
			stack[top++] = value(ctx, s->variable);
			break;
		case STEP_NOT:
			stack[top - 1] = stack[top - 1] == 0;
			break;
		case STEP_NEGATE:
			stack[top - 1] = -stack[top - 1];
			break;
		case STEP_CHOOSE:
			top -= 2;
			stack[top - 1] = stack[top - 1] != 0 ? stack[top]
							     : stack[top + 1];
			break;
		default:
			top--;
			stack[top - 1] =
			    combine(s->op, stack[top - 1], stack[top]);
		}
	}
	return stack[0];
}
