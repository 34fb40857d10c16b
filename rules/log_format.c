#include "rules/log_internal.h"

#include <stdlib.h>

#include "base/error.h"

/*
 * The part of Go's text/template that formats of log lines are mostly made of: texts, labels, and
 * pipelines of functions over them. Everything else is refused by name.
 *
 *   {{.method}} {{ .path | ToLower | trunc 20 }} {{ default "none" .user }} {{ __line__ }}
 */
#define PARTS_MAX 256
#define CALLS_MAX 16 /* functions of one action */
#define ARGS_MAX 3   /* of one function, what is piped in included */
#define OUTPUT_MAX (64 * 1024)

enum operand_kind { OPERAND_TEXT, OPERAND_LABEL, OPERAND_LINE };

struct operand {
	enum operand_kind kind;
	struct slice text; /* the text, or the label's name */
	uint32_t print;
};

struct function;

struct call {
	const struct function *function;
	struct operand args[ARGS_MAX]; /* those written; what is piped in comes last */
	uint32_t nargs;
};

/* A text, or an action: an operand sent through calls, or a call whose arguments are all written.
 */
struct part {
	bool has_operand;
	struct operand operand;
	struct call *calls;
	uint32_t ncalls;
};

struct log_template {
	struct part *parts;
	uint32_t n;
};

/* Arguments as texts, the last one what is formatted. false: it cannot be done. */
struct rendering {
	struct log_scratch *scratch;
	const struct slice *args;
	struct slice *out;
};

struct function {
	const char *name;
	uint32_t nargs;
	bool (*run)(const struct rendering *r);
};

static char *text_new(const struct rendering *r, size_t n)
{
	return n <= OUTPUT_MAX ? log_scratch_alloc(r->scratch, n) : NULL;
}

static bool text_map(const struct rendering *r, char from, char to)
{
	struct slice text = r->args[0];
	char *copy = text_new(r, text.len);

	if (!copy)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		copy[i] = c >= from && c <= to ? (char)(c ^ 0x20) : c;
	}
	*r->out = (struct slice){ copy, text.len };
	return true;
}

/* Of ASCII; other letters stay as they are. */
static bool run_lower(const struct rendering *r)
{
	return text_map(r, 'A', 'Z');
}

static bool run_upper(const struct rendering *r)
{
	return text_map(r, 'a', 'z');
}

static bool run_trim_space(const struct rendering *r)
{
	*r->out = slice_trim(r->args[0]);
	return true;
}

static bool run_default(const struct rendering *r)
{
	*r->out = r->args[1].len ? r->args[1] : r->args[0];
	return true;
}

static bool run_trim_prefix(const struct rendering *r)
{
	struct slice prefix = r->args[0], text = r->args[1];
	size_t n = slice_has_prefix(text, prefix) ? prefix.len : 0;

	*r->out = (struct slice){ text.ptr + n, text.len - n };
	return true;
}

static bool run_trim_suffix(const struct rendering *r)
{
	struct slice suffix = r->args[0], text = r->args[1];
	size_t n = slice_has_suffix(text, suffix) ? suffix.len : 0;

	*r->out = (struct slice){ text.ptr, text.len - n };
	return true;
}

/* TrimPrefix of a text, prefix: Go's own order of arguments. */
static bool run_go_trim_prefix(const struct rendering *r)
{
	return run_trim_prefix(&(struct rendering){
		r->scratch, (struct slice[]){ r->args[1], r->args[0] }, r->out });
}

static bool run_go_trim_suffix(const struct rendering *r)
{
	return run_trim_suffix(&(struct rendering){
		r->scratch, (struct slice[]){ r->args[1], r->args[0] }, r->out });
}

/* trunc 5 keeps the first five bytes, trunc -5 the last. */
static bool run_trunc(const struct rendering *r)
{
	struct slice text = r->args[1];
	double n;

	if (log_number_parse(r->args[0], &n) || n != (double)(int32_t)n)
		return false;
	if (n >= 0 && (double)text.len > n)
		text.len = (size_t)n;
	if (n < 0 && (double)text.len > -n) {
		text.ptr += text.len - (size_t)-n;
		text.len = (size_t)-n;
	}
	*r->out = text;
	return true;
}

