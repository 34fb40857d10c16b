#include "base/regex.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/quote.h"
#include "base/regex_internal.h"

#define JIT_STACK_MIN (32 * 1024)
#define JIT_STACK_MAX (1024 * 1024)
#define HEAP_LIMIT_KIB (20 * 1024) /* of the interpreter, for when the JIT's stack is too small */

/* Most patterns of real rules are words, lists of words, or words with .* at an end. */
enum shape {
	SHAPE_GENERAL,
	SHAPE_WORDS, /* one of words[] */
	SHAPE_AROUND /* words[0], with something before, behind or on both sides */
};

/* What may stand beside the word of SHAPE_AROUND. */
enum side { SIDE_NOTHING, SIDE_ANY, SIDE_SOME };

struct regex {
	atomic_uint refs;
	pcre2_code *code;
	char *pattern;
	struct slice *names; /* of the groups from 1, pointing into pattern */
	size_t ngroups;
	enum shape shape;
	enum side before, behind;
	struct slice *words; /* sorted; their bytes are in word_bytes */
	size_t nwords;
	char *word_bytes;
};

static pthread_key_t matching_key;
static pthread_once_t matching_once = PTHREAD_ONCE_INIT;
static atomic_uint_fast64_t limit_hits;

uint64_t regex_limit_hits(void)
{
	return atomic_load_explicit(&limit_hits, memory_order_relaxed);
}

static void matching_free(void *arg)
{
	struct matching *m = arg;

	pcre2_match_data_free(m->data);
	pcre2_match_context_free(m->context);
	pcre2_jit_stack_free(m->stack);
	free(m);
}

/* The main thread's is freed here: keys are only destroyed by threads that end. */
static void matching_exit(void)
{
	struct matching *m = pthread_getspecific(matching_key);

	if (m)
		matching_free(m);
	pthread_setspecific(matching_key, NULL);
}

static void matching_key_init(void)
{
	int err = pthread_key_create(&matching_key, matching_free);

	assert(!err);
	(void)err;
	atexit(matching_exit);
}

struct matching *regex_matching(void)
{
	pthread_once(&matching_once, matching_key_init);
	struct matching *m = pthread_getspecific(matching_key);

	if (m)
		return m;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->data = pcre2_match_data_create(REGEX_GROUPS_MAX + 1, NULL);
	m->context = pcre2_match_context_create(NULL);
	m->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	if (!m->data || !m->context || pthread_setspecific(matching_key, m) != 0) {
		matching_free(m);
		return NULL;
	}
	pcre2_set_match_limit(m->context, REGEX_MATCH_LIMIT);
	pcre2_set_heap_limit(m->context, HEAP_LIMIT_KIB);
	if (m->stack)
		pcre2_jit_stack_assign(m->context, NULL, m->stack);
	return m;
}

/*
 * The groups' places are in m->data when it matched. The subject went through
 * regex_subject_repair(). Returns the number of places, 0 when it did not match, or an error.
 */
static int code_match(const pcre2_code *code, struct matching *m, struct slice subject, size_t from,
		      uint32_t options)
{
	PCRE2_SPTR ptr = (PCRE2_SPTR)subject.ptr;

	options |= PCRE2_NO_UTF_CHECK;
	int rc = pcre2_match(code, ptr, subject.len, from, options, m->data, m->context);

	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match(code, ptr, subject.len, from, options | PCRE2_NO_JIT, m->data,
				 m->context);
	if (rc > 0)
		return rc;
	assert(rc != 0); /* data has room for all groups that a pattern may have */
	if (rc == PCRE2_ERROR_NOMEMORY)
		return ERR_NOMEM;
	if (rc != PCRE2_ERROR_NOMATCH)
		atomic_fetch_add_explicit(&limit_hits, 1, memory_order_relaxed);
	return 0;
}

bool regex_subject_repair(struct slice *subject, struct buf *copy)
{
	char bytes[4];

	buf_init(copy);
	if (!subject->ptr)
		*subject = SLICE("");
	if (slice_is_utf8(*subject))
		return true;
	for (size_t i = 0; i < subject->len;) {
		uint32_t rune;

		i += slice_rune((struct slice){ subject->ptr + i, subject->len - i }, &rune);
		buf_add(copy, bytes, rune_encode(rune, bytes));
	}
	*subject = buf_slice(copy);
	return buf_ok(copy);
}

static const char specials[] = "\\.+*?()|[]{}^$";

/*
 * Moves over plain and escaped characters and appends what they stand for. Any other special
 * character ends the word.
 */
static void take_word(struct slice *in, struct buf *word)
{
	while (in->len > 0) {
		char c = in->ptr[0];
		size_t n = 1;

		if (c == '\\' && in->len > 1 && strchr(specials, in->ptr[1]) && in->ptr[1]) {
			c = in->ptr[1];
			n = 2;
		} else if (c == '\0' || strchr(specials, c)) {
			return;
		}
		buf_add_char(word, c);
		in->ptr += n;
		in->len -= n;
	}
}

