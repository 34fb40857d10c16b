/* Pipelines over lines: what each stage makes of them. */
#include <check.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"
#include "rules/log_pipeline.h"
#include "rules/log_selector.h"
#include "rules/plan.h"
#include "tests/check_main.h"
#include "tests/rules/parse.h"

/* A pipeline with all that it was made of. */
struct made {
	struct parse parse;
	struct plan *plan;
	struct log_pipeline *pipeline;
	struct log_scratch *scratch;
	struct diag_list diags;
	int err;
};

static enum log_value value_of(const struct plan_log *log)
{
	return log->value == PLAN_LOG_LINES   ? LOG_VALUE_COUNT
	       : log->value == PLAN_LOG_BYTES ? LOG_VALUE_BYTES
					      : LOG_VALUE_UNWRAP;
}

static void made_init(struct made *made, const char *expr)
{
	uint32_t root;

	parse_init(&made->parse, expr, strlen(expr));
	if (made->parse.error) {
		struct buf text;

		buf_init(&text);
		diag_list_format(&made->parse.diags, false, &text);
		ck_abort_msg("%s", buf_take(&text));
	}
	made->plan = plan_new();
	ck_assert_int_eq(plan_add(made->plan, made->parse.expr, &root), 0);
	ck_assert_uint_eq(made->plan->nlogs, 1);
	const struct plan_log *log = &made->plan->logs[0];
	struct log_projection projection = { log->keep == PLAN_LOG_BY, log->labels.items,
					     log->labels.n };

	diag_list_init(&made->diags);
	made->pipeline = NULL;
	made->err = log_pipeline_new(log->log->stages, log->log->nstages, value_of(log),
				     &projection, NULL, &made->diags, &made->pipeline);
	made->scratch = log_scratch_new();
}

static void made_fini(struct made *made)
{
	log_scratch_free(made->scratch);
	log_pipeline_free(made->pipeline);
	diag_list_fini(&made->diags);
	plan_free(made->plan);
	parse_fini(&made->parse);
}

static struct labels *stream_new(void)
{
	struct label pairs[] = { { SLICE("job"), SLICE("api") }, { SLICE("env"), SLICE("prod") } };
	struct labels *labels;

	ck_assert_int_eq(labels_new(pairs, 2, &labels, NULL), 0);
	return labels;
}

/* "dropped", "LabelFilterErr", or the value and the labels: 1 {a=x, b=y} */
static const char *run_slice(struct made *made, struct slice line)
{
	static char text[4096];
	struct label metadata[] = { { SLICE("trace"), SLICE("t1") } };
	struct labels *stream = stream_new();
	struct log_input input = { line, stream, metadata, 1 };
	struct log_output out;
	int n;

	log_scratch_begin(made->scratch, &input);
	ck_assert_int_eq(log_pipeline_run(made->pipeline, made->scratch, &out), 0);
	if (out.verdict == LOG_DROPPED) {
		n = snprintf(text, sizeof(text), "dropped%s", out.is_cut_off ? " cut off" : "");
	} else if (out.verdict == LOG_FAILED) {
		n = snprintf(text, sizeof(text), "%s", log_error_text(out.error));
	} else {
		n = snprintf(text, sizeof(text), "%.10g {", out.value);
		for (uint32_t i = 0; i < out.nlabels; i++) {
			ck_assert_uint_gt(out.labels[i].value.len, 0);
			n += snprintf(text + n, sizeof(text) - (size_t)n,
				      "%s" SLICE_FMT "=" SLICE_FMT, i ? ", " : "",
				      SLICE_ARG(out.labels[i].name),
				      SLICE_ARG(out.labels[i].value));
		}
		snprintf(text + n, sizeof(text) - (size_t)n, "}");
	}
	labels_unref(stream);
	return text;
}

static const char *run(struct made *made, const char *line)
{
	return run_slice(made, slice_from(line));
}

struct line_case {
	const char *pipeline;
	const char *by; /* NULL: all labels */
	const char *line, *expect;
};