static bool run_replace(const struct rendering *r)
{
	struct slice old = r->args[0], new = r->args[1], in = r->args[2];
	size_t n = 0, count = 0;

	if (old.len == 0) {
		*r->out = in;
		return true;
	}
	for (struct slice s = in; s.len >= old.len;) {
		const char *at = memmem(s.ptr, s.len, old.ptr, old.len);

		if (!at)
			break;
		count++;
		s.len -= (size_t)(at - s.ptr) + old.len;
		s.ptr = at + old.len;
	}
	char *text = text_new(r, in.len - count * old.len + count * new.len);

	if (!text)
		return false;
	for (; count > 0; count--) {
		const char *at = memmem(in.ptr, in.len, old.ptr, old.len);
		size_t before = (size_t)(at - in.ptr);

		memcpy(text + n, in.ptr, before);
		if (new.len)
			memcpy(text + n + before, new.ptr, new.len);
		n += before + new.len;
		in.ptr = at + old.len;
		in.len -= before + old.len;
	}
	if (in.len)
		memcpy(text + n, in.ptr, in.len);
	*r->out = (struct slice){ text, n + in.len };
	return true;
}

static const struct function functions[] = {
	{ "ToLower", 1, run_lower },
	{ "lower", 1, run_lower },
	{ "ToUpper", 1, run_upper },
	{ "upper", 1, run_upper },
	{ "TrimSpace", 1, run_trim_space },
	{ "trim", 1, run_trim_space },
	{ "TrimPrefix", 2, run_go_trim_prefix },
	{ "TrimSuffix", 2, run_go_trim_suffix },
	{ "trimPrefix", 2, run_trim_prefix },
	{ "trimSuffix", 2, run_trim_suffix },
	{ "trunc", 2, run_trunc },
	{ "replace", 3, run_replace },
	{ "default", 2, run_default },
};
#define FUNCTIONS (sizeof(functions) / sizeof(*functions))

static const struct function *function_find(struct slice name)
{
	for (size_t i = 0; i < FUNCTIONS; i++) {
		if (slice_is(name, functions[i].name))
			return &functions[i];
	}
	return NULL;
}

/* Parsing. */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word_char(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}

static void skip_blanks(struct slice *in)
{
	while (in->len > 0 && is_blank(in->ptr[0])) {
		in->ptr++;
		in->len--;
	}
}

static struct slice take_word(struct slice *in)
{
	struct slice word = { in->ptr, 0 };

	while (word.len < in->len && is_word_char(in->ptr[word.len]))
		word.len++;
	in->ptr += word.len;
	in->len -= word.len;
	return word;
}

/* "…" with \" and \\, or `…`: at its quote. */
static int text_take(const struct log_compiler *compiler, struct slice *in, struct slice *out)
{
	char quote = in->ptr[0];
	char *copy = arena_alloc(compiler->arena, in->len);
	size_t n = 0, i = 1;

	if (!copy)
		return ERR_NOMEM;
	for (; i < in->len && in->ptr[i] != quote; i++) {
		if (quote == '"' && in->ptr[i] == '\\' && i + 1 < in->len) {
			i++;
			copy[n++] = in->ptr[i] == 'n'	? '\n'
				    : in->ptr[i] == 't' ? '\t'
							: in->ptr[i];
			continue;
		}
		copy[n++] = in->ptr[i];
	}
	if (i == in->len)
		return log_refuse(compiler, ERR_INVALID, NULL, "a text in a template does not end");
	in->ptr += i + 1;
	in->len -= i + 1;
	*out = (struct slice){ copy, n };
	return 0;
}