static enum side take_side(struct slice *in)
{
	enum side side = slice_has_prefix(*in, SLICE(".*"))   ? SIDE_ANY
			 : slice_has_prefix(*in, SLICE(".+")) ? SIDE_SOME
							      : SIDE_NOTHING;

	if (side != SIDE_NOTHING) {
		in->ptr += 2;
		in->len -= 2;
	}
	return side;
}

static bool find_around(struct regex *regex, struct slice in, struct buf *word)
{
	regex->before = take_side(&in);
	take_word(&in, word);
	/* In ".*.+" the word is empty and both sides would compete for the same bytes. */
	if (word->len > 0)
		regex->behind = take_side(&in);
	return in.len == 0 && (regex->before != SIDE_NOTHING || regex->behind != SIDE_NOTHING);
}

static int word_compare(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* a|b|c. False when the pattern is something else, or when memory is short: it is only a short cut.
 */
static bool find_words(struct regex *regex, struct slice in, struct buf *bytes)
{
	size_t max = 1, start = 0;

	for (size_t i = 0; i < in.len; i++)
		max += in.ptr[i] == '|';
	/* The words never get longer than the pattern: their place is fixed from here on. */
	regex->words = malloc(max * sizeof(*regex->words));
	if (!regex->words || !buf_reserve(bytes, in.len))
		return false;
	for (;;) {
		take_word(&in, bytes);
		regex->words[regex->nwords++] =
			(struct slice){ bytes->ptr + start, bytes->len - start };
		start = bytes->len;
		if (in.len == 0 || in.ptr[0] != '|')
			break;
		in.ptr++;
		in.len--;
	}
	qsort(regex->words, regex->nwords, sizeof(*regex->words), word_compare);
	return in.len == 0;
}

static void shape_find(struct regex *regex, struct slice pattern)
{
	struct buf bytes;

	buf_init(&bytes);
	if (find_around(regex, pattern, &bytes) && buf_reserve(&bytes, 0)) {
		regex->words = malloc(sizeof(*regex->words));
		if (regex->words) {
			regex->words[0] = buf_slice(&bytes);
			regex->nwords = 1;
			regex->shape = SHAPE_AROUND;
		}
	} else {
		buf_clear(&bytes);
		if (find_words(regex, pattern, &bytes))
			regex->shape = SHAPE_WORDS;
	}
	if (regex->shape == SHAPE_GENERAL) {
		free(regex->words);
		regex->words = NULL;
		regex->nwords = 0;
		buf_fini(&bytes);
		return;
	}
	regex->word_bytes = bytes.ptr;
}

static bool is_around(const struct regex *regex, struct slice subject)
{
	struct slice word = regex->words[0];
	size_t before = regex->before == SIDE_SOME, behind = regex->behind == SIDE_SOME;

	if (subject.len < word.len + before + behind)
		return false;
	if (regex->before == SIDE_NOTHING)
		return slice_has_prefix(subject, word);
	if (regex->behind == SIDE_NOTHING)
		return slice_has_suffix(subject, word);
	return word.len == 0 || memmem(subject.ptr + before, subject.len - before - behind,
				       word.ptr, word.len) != NULL;
}

static bool is_word(const struct regex *regex, struct slice subject)
{
	return bsearch(&subject, regex->words, regex->nwords, sizeof(*regex->words),
		       word_compare) != NULL;
}

/* Compiles what regex_translate() wrote. */
static int code_new(const struct buf *pattern, uint32_t options, pcre2_code **out, char **why)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	int error;
	PCRE2_SIZE offset;

	if (!context)
		return ERR_NOMEM;
	pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	options |= PCRE2_UTF | PCRE2_NO_UTF_CHECK | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX |
		   PCRE2_NEVER_BACKSLASH_C;
	*out = pcre2_compile((PCRE2_SPTR)pattern->ptr, pattern->len, options, &error, &offset,
			     context);
	pcre2_compile_context_free(context);
	if (*out)
		return 0;
	if (error == PCRE2_ERROR_HEAP_FAILED)
		return ERR_NOMEM;
	unsigned char message[256];

	pcre2_get_error_message(error, message, sizeof(message));
	*why = slice_dup(slice_from((const char *)message));
	return ERR_INVALID;
}

