/*
 * Random templates, one a line, for tests/rules/test_templates: of the functions, formats and forms
 * that Prometheus has, rightly used and wrongly.
 *
 *   random_templates SEED COUNT
 *
 * Left out is what is known to come out otherwise: results in no order, texts that safeHtml made
 * something else of, bytes of texts, times and nil where they are none, structures that are
 * compared, what a parser of expressions says.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t state;

static uint32_t random_below(uint32_t n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((state >> 33) % n);
}

static bool chance(uint32_t percent)
{
	return random_below(100) < percent;
}

#define PICK(list) (list)[random_below(sizeof(list) / sizeof(*(list)))]

static const char *const numbers[] = {
	"0",	       "1",	 "-1",	     "1.5",	  "0.1",      "1e6",
	"1234567.891", "1e-7",	 "1e21",     "123456789", "-0.0",     "1e100",
	"0x1F",	       "100000", "999999.5", "86400",	  "0.000123", "3.14159265358979"
};
static const char *const texts[] = {
	"\"abc\"", "\"a b\"",	    "`x\"y`",	   "\"é\"",	     "\"1.5\"",	  "\"1e3\"",
	"\"\"",	   "\"NaN\"",	    "\"+Inf\"",	   "\"5m\"",	     "\"1h30m\"", "\"<a&b>\"",
	"\"%d\"",  "\"host:9090\"", "\"h.x.y:1\"", "\"10.0.0.1:80\""
};
static const char *const values[] = { "$value",
				      ".Value",
				      "$labels.job",
				      "$labels.instance",
				      ".Labels.a",
				      "$labels.nothing",
				      "$labels",
				      "$externalURL",
				      ".ExternalLabels",
				      "true",
				      "false" };
/* In a template that is defined: of its argument. */
static const char *const own_values[] = { ".",		 ".",  "$",   ".Value",
					  ".Labels.job", ".a", "$.b", "true" };
static const char *const arguments[] = { " .", " $labels", " $value", " $", "" };
static const char *const verbs[] = {
	"%v",	"%s",	   "%d",     "%f",    "%.2f",  "%g",	"%.3g",	 "%e",	   "%q",
	"%x",	"%t",	   "%5d",    "%-8v|", "%+d",   "%+v",	"%T",	 "%c",	   "%U",
	"%10s", "%.1s",	   "%6.2f",  "%X",    "%o",    "%b",	"%%",	 "%G",	   "%E",
	"% d",	"%5.1f%%", "%08.3f", "%#v",   "%[1]v", "%[1]d", "%[3]s", "%[2]3d", "%[x]d",
};
static const char *const functions[] = { "humanize",
					 "humanize1024",
					 "humanizeDuration",
					 "humanizePercentage",
					 "humanizeTimestamp",
					 "toUpper",
					 "toLower",
					 "title",
					 "stripPort",
					 "stripDomain",
					 "len",
					 "not",
					 "html",
					 "js",
					 "urlquery",
					 "print",
					 "println",
					 "parseDuration",
					 "graphLink",
					 "tableLink" };
static const char *const of_queries[] = { "first", "value", "strvalue", "label \"b\"", "len" };
static const char *const queries[] = { "\"sort(q)\"",	 "\"nothing\"",	    "\"q == 7\"",
				       "\"sum(q)\"",	 "\"1 + 1\"",	    "`q{b=\"q1\"}`",
				       "\"topk(1, q)\"", "\"rate(q[1m])\"", "\"topk(1, q) / 0\"" };
static const char *const comparisons[] = { "eq", "ne", "lt", "gt", "le", "ge" };
static const char *const indexes[] = { "$labels \"a\"",		"$labels \"zz\"", "\"abc\" 9",
				       "(query \"sort(q)\") 0", "$labels 1",	  "$value 1",
				       "(query \"sort(q)\") 5" };
static const char *const slices[] = { "\"hello\" 1",   "\"hello\" 1 3",	       "\"hello\" 9",
				      "\"hello\" 2 1", "$labels.instance 0 4", "$value 1" };