static const struct line_case cases[] = {
	/* line filters */
	{ "|= \"ERR\"", "", "an ERROR", "1 {}" },
	{ "|= \"ERR\"", "", "an error", "dropped" },
	{ "|= \"\"", "", "x", "1 {}" },
	{ "|= \"a\" or \"b\"", "", "xxb", "1 {}" },
	{ "|= \"a\" or \"b\"", "", "xxc", "dropped" },
	{ "!= \"a\" or \"b\"", "", "xxb", "dropped" },
	{ "!= \"a\" or \"b\"", "", "xxc", "1 {}" },
	{ "|= \"a\" |= \"b\"", "", "only a", "dropped" },
	{ "|~ \"fo+\"", "", "a foo b", "1 {}" },
	{ "|~ \"^fo+$\"", "", "a foo b", "dropped" },
	{ "|~ \"(?i)error\"", "", "ERROR", "1 {}" },
	{ "|~ \"error|warn\"", "", "a warn", "1 {}" },
	{ "!~ \"error|warn\"", "", "a warn", "dropped" },
	{ "!~ \"\"", "", "x", "dropped" },
	{ "|> \"<_>level=error<_>\"", "", "ts=1 level=error x", "1 {}" },
	{ "|> \"<_>level=error<_>\"", "", "level=error x", "dropped" },
	{ "|> \"level=error<_>\"", "", "level=error x", "1 {}" },
	{ "|> \"level=error\"", "", "level=error x", "dropped" },
	{ "|> \"a<_>b\"", "", "ab", "dropped" },
	{ "!> \"<_>level=error<_>\"", "", "ts=1 level=error x", "dropped" },
	{ "|= ip(\"10.0.0.0/8\")", "", "from 10.1.2.3:80 in", "1 {}" },
	{ "|= ip(\"10.0.0.0/8\")", "", "from 11.1.2.3:80 in", "dropped" },
	{ "!= ip(\"10.0.0.1-10.0.0.9\")", "", "from 10.0.0.5", "dropped" },
	{ "|= ip(\"2001:db8::/32\")", "", "from [2001:db8::1]:443", "1 {}" },
	{ "|= ip(\"10.0.0.1\")", "", "10.0.0.1.", "1 {}" },
	/* as long as an address can be, and longer */
	{ "|= ip(\"::ffff:255.255.255.255\")", "",
	  "at 0000:0000:0000:0000:0000:ffff:255.255.255.255 x", "1 {}" },
	{ "|= ip(\"::ffff:255.255.255.255\")", "",
	  "at 0000:0000:0000:0000:0000:ffff:255.255.255.2550 x", "dropped" },

	/* labels of the stream and the metadata */
	{ "|= \"x\"", NULL, "x", "1 {env=prod, job=api, trace=t1}" },
	{ "|= \"x\"", "job, trace, none", "x", "1 {job=api, trace=t1}" },

	/* json */
	{ "| json", "a", "{\"a\":\"x\"}", "1 {a=x}" },
	{ "| json", "a_b_c", "{\"a\":{\"b\":{\"c\":1.50}},\"z\":2}", "1 {a_b_c=1.50}" },
	{ "| json", "a", "{\"a\":true}", "1 {a=true}" },
	{ "| json", "a", "{\"a\":null}", "1 {}" },
	{ "| json", "a", "{\"a\":[1,2]}", "1 {}" },
	{ "| json", "a", "{\"a\":\"\"}", "1 {}" },
	{ "| json", "a", "{\"a\":\"x\",\"a\":\"y\"}", "1 {a=x}" },
	{ "| json", "a", "{\"a\":\"\\u0041\\n\\\"\\ud83d\\ude00\"}",
	  "1 {a=A\n\"\xf0\x9f\x98\x80}" },
	{ "| json", "a", "{\"a\":\"\\ud83d!\"}", "1 {a= !}" },
	{ "| json", "a_b, _1c", "{\"a.b\":1,\"1c\":2}", "1 {_1c=2, a_b=1}" },
	{ "| json", "job", "{\"job\":\"x\"}", "1 {job=api}" },
	{ "| json", "job_extracted", "{\"job\":\"x\"}", "1 {job_extracted=x}" },
	{ "| json", "trace_extracted", "{\"trace\":\"x\"}", "1 {trace_extracted=x}" },
	{ "| json", "a", "no json", "JSONParserErr" },
	{ "| json | __error__=\"\" | keep a, __name__", NULL,
	  "{\"a\":1,\"__name__\":\"x\",\"__error__\":\"y\"}", "1 {a=1}" },
	{ "| json", "a", "", "JSONParserErr" },
	{ "| json", "a", "[1]", "JSONParserErr" },
	{ "| json", "a", "{\"a\":\"x\", oops}", "JSONParserErr" },
	{ "| json", "a", "{\"a\":\"x\"", "JSONParserErr" },
	{ "| json", "", "no json", "JSONParserErr" },
	{ "| json | __error__=\"\"", "a", "no json", "dropped" },
	{ "| json | __error__!=\"\"", "__error__", "no json", "1 {__error__=JSONParserErr}" },
	{ "| json | drop __error__", "a", "no json", "1 {}" },
	{ "| json | __error__=\"\"", "a", "{\"a\":1}", "1 {a=1}" },
	{ "| json a=\"x.y[1]\"", NULL, "{\"x\":{\"y\":[1,{\"k\":2}]}}",
	  "1 {a={\"k\":2}, env=prod, job=api, trace=t1}" },
	{ "| json a=\"x[\\\"a b\\\"]\", c=\"zz\"", "a, c", "{\"x\":{\"a b\":\"v\"}}", "1 {a=v}" },
	{ "| json a=\"x\"", "a", "none", "JSONParserErr" },
	{ "| json job=\"x\"", "job_extracted", "{\"x\":\"v\"}", "1 {job_extracted=v}" },
	{ "| json | keep a, job", NULL, "{\"a\":1,\"b\":2}", "1 {a=1, job=api}" },

	/* logfmt */
	{ "| logfmt", "a, c", "a=1 b=\"x y\" c=\"q \\\"z\\\"\"", "1 {a=1, c=q \"z\"}" },
	{ "| logfmt", "flag", "flag a=", "1 {}" },
	{ "| logfmt | a=\"\"", "b", "a= b=2", "1 {b=2}" },
	{ "| logfmt", "b", "a=\"x b=2", "1 {b=2}" },
	{ "| logfmt", "a, c", "a=1 b=x=y c=3", "1 {a=1, c=3}" },
	{ "| logfmt --strict", "a", "a=1 b=x=y c=3", "LogfmtParserErr" },
	{ "| logfmt x=\"a.b\"", "x", "a.b=7", "1 {}" },
	{ "| logfmt x=\"a_b\"", "x", "a.b=7", "1 {x=7}" },
	{ "| logfmt a, x=\"b\"", "a, x", "b=2 a=1 x=9", "1 {a=1, x=2}" },
	{ "| logfmt", "a", "a=1 a=2", "1 {a=1}" },
	{ "| logfmt", "a", "", "1 {}" },
	/* What is empty is not there; kept, it still comes before a later one of its name. */
	{ "| logfmt", "a", "a= a=2", "1 {a=2}" },
	{ "| logfmt --keep-empty", "a", "a= a=2", "1 {}" },
	{ "| logfmt --keep-empty | a=\"\"", "", "a=", "1 {}" },
	{ "| logfmt --keep-empty --strict", "a", "x=y=z", "LogfmtParserErr" },

	/* regexp, pattern, unpack */
	{ "| regexp \"(?P<m>[A-Z]+) (?P<p>[^ ]+)\"", "m, p", "x GET /a b", "1 {m=GET, p=/a}" },
	{ "| regexp \"(?P<m>[A-Z]+) (?P<p>[^ ]+)\"", "m, p", "none", "1 {}" },
	{ "| pattern \"<ip> - <_> \\\"<method> <_>\\\"\"", "ip, method", "1.2.3.4 - bob \"GET /x\"",
	  "1 {ip=1.2.3.4, method=GET}" },
	{ "| pattern \"a=<x>,b=<y>\"", "x, y", "a=1;rest", "1 {x=1;rest}" },
	{ "| pattern \"a=<x>\"", "x", "b a=1", "1 {}" },
	{ "| unpack", "a", "{\"a\":\"1\",\"_entry\":\"the line\",\"n\":3}", "1 {a=1}" },
	{ "| unpack", "a", "{\"a\":\"1\"}", "1 {}" },
	{ "| unpack |= \"line\"", "a", "{\"a\":\"1\",\"_entry\":\"the line\"}", "1 {a=1}" },
	{ "| unpack", "a", "x", "JSONParserErr" },

	/* label filters */
	{ "| json | s >= 500", "s", "{\"s\":503}", "1 {s=503}" },
	{ "| json | s >= 500", "s", "{\"s\":\"499.9\"}", "dropped" },
	{ "| json | s >= 500", "s", "{\"t\":1}", "dropped" },
	{ "| json | s >= 500", "s", "{\"s\":\"abc\"}", "LabelFilterErr" },
	{ "| json | s >= 500 | __error__=\"\"", "s", "{\"s\":\"abc\"}", "dropped" },
	{ "| json | s == 200", "s", "{\"s\":\"200.0\"}", "1 {s=200.0}" },
	{ "| json | d > 1.5s", "d", "{\"d\":\"1600ms\"}", "1 {d=1600ms}" },
	{ "| json | d > 1.5s", "d", "{\"d\":\"1d\"}", "LabelFilterErr" },
	{ "| json | d = 100ms", "d", "{\"d\":\"0.1s\"}", "1 {d=0.1s}" },
	{ "| json | b >= 5MB", "b", "{\"b\":\"5 MiB\"}", "1 {b=5 MiB}" },
	{ "| json | b >= 5MB", "b", "{\"b\":\"3k\"}", "dropped" },
	{ "| json | a = \"x\" and b = \"y\"", "", "{\"a\":\"x\",\"b\":\"y\"}", "1 {}" },
	{ "| json | a = \"x\" and b = \"y\"", "", "{\"a\":\"x\",\"b\":\"z\"}", "dropped" },
	{ "| json | a = \"x\" or b = \"y\"", "", "{\"b\":\"y\"}", "1 {}" },
	{ "| json | a =~ \"x|y\"", "", "{\"a\":\"xx\"}", "dropped" },
	{ "| json | a != \"x\"", "", "{\"b\":1}", "1 {}" },
	{ "| json | a = ip(\"10.0.0.0/8\")", "", "{\"a\":\"10.9.9.9\"}", "1 {}" },
	{ "| json | a != ip(\"10.0.0.0/8\")", "", "{\"a\":\"10.9.9.9\"}", "dropped" },
	{ "| json | a = ip(\"10.0.0.0/8\")", "", "{\"b\":1}", "dropped" },
	{ "| json | a !~ \"x|y\"", "", "{\"a\":\"xx\"}", "1 {}" },
	{ "| json | a !~ \"x|y\"", "", "{\"a\":\"y\"}", "dropped" },
	{ "| json | s > 5", "", "{\"s\":5}", "dropped" },
	{ "| json | s < 5", "", "{\"s\":4.9}", "1 {}" },
	{ "| json | s < 5", "", "{\"s\":5}", "dropped" },
	{ "| json | s <= 5", "", "{\"s\":5}", "1 {}" },
	{ "| json | s <= 5", "", "{\"s\":5.1}", "dropped" },
	{ "| json | s != 5", "", "{\"s\":\"5.0\"}", "dropped" },
	{ "| json | s != 5", "", "{\"s\":6}", "1 {}" },
	{ "| json | s = 010", "", "{\"s\":10}", "1 {}" },
	{ "| json | s >= -1.5", "", "{\"s\":-1.5}", "1 {}" },
	{ "| json | s >= +1e3", "", "{\"s\":999}", "dropped" },
	{ "| json | d >= 1h30m", "", "{\"d\":\"90m\"}", "1 {}" },
	{ "| json | d > -1.5s", "", "{\"d\":\"-1s\"}", "1 {}" },
	{ "| json | d = 100us", "", "{\"d\":\"0.1ms\"}", "1 {}" },
	{ "| json | d = 2\xc2\xb5s", "", "{\"d\":\"2000ns\"}", "1 {}" },
	{ "| json | d <= 1d", "", "{\"d\":\"24h\"}", "1 {}" },
	{ "| json | d > 1s", "", "{\"x\":1}", "dropped" },
	{ "| json | b > 1B", "", "{\"x\":1}", "dropped" },
	{ "| json | b = 2B", "", "{\"b\":\"2\"}", "1 {}" },
	{ "| json | b = 2kB", "", "{\"b\":\"2000\"}", "1 {}" },
	{ "| json | b = 2KB", "", "{\"b\":\"2000B\"}", "1 {}" },
	{ "| json | b = 2KiB", "", "{\"b\":\"2048\"}", "1 {}" },
	{ "| json | b = 2MB", "", "{\"b\":\"2000kB\"}", "1 {}" },
	{ "| json | b = 2MiB", "", "{\"b\":\"2048KiB\"}", "1 {}" },
	{ "| json | b = 2GB", "", "{\"b\":\"2000MB\"}", "1 {}" },
	{ "| json | b = 2GiB", "", "{\"b\":\"2048MiB\"}", "1 {}" },
	{ "| json | b = 2TB", "", "{\"b\":\"2000GB\"}", "1 {}" },
	{ "| json | b = 2TiB", "", "{\"b\":\"2048GiB\"}", "1 {}" },
	{ "| json | b = 2PB", "", "{\"b\":\"2000TB\"}", "1 {}" },
	{ "| json | b = 2PiB", "", "{\"b\":\"2048TiB\"}", "1 {}" },
	/* "and", a comma and nothing at all are one, and bind tighter than "or". */
	{ "| json | a = \"x\" , b = 1", "", "{\"a\":\"x\",\"b\":2}", "dropped" },
	{ "| json | a = \"x\" b = 1", "", "{\"a\":\"x\",\"b\":2}", "dropped" },
	{ "| json | a = \"x\" b = 1, c > 2", "", "{\"a\":\"x\",\"b\":1,\"c\":3}", "1 {}" },
	{ "| json | a = \"x\" or b = 1 c = 2", "", "{\"a\":\"x\",\"b\":9}", "1 {}" },
	{ "| json | (a = \"x\" or b = 1) c = 2", "", "{\"a\":\"x\",\"b\":9}", "dropped" },
	{ "| json | (a = \"x\" or b = 1), c = 2", "", "{\"a\":\"x\",\"c\":2}", "1 {}" },
	/* A line filter behind a stage that is complete; names that are words elsewhere. */
	{ "| json != \"secret\"", "a", "{\"a\":\"secret\"}", "dropped" },
	{ "| json != \"secret\"", "a", "{\"a\":\"x\"}", "1 {a=x}" },
	{ "| json | \"json\" = \"x\"", "", "{\"json\":\"y\"}", "dropped" },
	{ "| json | \"json\" = \"x\"", "json", "{\"json\":\"x\"}", "1 {json=x}" },
	{ "| json | and = \"x\" and or = 1", "", "{\"and\":\"x\",\"or\":1}", "1 {}" },
	{ "| json | s > 1 | d > 1s", "s", "{\"s\":\"x\",\"d\":\"1ms\"}", "LabelFilterErr" },

	/* keep, drop, formats */
	{ "| json | drop a, b=\"1\" | keep job, a, b", NULL, "{\"a\":1,\"b\":1}", "1 {job=api}" },
	{ "| json | drop b=\"2\" | keep job, b", NULL, "{\"b\":1}", "1 {b=1, job=api}" },
	{ "| json | keep a!=\"1\", b=~\"x.*\", c!~\"y\"", NULL,
	  "{\"a\":1,\"b\":\"xx\",\"c\":\"y\"}", "1 {b=xx}" },
	{ "| json | drop a!=\"1\", b=~\"x.*\", c!~\"y\" | keep a, b, c", NULL,
	  "{\"a\":1,\"b\":\"xx\",\"c\":\"y\"}", "1 {a=1, c=y}" },
	{ "| json | keep b=\"2\"", NULL, "{\"b\":1}", "1 {}" },
	{ "| json | label_format x=a", "a, x", "{\"a\":1}", "1 {x=1}" },
	{ "| json | label_format x=a", "a, x", "{\"x\":2}", "1 {x=2}" },
	{ "| json | label_format job=a", "a, job", "{\"a\":1}", "1 {job=1}" },
	{ "| json | label_format a=b, b=a", "a, b", "{\"a\":1,\"b\":2}", "1 {b=2}" },
	{ "| json | label_format x=\"{{.a}}-{{ .job | ToUpper }}\"", "x", "{\"a\":1}",
	  "1 {x=1-API}" },
	{ "| json | label_format x=\"{{ default \\\"none\\\" .z }}\"", "x", "{\"a\":1}",
	  "1 {x=none}" },
	{ "| json | label_format x=\"{{ .a | replace \\\"b\\\" \\\"cc\\\" | trunc 3 }}\"", "x",
	  "{\"a\":\"abab\"}", "1 {x=acc}" },
	{ "| json | line_format \"{{.a}}!\" |= \"1!\"", "a", "{\"a\":1}", "1 {a=1}" },
	{ "| json | line_format \"{{.a}} {{ __line__ }}\" |= \"1 {\"", "a", "{\"a\":1}",
	  "1 {a=1}" },
	{ "| decolorize |= \"a b\"", "", "\x1b[31ma\x1b[0m b", "1 {}" },
	{ "| decolorize | logfmt", "a",
	  "\x1b[1;32ma\x1b[0m=\x1b]0;t\a"
	  "7",
	  "1 {a=7}" },
	{ "| json | line_format \"{{.m}}\" | logfmt", "k", "{\"m\":\"k=v\"}", "1 {k=v}" },
};