int regex_pattern_compile(struct slice pattern, bool anchored, struct regex_syntax *syntax,
			  pcre2_code **out, char **why, size_t *offset)
{
	struct buf whole;

	*why = NULL;
	*offset = 0;
	int err = regex_translate(pattern, syntax, why, offset);

	if (err)
		return err;
	buf_init(&whole);
	buf_add_str(&whole, anchored ? "(?s:" : "(?:");
	buf_add_slice(&whole, buf_slice(&syntax->out));
	buf_add_str(&whole, anchored ? ")\\z" : ")");
	err = buf_ok(&whole) ? code_new(&whole, anchored ? PCRE2_ANCHORED : 0, out, why)
			     : ERR_NOMEM;
	buf_fini(&whole);
	return err;
}

static bool names_keep(struct regex *regex, const struct regex_syntax *syntax)
{
	size_t bytes = syntax->ngroups * sizeof(*regex->names);

	if (bytes == 0)
		return true;
	regex->names = malloc(bytes);
	if (!regex->names)
		return false;
	memcpy(regex->names, syntax->names, bytes);
	regex->ngroups = syntax->ngroups;
	return true;
}

int regex_new(struct slice pattern, struct regex **out, char **why, size_t *offset)
{
	struct regex *regex = calloc(1, sizeof(*regex));
	struct regex_syntax syntax;

	*why = NULL;
	*offset = 0;
	if (!regex)
		return ERR_NOMEM;
	atomic_init(&regex->refs, 1);
	regex->pattern = pattern.len <= REGEX_PATTERN_MAX ? slice_dup(pattern) : NULL;
	if (regex->pattern)
		pattern.ptr = regex->pattern;
	int err = regex_pattern_compile(pattern, true, &syntax, &regex->code, why, offset);

	if (!err && !(regex->pattern && names_keep(regex, &syntax)))
		err = ERR_NOMEM;
	buf_fini(&syntax.out);
	if (err) {
		regex_free(regex);
		return err;
	}
	shape_find(regex, pattern);
	/* Without the JIT (no memory, no support) the interpreter serves. */
	if (regex->shape == SHAPE_GENERAL)
		pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
	*out = regex;
	return 0;
}

struct regex *regex_ref(struct regex *regex)
{
	atomic_fetch_add_explicit(&regex->refs, 1, memory_order_relaxed);
	return regex;
}

void regex_free(struct regex *regex)
{
	if (!regex || atomic_fetch_sub_explicit(&regex->refs, 1, memory_order_acq_rel) > 1)
		return;
	pcre2_code_free(regex->code);
	free(regex->names);
	free(regex->words);
	free(regex->word_bytes);
	free(regex->pattern);
	free(regex);
}

bool regex_is_match(const struct regex *regex, struct slice subject)
{
	struct buf copy;

	if (regex->shape == SHAPE_WORDS)
		return is_word(regex, subject);
	if (regex->shape == SHAPE_AROUND)
		return is_around(regex, subject);
	struct matching *m = regex_matching();
	bool matched = m && regex_subject_repair(&subject, &copy) &&
		       code_match(regex->code, m, subject, 0, 0) > 0;

	if (m)
		buf_fini(&copy);
	return matched;
}

/* One $name, ${name} or $1 of a template. */
struct reference {
	struct slice name;
	long number; /* -1: by name */
};

/* `in` stands behind the dollar. False when it is none: the dollar then stands for itself. */
static bool take_reference(struct slice *in, struct reference *ref)
{
	bool braces = in->len > 0 && in->ptr[0] == '{';
	struct slice text = { in->ptr + braces, in->len - braces };
	size_t n = 0, step;
	uint32_t rune;

	while ((step = slice_rune((struct slice){ text.ptr + n, text.len - n }, &rune)) > 0 &&
	       (rune == '_' || rune_is_alnum(rune)))
		n += step;
	if (n == 0 || (braces && (n == text.len || text.ptr[n] != '}')))
		return false;
	ref->name = (struct slice){ text.ptr, n };
	ref->number = 0;
	for (size_t i = 0; i < n && ref->number >= 0; i++) {
		char c = text.ptr[i];

		if (c < '0' || c > '9' || ref->number > REGEX_GROUPS_MAX)
			ref->number = c < '0' || c > '9' ? -1 : ref->number;
		else
			ref->number = ref->number * 10 + (c - '0');
	}
	if (n > 1 && text.ptr[0] == '0')
		ref->number = -1; /* no leading zeros */
	n += (size_t)braces * 2;
	in->ptr += n;
	in->len -= n;
	return true;
}

/* The text of a group, empty when it has none. */
static struct slice group_text(const struct found *found, const struct reference *ref)
{
	const PCRE2_SIZE *at = found->at;
	long number = ref->number;

	for (size_t i = 0; number < 0 && i < found->ngroups; i++) {
		if (slice_is_equal(found->names[i], ref->name))
			number = (long)i + 1;
	}
	if (number < 0 || number >= found->places || at[2 * number] == PCRE2_UNSET)
		return (struct slice){ NULL, 0 };
	return (struct slice){ found->subject.ptr + at[2 * number],
			       at[2 * number + 1] - at[2 * number] };
}