/* 1: an operand; 0: none is here; or an error. */
static int operand_take(const struct log_compiler *compiler, struct slice *in, struct operand *out)
{
	skip_blanks(in);
	if (in->len == 0)
		return 0;
	char c = in->ptr[0];

	*out = (struct operand){ .kind = OPERAND_TEXT };
	if (c == '"' || c == '`') {
		int err = text_take(compiler, in, &out->text);

		return err ? err : 1;
	}
	if (c == '-' || (c >= '0' && c <= '9')) {
		size_t n = 1;

		while (n < in->len && in->ptr[n] >= '0' && in->ptr[n] <= '9')
			n++;
		out->text = (struct slice){ in->ptr, n };
		in->ptr += n;
		in->len -= n;
		return 1;
	}
	if (slice_has_prefix(*in, SLICE("__line__"))) {
		out->kind = OPERAND_LINE;
		take_word(in);
		return 1;
	}
	if (c != '.')
		return 0;
	in->ptr++;
	in->len--;
	out->kind = OPERAND_LABEL;
	out->text = take_word(in);
	out->print = name_print(out->text);
	if (out->text.len == 0 || (in->len > 0 && in->ptr[0] == '.'))
		return log_refuse(compiler, ERR_UNSUPPORTED, "write {{.name}}",
				  "only labels may be named in a line's template");
	int err = log_needs(compiler, out->text);

	return err ? err : 1;
}

static int call_take(const struct log_compiler *compiler, struct slice *in, bool is_piped,
		     struct call *call)
{
	static const char *names[FUNCTIONS];
	struct slice name = take_word(in);
	struct operand none;
	int more;

	*call = (struct call){ .function = function_find(name) };
	if (!call->function) {
		for (size_t i = 0; i < FUNCTIONS; i++)
			names[i] = functions[i].name;
		const char *near = nearest_name(name, names, FUNCTIONS);

		if (!name.len)
			name = *in;
		return log_refuse(compiler, ERR_UNSUPPORTED, NULL,
				  "\"" SLICE_FMT "\" is not supported in the template of a "
				  "log line%s%s%s",
				  SLICE_ARG(name), near ? "; did you mean \"" : "",
				  near ? near : "", near ? "\"?" : "");
	}
	/* Those that no function takes are counted. */
	while ((more = operand_take(compiler, in,
				    call->nargs < ARGS_MAX ? &call->args[call->nargs] : &none)) !=
	       0) {
		if (more < 0)
			return more;
		call->nargs++;
	}
	if (call->nargs + is_piped != call->function->nargs)
		return log_refuse(compiler, ERR_INVALID, NULL,
				  "\"%s\" in a template takes %u arguments, not %u",
				  call->function->name, call->function->nargs,
				  call->nargs + is_piped);
	return 0;
}

/* What stands between {{ and }}. */
static int action_parse(const struct log_compiler *compiler, struct slice in, struct part *part)
{
	int has = operand_take(compiler, &in, &part->operand);

	if (has < 0)
		return has;
	part->has_operand = has;
	part->calls = arena_alloc_array(compiler->arena, CALLS_MAX, sizeof(*part->calls));
	if (!part->calls)
		return ERR_NOMEM;
	for (bool is_first = true;; is_first = false) {
		skip_blanks(&in);
		if (in.len == 0 && (has || !is_first))
			return 0;
		if (has || !is_first) {
			if (in.ptr[0] != '|')
				return log_refuse(compiler, ERR_UNSUPPORTED, NULL,
						  "\"" SLICE_FMT
						  "\" in a template is not understood",
						  SLICE_ARG(in));
			in.ptr++;
			in.len--;
			skip_blanks(&in);
		}
		if (part->ncalls == CALLS_MAX)
			return log_refuse(compiler, ERR_LIMIT, NULL,
					  "more than %d functions in one action of a template",
					  CALLS_MAX);
		int err = call_take(compiler, &in, has || !is_first, &part->calls[part->ncalls]);

		if (err)
			return err;
		part->ncalls++;
	}
}

static int part_add(const struct log_compiler *compiler, struct log_template *template,
		    struct part part)
{
	if (template->n == PARTS_MAX)
		return log_refuse(compiler, ERR_LIMIT, NULL, "a template of more than %d parts",
				  PARTS_MAX);
	template->parts[template->n++] = part;
	return 0;
}

static int text_add(const struct log_compiler *compiler, struct log_template *template,
		    struct slice text)
{
	struct part part = { .has_operand = true, .operand = { OPERAND_TEXT, text, 0 } };

	return text.len ? part_add(compiler, template, part) : 0;
}