/* sum by (BY) (count_over_time(logs{job="api"} PIPELINE [1m])) */
static void expr_make(char *out, size_t size, const char *function, const char *pipeline,
		      const char *by)
{
	if (by)
		snprintf(out, size, "sum by (%s) (%s(logs{job=\"api\"} %s [1m]))", by, function,
			 pipeline);
	else
		snprintf(out, size, "%s(logs{job=\"api\"} %s [1m])", function, pipeline);
}

START_TEST(pipeline_gives_labels_and_counts)
{
	const struct line_case *c = &cases[_i];
	struct made made;
	char expr[1024];

	expr_make(expr, sizeof(expr), "count_over_time", c->pipeline, c->by);
	made_init(&made, expr);
	ck_assert_int_eq(made.err, 0);
	const char *got = run(&made, c->line);

	ck_assert_msg(strcmp(got, c->expect) == 0, "%s\nover %s\ngave %s\nwanted %s", expr, c->line,
		      got, c->expect);
	made_fini(&made);
}
END_TEST

static const struct {
	const char *expr, *line, *expect;
} value_cases[] = {
	{ "sum(sum_over_time(logs{job=\"api\"} | logfmt | unwrap n [1m]))", "n=1.5", "1.5 {}" },
	{ "sum(sum_over_time(logs{job=\"api\"} | logfmt | unwrap n [1m]))", "n=1e3", "1000 {}" },
	{ "sum(sum_over_time(logs{job=\"api\"} | logfmt | unwrap n [1m]))", "n=0x10",
	  "SampleExtractionErr" },
	{ "sum(sum_over_time(logs{job=\"api\"} | logfmt | unwrap n [1m]))", "n=", "dropped" },
	{ "sum(sum_over_time(logs{job=\"api\"} | logfmt | unwrap n [1m]))", "m=1", "dropped" },
	{ "sum(sum_over_time(logs{job=\"api\"} | logfmt | unwrap n | __error__=\"\" [1m]))", "n=x",
	  "dropped" },
	{ "sum(sum_over_time(logs{job=\"api\"} | logfmt | unwrap n | n > 2 [1m]))", "n=2",
	  "dropped" },
	{ "max_over_time(logs{job=\"api\"} | logfmt n | unwrap duration(n) [1m])", "n=1m30s",
	  "90 {env=prod, job=api, trace=t1}" },
	{ "max_over_time(logs{job=\"api\"} | logfmt | unwrap duration_seconds(n) [1m]) by (p)",
	  "n=250ms", "0.25 {}" },
	{ "sum(sum_over_time(logs{job=\"api\"} | logfmt bytes | unwrap bytes [1m]))", "bytes=3",
	  "3 {}" },
	{ "max_over_time(logs{job=\"api\"} | logfmt | unwrap duration(n) [1m]) by (p)",
	  "n=-1.5h p=x", "-5400 {p=x}" },
	{ "max_over_time(logs{job=\"api\"} | logfmt | unwrap bytes(n) [1m]) by (p)",
	  "n=\"1.5 KiB\"", "1536 {}" },
	{ "max_over_time(logs{job=\"api\"} | logfmt n, p | unwrap n [1m]) without (trace, job)",
	  "n=4 p=x", "4 {env=prod, p=x}" },
	{ "sum(bytes_over_time(logs{job=\"api\"} |= \"x\" [1m]))", "xxxx", "4 {}" },
	{ "sum(bytes_over_time(logs{job=\"api\"} | json | line_format \"{{.a}}\" [1m]))",
	  "{\"a\":\"abc\"}", "3 {}" },
};