/* Go's Regexp.Expand: appends; ERR_LIMIT when out gets longer than out_max. */
static int regex_expand_found(const struct found *found, struct slice template, size_t out_max,
			      struct buf *out)
{
	while (template.len > 0) {
		ptrdiff_t dollar = slice_find(template, '$');
		size_t plain = dollar < 0 ? template.len : (size_t)dollar;
		struct reference ref;

		buf_add(out, template.ptr, plain);
		template.ptr += plain;
		template.len -= plain;
		if (template.len == 0)
			break;
		template.ptr++;
		template.len--;
		if (template.len > 0 && template.ptr[0] == '$') {
			buf_add_char(out, '$');
			template.ptr++;
			template.len--;
		} else if (take_reference(&template, &ref)) {
			buf_add_slice(out, group_text(found, &ref));
		} else {
			buf_add_char(out, '$');
		}
		if (out->len > out_max)
			return ERR_LIMIT;
	}
	return out->len > out_max ? ERR_LIMIT : buf_ok(out) ? 0 : ERR_NOMEM;
}

int regex_expand(const struct regex *regex, struct slice subject, struct slice template,
		 struct buf *out)
{
	struct matching *m = regex_matching();
	struct buf copy;

	if (!m)
		return ERR_NOMEM;
	int err = regex_subject_repair(&subject, &copy) ? 0 : ERR_NOMEM;
	struct found found = { subject, pcre2_get_ovector_pointer(m->data), 0, regex->names,
			       regex->ngroups };

	found.places = err ? err : code_match(regex->code, m, subject, 0, 0);
	if (found.places > 0)
		err = regex_expand_found(&found, template, out->len + REGEX_OUTPUT_MAX, out);
	buf_fini(&copy);
	return found.places <= 0 ? found.places : err ? err : 1;
}

/* The length of the character at a place, 1 at the end. */
static size_t step_at(struct slice subject, size_t at)
{
	uint32_t rune;
	size_t n = slice_rune((struct slice){ subject.ptr + at, subject.len - at }, &rune);

	return n ? n : 1;
}

int regex_replace_found(struct found *found,
			int (*find)(const void *ctx, struct slice subject, size_t from),
			const void *ctx, struct slice template, struct buf *out)
{
	struct slice subject = found->subject;
	size_t out_max = out->len + REGEX_OUTPUT_MAX, done = 0, from = 0;
	int err = 0;

	while (!err && from <= subject.len && (found->places = find(ctx, subject, from)) > 0) {
		size_t start = found->at[0], end = found->at[1];

		buf_add(out, subject.ptr + done, start - done);
		if (end > done || start == 0)
			err = regex_expand_found(found, template, out_max, out);
		done = end;
		from = end > from ? end : from + step_at(subject, from);
	}
	if (err || found->places < 0)
		return err ? err : found->places;
	buf_add(out, subject.ptr + done, subject.len - done);
	return out->len > out_max ? ERR_LIMIT : buf_ok(out) ? 0 : ERR_NOMEM;
}

static int find_next(const void *ctx, struct slice subject, size_t from)
{
	return code_match(ctx, regex_matching(), subject, from, 0);
}

/* Compiles for one use. */
static int compile_once(struct slice pattern, struct regex_syntax *syntax, pcre2_code **code)
{
	char *why;
	size_t offset;
	int err = regex_pattern_compile(pattern, false, syntax, code, &why, &offset);

	free(why);
	buf_fini(&syntax->out);
	return err;
}

int regex_replace_all(struct slice pattern, struct slice subject, struct slice template,
		      struct buf *out)
{
	struct matching *m = regex_matching();
	struct regex_syntax syntax;
	struct buf copy;
	pcre2_code *code;

	if (!m)
		return ERR_NOMEM;
	int err = compile_once(pattern, &syntax, &code);

	if (err)
		return err;
	err = regex_subject_repair(&subject, &copy) ? 0 : ERR_NOMEM;
	struct found found = { subject, pcre2_get_ovector_pointer(m->data), 0, syntax.names,
			       syntax.ngroups };

	if (!err)
		err = regex_replace_found(&found, find_next, code, template, out);
	buf_fini(&copy);
	pcre2_code_free(code);
	return err;
}

int regex_search(struct slice pattern, struct slice subject)
{
	struct matching *m = regex_matching();
	struct regex_syntax syntax;
	struct buf copy;
	pcre2_code *code;

	if (!m)
		return ERR_NOMEM;
	int err = compile_once(pattern, &syntax, &code);

	if (err)
		return err;
	int places = regex_subject_repair(&subject, &copy) ? code_match(code, m, subject, 0, 0)
							   : ERR_NOMEM;

	buf_fini(&copy);
	pcre2_code_free(code);
	return places > 0 ? 1 : places;
}