/* An action, behind its braces; moves behind those that close it. */
static int action_take(const struct log_compiler *compiler, struct slice *in,
		       struct log_template *template, bool *trims)
{
	struct part part = { .has_operand = false };
	const char *close = memmem(in->ptr, in->len, "}}", 2);

	if (!close)
		return log_refuse(compiler, ERR_INVALID, NULL, "{{ without }} in a template");
	struct slice inside = { in->ptr, (size_t)(close - in->ptr) };

	in->ptr = close + 2;
	in->len -= inside.len + 2;
	*trims = inside.len > 1 && inside.ptr[inside.len - 1] == '-' &&
		 is_blank(inside.ptr[inside.len - 2]);
	if (*trims)
		inside.len--;
	int err = action_parse(compiler, inside, &part);

	return err ? err : part_add(compiler, template, part);
}

/* No more parts than this: an action and a text for each brace, and what stands before. */
static size_t parts_max(struct slice text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.len; i++)
		n += text.ptr[i] == '{' ? 2 : 0;
	return n < PARTS_MAX ? n : PARTS_MAX;
}

int log_template_compile(const struct log_compiler *compiler, struct slice text,
			 const struct log_template **out)
{
	struct log_template *template = ARENA_NEW(compiler->arena, struct log_template);
	struct slice in = arena_slice(compiler->arena, text);
	bool trims = false;
	int err = 0;

	if (!template || !in.ptr)
		return ERR_NOMEM;
	template->parts =
		arena_alloc_array(compiler->arena, parts_max(in), sizeof(*template->parts));
	if (!template->parts)
		return ERR_NOMEM;
	while (!err && in.len > 0) {
		const char *open = memmem(in.ptr, in.len, "{{", 2);
		struct slice plain = { in.ptr, open ? (size_t)(open - in.ptr) : in.len };
		size_t skip = plain.len + (open ? 2 : 0);

		in.ptr += skip;
		in.len -= skip;
		if (trims)
			skip_blanks(&plain);
		bool trims_before = open && in.len > 1 && in.ptr[0] == '-' && is_blank(in.ptr[1]);

		if (trims_before) {
			in.ptr++;
			in.len--;
			while (plain.len > 0 && is_blank(plain.ptr[plain.len - 1]))
				plain.len--;
		}
		err = text_add(compiler, template, plain);
		if (!err && open)
			err = action_take(compiler, &in, template, &trims);
	}
	if (!err)
		*out = template;
	return err;
}

/* Rendering. */

static struct slice operand_get(const struct operand *operand, struct log_scratch *scratch)
{
	if (operand->kind == OPERAND_LABEL)
		return log_label_get(scratch, operand->text, operand->print);
	return operand->kind == OPERAND_LINE ? scratch->line : operand->text;
}

static bool part_render(const struct part *part, struct log_scratch *scratch, struct slice *out)
{
	struct slice value = { NULL, 0 };

	if (part->has_operand)
		value = operand_get(&part->operand, scratch);
	for (uint32_t i = 0; i < part->ncalls; i++) {
		const struct call *call = &part->calls[i];
		struct slice args[ARGS_MAX];

		for (uint32_t k = 0; k < call->nargs; k++)
			args[k] = operand_get(&call->args[k], scratch);
		if (call->nargs < call->function->nargs)
			args[call->nargs] = value;
		struct rendering r = { scratch, args, &value };

		if (!call->function->run(&r))
			return false;
	}
	*out = value;
	return true;
}

bool log_template_render(const struct log_template *template, struct log_scratch *scratch,
			 struct slice *out)
{
	struct slice texts[PARTS_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < template->n; i++) {
		if (!part_render(&template->parts[i], scratch, &texts[i]) ||
		    texts[i].len > OUTPUT_MAX - n) {
			log_fail(scratch, LOG_ERROR_TEMPLATE);
			return false;
		}
		n += texts[i].len;
	}
	char *text = log_scratch_alloc(scratch, n);

	if (!text) {
		log_fail(scratch, LOG_ERROR_TEMPLATE);
		return false;
	}
	*out = (struct slice){ text, 0 };
	for (uint32_t i = 0; i < template->n; i++) {
		if (texts[i].len)
			memcpy(text + out->len, texts[i].ptr, texts[i].len);
		out->len += texts[i].len;
	}
	return true;
}