START_TEST(pipeline_takes_values)
{
	struct made made;

	made_init(&made, value_cases[_i].expr);
	ck_assert_int_eq(made.err, 0);
	ck_assert_str_eq(run(&made, value_cases[_i].line), value_cases[_i].expect);
	made_fini(&made);
}
END_TEST

static const struct {
	const char *pipeline, *message;
} refusals[] = {
	{ "| line_format \"{{ now }}\"", "\"now\" is not supported" },
	{ "| line_format \"{{ nowhere .a }}\"", "\"nowhere\" is not supported" },
	{ "| line_format \"{{ ToLowr .a }}\"", "did you mean \"ToLower\"?" },
	{ "| line_format \"{{ if .a }}x{{ end }}\"", "\"if\" is not supported" },
	{ "| line_format \"{{ .a.b }}\"", "only labels" },
	{ "| line_format \"{{ trunc .a }}\"", "takes 2 arguments, not 1" },
	{ "| line_format `{{ replace \"a\" \"b\" .c .d }}`", "takes 3 arguments, not 4" },
	{ "| line_format `{{ .d | replace \"a\" \"b\" .c }}`", "takes 3 arguments, not 4" },
	{ "| line_format \"{{ .a\"", "{{ without }}" },
	{ "| label_format a=\"{{ . }}\"", "only labels" },
	{ "|> \"<a> x\"", "takes no names" },
	{ "|> \"<_><_>\"", "side by side" },
	{ "| pattern \"<a><b>\"", "side by side" },
	{ "| pattern \"<_> x\"", "names no label" },
	{ "| pattern \"<a> <a>\"", "\"a\" twice" },
	{ "| regexp \"(x)\"", "names no label" },
	{ "| regexp \"(?P<1a>x)\"", "is no label" },
	{ "|~ \"(\"", "invalid regular expression" },
	{ "| json a=\"x..y\"", "is no path" },
	{ "| json a=\"x[\"", "is no path" },
	{ "|= ip(\"10.0.0\")", "names no addresses" },
	{ "|= ip(\"10.0.0.0/33\")", "names no addresses" },
};