static const char *const replacements[] = { "\"a(b)c\" \"$1\" \"abcabc\"",
					    "\"[0-9]+\" \"N\" \"a1b22\"",
					    "\"(x)\" \"${1}y\" \"xx\"" };
static const char *const ranges[] = { "query \"sort(q)\"",
				      "$labels",
				      "query \"nothing\"",
				      "args 1 \"a\"",
				      "query \"sort(q)\" | sortByLabel \"b\"",
				      "$value",
				      "\"abc\"" };

/* The names of templates that this line defines, and whether one is being put. */
enum { DEFINES_ONE = 1, DEFINES_TWO = 2, DEFINES_DOWN = 4 };
static unsigned defined;
static bool in_definition;
static unsigned nblocks;

static void put_call(unsigned depth);

static void put_open(void)
{
	fputs(chance(8) ? " {{- " : "{{ ", stdout);
}

static void put_close(void)
{
	fputs(chance(8) ? " -}} " : " }}", stdout);
}

static void put_atom(unsigned depth)
{
	uint32_t what = random_below(100);
	if (what < 25)
		fputs(PICK(numbers), stdout);
	else if (what < 45)
		fputs(PICK(texts), stdout);
	else if (what < 75 || depth == 0)
		fputs(in_definition ? PICK(own_values) : PICK(values), stdout);
	else {
		putchar('(');
		put_call(depth - 1);
		putchar(')');
	}
}

static void put_atoms(unsigned depth, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		putchar(' ');
		put_atom(depth);
	}
}

static void put_printf(unsigned depth)
{
	uint32_t n = random_below(4);
	fputs("printf \"", stdout);
	for (uint32_t i = 0; i < n + 1; i++)
		printf("%s%s", PICK(verbs), chance(50) ? " " : "-");
	putchar('"');
	put_atoms(depth, n);
}

static void put_call(unsigned depth)
{
	uint32_t what = random_below(100);
	if (what < 25) {
		fputs(PICK(functions), stdout);
		put_atoms(depth, 1);
	} else if (what < 35) {
		printf("%s (query %s)", PICK(of_queries), PICK(queries));
	} else if (what < 55) {
		put_printf(depth);
	} else if (what < 68) {
		fputs(PICK(comparisons), stdout);
		put_atoms(depth, 2);
	} else if (what < 75) {
		fputs(chance(50) ? "and" : "or", stdout);
		put_atoms(depth, 1 + random_below(3));
	} else if (what < 81) {
		printf("index %s", PICK(indexes));
	} else if (what < 85) {
		printf("slice %s", PICK(slices));
	} else if (what < 88) {
		printf("reReplaceAll %s", PICK(replacements));
	} else if (what < 91) {
		fputs("args", stdout);
		put_atoms(depth, random_below(4));
	} else if (what < 96) {
		printf("query %s | first | %s", PICK(queries),
		       chance(50) ? "value" : "label \"b\"");
	} else {
		put_atom(depth);
	}
}

static void put_pipe(unsigned depth)
{
	put_call(depth);
	while (chance(30))
		printf(" | %s", chance(70)   ? PICK(functions)
				: chance(50) ? "printf \"%v\""
				: chance(50) ? "eq 1"
					     : "lt 1.0");
}

static void put_body(unsigned depth);

/* What the template is handed: anything, or nothing. */
static void put_argument(void)
{
	if (in_definition || chance(40)) {
		putchar(' ');
		put_pipe(1);
	} else {
		fputs(PICK(arguments), stdout);
	}
}

