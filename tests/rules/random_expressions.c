/*
 * Random expressions, one a line, for tests/e2e/test_expressions: those of expressions.txt with
 * tokens left out, put in, doubled, exchanged and replaced.
 *
 *   random_expressions EXPRESSIONS.TXT SEED COUNT
 *
 * Left out is what Prometheus 3.14 reads otherwise than the 3.5 that it is compared with: what is
 * newer, names with a colon as labels, letters in brackets; and times that are not positive, which
 * a rule is refused for when it is loaded.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CORPUS_MAX 4096
#define TEXT_MAX 512
#define TOKENS_MAX 256

static uint64_t state;
static char *corpus[CORPUS_MAX];
static uint32_t ncorpus;

static uint32_t random_below(uint32_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % n);
}

#define LENGTH(list) ((uint32_t)(sizeof(list) / sizeof(*(list))))
#define PICK(list) (list)[random_below(LENGTH(list))]

/* clang-format off */
static const char *const tokens[] = {
	"(", ")", "{", "}", "[", "]", ",", "=", "==", "!=", "=~", "!~", "<", ">", "<=", ">=", "+",
	"-", "*", "/", "%", "^", "and", "or", "unless", "atan2", "by", "without", "on", "ignoring",
	"group_left", "group_right", "bool", "offset", "@", "sum", "avg", "count", "topk",
	"quantile", "count_values", "limitk", "rate", "time", "time()", "vector", "scalar", "5m",
	"1h30m", "300", "1.5", "-1", "0x10", ".5", "5.", "1e3", "Inf", "x", "\"s\"", "'s'", "`s`",
	"\"\\n\"", "\"\\q\"", "\"\\x4\"", "\"", "'", "# c", "__name__", "le", "\"a.b\"", "1m1h",
	"5mm", "1_0", "1__0", "01", "09", "0b1", "ä", "$", "&", "!", "~", "\\", "()", "(x)", "{}",
	"{a=\"b\"}", "{\"a.b\"}", "{\"a.b\",c=\"d\"}", "{\"\"=\"c\"}", "[5m]", "[5m:]", "[5m:1m]",
	"[0]", "[-5m]", "[(5m)]", "[2*(1m+5)]", "offset 5m", "offset -5m", "offset (5m)",
	"offset (2*3m)", "@ 5", "@ start()", "@ end()", "@ -inf", "SUM", "BY", "AND", "ON",
	"OFFSET", "BOOL", "by (a,)", "without (le)", "on (without)", "on () group_left (a)",
	"ignoring (a)", "bool", "5s5ms", "-0", "0s", "1e400", "99999999999999999999",
	"histogram_quantile", "label_replace", "absent", "sort", "=~\"[\"", "=~\"a|b\"",
	"\"\\400\"", "\"\\u12\"", "\"\\ud800\"", "!x", "1i", "nan"
};
/* clang-format on */

/* Words that are newer, or mean more than to Prometheus, and pieces that are left out. */
static const char *const excluded[] = {
	"logs", "anchored", "smoothed", "fill", "step", "range", "_of", "first_over_time", "ts_of",
	"histogram_quantiles", "start_timestamp", "info", "</", ">/", "|", "offset -(", "offset +("
};

/* A name with a colon; in brackets a letter that begins a word, a minus or a division. */
static bool is_doubtful(const char *text)
{
	bool in_brackets = false;

	for (const char *at = text; *at; at++) {
		bool begins = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '.');

		if (*at == '[' || *at == ']')
			in_brackets = *at == '[';
		else if (in_brackets && ((isalpha((unsigned char)*at) && begins) ||
					 (strchr("-%/^", *at) && at[-1] != '[')))
			return true;
		else if (*at == ':' && !in_brackets)
			return true;
	}
	return false;
}

static bool is_left_out(const char *text)
{
	for (uint32_t i = 0; i < LENGTH(excluded); i++)
		if (strcasestr(text, excluded[i]) != NULL)
			return true;
	/* Without an operand start() and end() are newer; and no time is NaN any more. */
	for (const char *at = text; (at = strcasestr(at, "start")) != NULL; at++)
		if (at - text < 2 || memcmp(at - 2, "@ ", 2) != 0)
			return true;
	for (const char *at = text; (at = strcasestr(at, "end")) != NULL; at++)
		if (at - text < 2 || memcmp(at - 2, "@ ", 2) != 0)
			return true;
	return is_doubtful(text) || (strcasestr(text, "offset") && strcasestr(text, "nan"));
}

/* The cases that are right: the line after theirs begins with "=". */
static void read_corpus(const char *path)
{
	static char line[4096], before[4096];
	FILE *file = fopen(path, "r");

	if (!file)
		exit(2);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '=' && strlen(before) < TEXT_MAX / 4 && before[0] != '\0' &&
		    !is_left_out(before) && ncorpus < CORPUS_MAX)
			corpus[ncorpus++] = strdup(before);
		strcpy(before, line);
	}
	fclose(file);
}

/* The length of the token that text begins with: a string, a word, a number, or one character. */
static size_t token_length(const char *text)
{
	size_t n = 1;

	if (strchr("\"'`", text[0])) {
		while (text[n] && text[n] != text[0])
			n += text[n] == '\\' && text[n + 1] ? 2 : 1;
		return text[n] ? n + 1 : n;
	}
	if (isalnum((unsigned char)text[0]) || text[0] == '_' || text[0] == '.')
		while (isalnum((unsigned char)text[n]) || text[n] == '_' || text[n] == '.')
			n++;
	while ((text[n] & 0xc0) == 0x80)
		n++;
	return n;
}

static uint32_t split(const char *text, char (*out)[TEXT_MAX])
{
	uint32_t n = 0;

	while (*text && n < TOKENS_MAX / 2) {
		size_t length = token_length(text);

		snprintf(out[n++], TEXT_MAX, "%.*s", (int)length, text);
		text += length;
	}
	return n;
}

static void mutate(const char *from, char *out)
{
	static char list[TOKENS_MAX][TEXT_MAX];
	uint32_t n = split(from, list), i = random_below(n), what = random_below(5);

	out[0] = '\0';
	if (what == 0)
		list[i][0] = '\0';
	else if (what == 1)
		strcpy(list[i], PICK(tokens));
	else if (what == 2)
		memmove(list[i], list[random_below(n)], TEXT_MAX);
	for (uint32_t k = 0; k < n; k++) {
		const char *extra = what == 3 ? PICK(tokens) : list[i];

		if (k == i && what >= 3 && strlen(out) + strlen(extra) + 3 < TEXT_MAX)
			sprintf(out + strlen(out), " %s ", extra);
		if (strlen(out) + strlen(list[k]) + 1 < TEXT_MAX)
			strcat(out, list[k]);
	}
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	read_corpus(argv[1]);
	state = strtoull(argv[2], NULL, 10);
	random_below(1);
	for (long left = strtol(argv[3], NULL, 10); left > 0 && ncorpus > 0;) {
		char once[TEXT_MAX], twice[TEXT_MAX];

		mutate(corpus[random_below(ncorpus)], once);
		if (once[0] && random_below(3) == 0)
			mutate(once, twice);
		else
			strcpy(twice, once);
		/* Blank ones and comments alone are no text of a rule. */
		if (is_left_out(twice) || twice[strspn(twice, " ")] == '\0')
			continue;
		printf("%s\n", twice);
		left--;
	}
	for (uint32_t i = 0; i < ncorpus; i++)
		free(corpus[i]);
	return 0;
}