/* When the rule is loaded, at the stage's place. */
START_TEST(pipeline_refuses_by_name)
{
	struct parse parse;
	char expr[1024];

	expr_make(expr, sizeof(expr), "count_over_time", refusals[_i].pipeline, "");
	parse_init(&parse, expr, strlen(expr));
	ck_assert_int_eq(parse.error, ERR_INVALID);
	ck_assert_uint_eq(parse.diags.errors, 1);
	ck_assert_msg(strstr(parse.diags.items[0].message, refusals[_i].message) != NULL,
		      "%s\nwanted %s", parse.diags.items[0].message, refusals[_i].message);
	ck_assert_uint_eq(parse.diags.items[0].column, strchr(expr, '|') - expr + 1);
	parse_fini(&parse);
}
END_TEST

/* Fields are read once for all pipelines that look at a line. */
START_TEST(pipelines_share_what_was_read)
{
	struct made a, b;
	struct labels *stream = stream_new();
	struct slice line = SLICE("{\"a\":\"x\\u0041\",\"b\":{\"c\":2}}");
	struct log_input input = { line, stream, NULL, 0 };
	struct log_output out;

	made_init(&a, "sum by (a) (count_over_time(logs{job=\"api\"} | json [1m]))");
	made_init(&b, "sum by (a, b_c) (count_over_time(logs{job=\"api\"} | json [1m]))");
	for (int i = 0; i < 2; i++) {
		log_scratch_begin(a.scratch, &input);
		ck_assert_int_eq(log_pipeline_run(a.pipeline, a.scratch, &out), 0);
		ck_assert_uint_eq(out.nlabels, 1);
		ck_assert(slice_is(out.labels[0].value, "xA"));
		ck_assert_int_eq(log_pipeline_run(b.pipeline, a.scratch, &out), 0);
		ck_assert_uint_eq(out.nlabels, 2);
		ck_assert(slice_is(out.labels[0].value, "xA"));
		ck_assert(slice_is(out.labels[1].value, "2"));
	}
	made_fini(&a);
	made_fini(&b);
	labels_unref(stream);
}
END_TEST