/* Of the templates of this line, of one that is not there, or of a block. */
static void put_template(unsigned depth)
{
	put_open();
	if (chance(25) && nblocks < 9) {
		bool was_in_definition = in_definition;
		printf("block \"b%u\"", chance(95) ? nblocks : 0);
		nblocks++;
		putchar(' ');
		put_pipe(1);
		put_close();
		in_definition = true;
		put_body(depth - 1);
		in_definition = was_in_definition;
		fputs("{{ end }}", stdout);
		return;
	}
	bool goes_down = defined & DEFINES_DOWN && chance(30);
	const char *name = goes_down				 ? "down"
			   : defined & DEFINES_ONE && chance(60) ? "one"
			   : defined & DEFINES_TWO && chance(90) ? "two"
								 : "none";
	printf("template \"%s\"", name);
	if (goes_down)
		printf(" %s", PICK(texts));
	else
		put_argument();
	put_close();
}

/* What ends a turn, or the range. */
static void put_stop(void)
{
	fputs("{{ if ", stdout);
	put_pipe(1);
	printf(" }}{{ %s }}{{ end }}", chance(50) ? "break" : "continue");
}

static void put_action(unsigned depth)
{
	uint32_t what = random_below(100);
	if (what < 50) {
		put_open();
		put_pipe(2);
		put_close();
	} else if (what < 62) {
		fputs("{{ if ", stdout);
		put_pipe(1);
		put_close();
		put_body(depth - 1);
		fputs("{{ else }}", stdout);
		put_body(depth - 1);
		fputs("{{ end }}", stdout);
	} else if (what < 70) {
		fputs("{{ with ", stdout);
		put_pipe(1);
		fputs(" }}[{{ . }}]{{ end }}", stdout);
	} else if (what < 78) {
		put_template(depth);
	} else if (what < 80) {
		fputs(chance(50) ? " {{- /* c */ -}} " : "{{/* {{ */}}", stdout);
	} else if (what < 92) {
		bool stops = chance(20);
		printf("{{ range %s%s }}",
		       chance(30)   ? "$i, $x := "
		       : chance(50) ? "$x := "
				    : "",
		       in_definition ? "." : PICK(ranges));
		if (stops)
			put_stop();
		printf("%s{{ end }}", chance(50)   ? "{{ . }};"
				      : chance(50) ? "{{ .Value }};"
						   : "{{ .Labels.b }};");
	} else {
		fputs("{{ $v := ", stdout);
		put_pipe(1);
		fputs(" }}{{ $v }}", stdout);
	}
}

static void put_body(unsigned depth)
{
	if (depth == 0) {
		fputs(chance(50) ? "x" : in_definition ? "y {{ . }}" : "y {{ $value }}", stdout);
		return;
	}
	for (uint32_t n = 1 + random_below(2); n > 0; n--)
		if (chance(25))
			fputs("a ", stdout);
		else
			put_action(depth);
}

/* The second may use the first. */
static void put_definitions(void)
{
	in_definition = true;
	unsigned whole = defined;
	defined = 0;
	for (unsigned name = DEFINES_ONE; name <= DEFINES_TWO; name <<= 1)
		if (whole & name) {
			printf("{{ define \"%s\" }}", name == DEFINES_ONE ? "one" : "two");
			put_body(1);
			fputs("{{ end }}", stdout);
			defined |= name;
		}
	if (whole & DEFINES_DOWN)
		fputs("{{ define \"down\" }}{{ if . }}{{ slice . 0 1 | printf \"%q\" }}"
		      "{{ template \"down\" slice . 1 }}{{ end }}{{ end }}",
		      stdout);
	defined = whole;
	in_definition = false;
}

static void put_line(void)
{
	bool defines_first = chance(50);
	nblocks = 0;
	defined = chance(40) ? 1 + random_below(7) : 0;
	if (defined && defines_first)
		put_definitions();
	put_body(2);
	if (defined) {
		put_template(1);
		if (!defines_first)
			put_definitions();
	}
	if (chance(1))
		fputs("{{ define \"one\" }}again{{ end }}", stdout);
	putchar('\n');
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	state = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15u + 1;
	for (unsigned long n = strtoul(argv[2], NULL, 10); n > 0; n--)
		put_line();
	return 0;
}