/* Hostile lines. */

static char *repeated(const char *what, size_t n, const char *end)
{
	size_t len = strlen(what);
	char *text = malloc(n * len + strlen(end) + 1);

	ck_assert_ptr_nonnull(text);
	for (size_t i = 0; i < n; i++)
		memcpy(text + i * len, what, len);
	strcpy(text + n * len, end);
	return text;
}

START_TEST(json_nesting_is_bounded)
{
	struct made made;
	char *deep;

	made_init(&made, "sum by (a) (count_over_time(logs{job=\"api\"} | json [1m]))");
	/* So many objects within each other … */
	for (size_t n = LOG_JSON_DEPTH_MAX - 1; n <= LOG_JSON_DEPTH_MAX; n++) {
		char *open = repeated("{\"k\":", n, "{\"a\":1}");
		char *close = repeated("}", n, "");

		deep = malloc(strlen(open) + strlen(close) + 1);
		sprintf(deep, "%s%s", open, close);
		ck_assert_str_eq(run(&made, deep),
				 n < LOG_JSON_DEPTH_MAX ? "1 {}" : "JSONParserErr");
		free(open);
		free(close);
		free(deep);
	}
	/* … but any number of arrays, which are skipped. */
	char *open = repeated("[", 100000, "");
	char *close = repeated("]", 100000, "");

	deep = malloc(300000);
	sprintf(deep, "{\"x\":%s%s,\"a\":1}", open, close);
	ck_assert_str_eq(run(&made, deep), "1 {a=1}");
	sprintf(deep, "{\"x\":%s", open);
	ck_assert_str_eq(run(&made, deep), "JSONParserErr");
	free(open);
	free(close);
	free(deep);
	made_fini(&made);
}
END_TEST

/* All labels, which the checker lets nobody ask for after such a parser. */
static void make_all(struct made *made)
{
	const struct plan_log *log = &made->plan->logs[0];
	struct log_projection projection = { false, NULL, 0 };

	log_pipeline_free(made->pipeline);
	ck_assert_int_eq(log_pipeline_new(log->log->stages, log->log->nstages, LOG_VALUE_COUNT,
					  &projection, NULL, NULL, &made->pipeline),
			 0);
}

START_TEST(fields_are_bounded)
{
	struct made json, logfmt, all;

	made_init(&json, "sum by (z) (count_over_time(logs{job=\"api\"} | json [1m]))");
	made_init(&logfmt, "sum by (z) (count_over_time(logs{job=\"api\"} | logfmt [1m]))");
	made_init(&all, "sum by (q) (count_over_time(logs{job=\"api\"} | logfmt [1m]))");
	make_all(&all);
	char *pairs = repeated("a=1 ", LOG_FIELDS_MAX - 1, "z=2");

	ck_assert_str_eq(run(&logfmt, pairs), "1 {z=2}");
	free(pairs);
	pairs = repeated("a=1 ", LOG_FIELDS_MAX, "z=2");
	ck_assert_str_eq(run(&logfmt, pairs), "LogfmtParserErr");
	free(pairs);
	for (int over = 0; over <= 1; over++) {
		pairs = repeated("\"a\":1,", LOG_FIELDS_MAX - 1 + over, "\"z\":2}");
		char *document = malloc(strlen(pairs) + 2);

		sprintf(document, "{%s", pairs);
		ck_assert_str_eq(run(&json, document), over ? "JSONParserErr" : "1 {z=2}");
		free(pairs);
		free(document);
	}
	/* Labels at once. */
	char line[LOG_LABELS_MAX * 8];
	size_t n = 0;

	for (int i = 0; i < LOG_LABELS_MAX; i++)
		n += (size_t)sprintf(line + n, "k%d=1 ", i);
	ck_assert_str_eq(run(&all, line), "SampleExtractionErr");
	ck_assert_str_eq(run(&all, "b=1 a=2 job=x a=3"),
			 "1 {a=2, b=1, env=prod, job=api, job_extracted=x, trace=t1}");
	made_fini(&json);
	made_fini(&logfmt);
	made_fini(&all);
}
END_TEST

START_TEST(long_keys_are_left_out)
{
	struct made made;
	char *key = repeated("k", LOG_KEY_MAX + 1, "");
	char *line = malloc(4 * LOG_KEY_MAX);

	made_init(&made, "sum by (a) (count_over_time(logs{job=\"api\"} | json [1m]))");
	sprintf(line, "{\"%s\":{\"x\":1,\"y\":{\"z\":2}},\"a\":3}", key);
	ck_assert_str_eq(run(&made, line), "1 {a=3}");
	made_fini(&made);
	made_init(&made, "sum by (a) (count_over_time(logs{job=\"api\"} | logfmt [1m]))");
	sprintf(line, "%s=1 a=3", key);
	ck_assert_str_eq(run(&made, line), "1 {a=3}");
	made_fini(&made);
	free(key);
	free(line);
}
END_TEST

/* What is made of a line is bounded: a line of escapes fills the scratch, and no more. */
START_TEST(scratch_is_bounded)
{
	struct made made;
	char *line = repeated("{\"\\u0061\":", 1, "");
	size_t n = 256 * 1024;

	free(line);
	line = malloc(n + 1);
	size_t len = (size_t)sprintf(line, "{");

	while (len < n - 64)
		len += (size_t)sprintf(line + len, "\"\\u0061%06zu\":{\"x-y\":\"\\n\"},", len);
	sprintf(line + len, "\"a\":1}");
	made_init(&made, "sum by (a) (count_over_time(logs{job=\"api\"} | json [1m]))");
	ck_assert_str_eq(run(&made, line), "JSONParserErr");
	ck_assert_str_eq(run(&made, "{\"a\":1}"), "1 {a=1}");
	made_fini(&made);
	free(line);
}
END_TEST

/* So is a text that a template makes, which is less; and of a long line a pattern sees the head. */
START_TEST(texts_are_bounded)
{
	struct made made;
	char *line = repeated("x", 40000, "a=1");

	made_init(&made, "count_over_time(logs{job=\"api\"} | line_format "
			 "`{{__line__}}` | line_format `{{__line__}}` [1m])");
	ck_assert_str_eq(run(&made, line), "1 {env=prod, job=api, trace=t1}");
	made_fini(&made);
	made_init(&made, "count_over_time(logs{job=\"api\"} | line_format "
			 "`{{__line__}}{{__line__}}` [1m])");
	ck_assert_str_eq(run(&made, line), "TemplateFormatErr");
	made_fini(&made);
	made_init(&made, "sum by (a) (count_over_time(logs{job=\"api\"} | regexp `a=(?P<a>.)` "
			 "| a=\"1\" [1m]))");
	ck_assert_str_eq(run(&made, "a=1"), "1 {a=1}");
	ck_assert_str_eq(run(&made, line), "dropped cut off");
	made_fini(&made);
	free(line);
}
END_TEST

START_TEST(invalid_utf8_is_taken)
{
	struct made made;

	made_init(&made,
		  "sum by (a) (count_over_time(logs{job=\"api\"} | json | a =~ \".+\" [1m]))");
	ck_assert_str_eq(run(&made, "{\"a\":\"x\xff\xfe\"}"), "1 {a=x  }");
	made_fini(&made);
	made_init(&made, "sum by (a) (count_over_time(logs{job=\"api\"} | regexp "
			 "\"a=(?P<a>.+)\" [1m]))");
	ck_assert_str_eq(run(&made, "a=x\xff"), "1 {a=x\xef\xbf\xbd}");
	made_fini(&made);
	made_init(&made, "sum(count_over_time(logs{job=\"api\"} |= \"x\" |~ \"y.z\" [1m]))");
	ck_assert_str_eq(run(&made, "\xc0 x y\xffz"), "1 {}");
	made_fini(&made);
}
END_TEST

/* A pattern that backtracks without end is cut off, and says so, within milliseconds. */
START_TEST(catastrophes_are_cut_off)
{
	struct made made;
	char *line = repeated("a", 5000, "!");
	int64_t start = clock_thread_cpu_us();

	made_init(&made, "sum(count_over_time(logs{job=\"api\"} |~ \"(a+)+(a+)+[b-z]\" [1m]))");
	ck_assert_str_eq(run(&made, line), "dropped cut off");
	free(line);
	line = repeated("x", LOG_REGEX_BYTES_MAX, "az");
	ck_assert_str_eq(run(&made, line), "dropped cut off");
	free(line);
	ck_assert_str_eq(run(&made, "aaz"), "1 {}");
	ck_assert_int_lt(clock_thread_cpu_us() - start, 2 * 1000 * 1000);
	made_fini(&made);
}
END_TEST

/* The slowest that is not cut off: each byte a start from which all others are looked at. */
START_TEST(long_lines_take_bounded_time)
{
	struct made made;
	char *line = repeated("1", 256 * 1024, "");
	int64_t start;

	line[0] = 'x';

	made_init(&made,
		  "sum(count_over_time(logs{job=\"api\"} |~ \"a?[0-9]+[0-9b]*[x-z]\" [1m]))");
	start = clock_thread_cpu_us();
	run(&made, line);
	int64_t took = clock_thread_cpu_us() - start;

	printf("longest line against a quadratic pattern: %lld us\n", (long long)took);
	ck_assert_int_lt(took, 1000 * 1000);
	free(line);
	made_fini(&made);
}
END_TEST

static const struct {
	const char *pipeline, *expect;
} literal_cases[] = {
	{ "|= \"ERROR\"", "ERROR" },
	{ "|= \"a\" |= \"longest\" |= \"mid\"", "longest" },
	{ "|= \"aa\" or \"bbb\"", "aa bbb" },
	{ "!= \"ERROR\"", "" },
	{ "|~ \"foo.*bar(baz)?\"", "foo" },
	{ "|~ \"(GET|POST) /x\"", " /x" },
	{ "|~ \"(GET|POST) .x\"", "GET POST" },
	{ "|~ \"(GET|POST) /longer\"", " /longer" },
	{ "|~ \"ab+c\"", "ab" },
	{ "|~ \"ab*cde\"", "cde" },
	{ "|~ \"x(abc)*y?\"", "x" },
	{ "|~ \"(?i)err\"", "err" },
	{ "|~ \"(?i)task\"", "task \xc5\xbf \xe2\x84\xaa" },
	{ "|~ \"[a-z]+\"", "" },
	{ "|~ \"foo|[0-9]\"", "" },
	{ "|~ \"\\\\bfailed\\\\b\"", "failed" },
	{ "|~ \"a{0,3}bcd{2}e\"", "bcd" },
	{ "|~ \"caf\xc3\xa9\"", "caf\xc3\xa9" },
	{ "|> \"<_>err=<_>;\"", "err=" },
	{ "| line_format \"x\" |= \"ERROR\"", "" },
	{ "|= ip(\"10.0.0.1\")", "" },
};

START_TEST(pipeline_knows_necessary_literals)
{
	struct made made;
	char expr[1024], got[256] = "";

	expr_make(expr, sizeof(expr), "count_over_time", literal_cases[_i].pipeline, "");
	made_init(&made, expr);
	struct log_literals literals = log_pipeline_literals(made.pipeline);

	for (uint32_t i = 0; i < literals.n; i++)
		sprintf(got + strlen(got), "%s" SLICE_FMT, i ? " " : "",
			SLICE_ARG(literals.items[i]));
	ck_assert_str_eq(got, literal_cases[_i].expect);
	made_fini(&made);
}
END_TEST

/* The bound is none for what people write, on lines as long as a pattern gets to see. */
START_TEST(ordinary_patterns_are_not_cut_off)
{
	static const char *const patterns[] = {
		"foo.*bar",
		"foo.*b.*z",
		"(?P<a>[^ ]+) .*took=([0-9]+)ms",
		"^(\\\\S+) (\\\\S+) (\\\\S+) \\\\[.*\\\\] end",
		"user=(root|admin).*failed",
	};
	char expr[512];
	char *line = repeated("foo b 1 ", LOG_REGEX_BYTES_MAX / 8 - 4, "user=root took=z");

	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		struct made made;

		snprintf(expr, sizeof(expr),
			 "sum(count_over_time(logs{job=\"api\"} |~ \"%s\" [1m]))", patterns[i]);
		made_init(&made, expr);
		const char *got = run(&made, line);

		ck_assert_msg(strstr(got, "cut off") == NULL, "%s: %s", patterns[i], got);
		made_fini(&made);
	}
	free(line);
}
END_TEST

#define N(array) (sizeof(array) / sizeof(*(array)))

static void add_tests(TCase *tc)
{
	tcase_add_loop_test(tc, pipeline_gives_labels_and_counts, 0, N(cases));
	tcase_add_loop_test(tc, pipeline_takes_values, 0, N(value_cases));
	tcase_add_loop_test(tc, pipeline_refuses_by_name, 0, N(refusals));
	tcase_add_test(tc, pipelines_share_what_was_read);
	tcase_add_test(tc, json_nesting_is_bounded);
	tcase_add_test(tc, fields_are_bounded);
	tcase_add_test(tc, long_keys_are_left_out);
	tcase_add_test(tc, scratch_is_bounded);
	tcase_add_test(tc, texts_are_bounded);
	tcase_add_test(tc, invalid_utf8_is_taken);
	tcase_add_test(tc, catastrophes_are_cut_off);
	tcase_add_test(tc, long_lines_take_bounded_time);
	tcase_add_test(tc, ordinary_patterns_are_not_cut_off);
	tcase_add_loop_test(tc, pipeline_knows_necessary_literals, 0, N(literal_cases));
}

static Suite *pipeline_suite(void)
{
	Suite *suite = suite_create("log_pipeline");
	TCase *tcase = tcase_create("log_pipeline");

	add_tests(tcase);
	suite_add_tcase(suite, tcase);
	return suite;
}

TEST_MAIN(pipeline_suite)
