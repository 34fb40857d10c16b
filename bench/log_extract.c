/*
 * From the lines of a file to rows of derived series: 50 patterns (or as many as are asked for),
 * one rule each, over what services write. What counts is lines per second of CPU time.
 *
 *   log_extract lines N            writes N lines to standard output
 *   log_extract patterns           the patterns, one a line
 *   log_extract run FILE [RULES]   reads the file as a source would, in pieces of 64 KiB; prints
 *                                  how many lines each pattern matched, then lines and CPU time
 *   log_extract                    1,000,000 lines in memory, for several numbers of rules; and
 *                                  json and logfmt
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"
#include "ingest/log_feed.h"
#include "rules/expr.h"

#define LINES 1000000
#define PIECE (64 * 1024)
#define BUCKET_MS 15000
#define T0_NS 1700000000000000000ll

static const char *const patterns[] = {
	"Failed password",
	"Accepted publickey",
	"Invalid user [a-z0-9]+",
	"Connection closed by",
	"session opened for user",
	"authentication failure",
	"POSSIBLE BREAK-IN ATTEMPT",
	"Received disconnect",
	"error: maximum authentication attempts",
	"reverse mapping checking",
	"Receiving block blk_-?[0-9]+",
	"PacketResponder [0-9]+ for block",
	"BLOCK\\* NameSystem\\.addStoredBlock",
	"Deleting block",
	"Verification succeeded",
	"Exception in receiveBlock",
	"writeBlock .* received exception",
	"Served block",
	"\"GET /[^\"]*\" 5[0-9][0-9]",
	"\"POST /[^\"]*\" 4[0-9][0-9]",
	"Googlebot",
	"/wp-login\\.php",
	"/api/v[12]/checkout",
	"upstream timed out",
	"connect\\(\\) failed",
	"SSL_do_handshake\\(\\) failed",
	"level=error",
	"level=warn",
	"level=fatal|panic:",
	"took=[0-9]{4,}ms",
	"status=(500|502|503)",
	"OutOfMemoryError",
	"NullPointerException",
	"StackOverflowError",
	"java\\.net\\.SocketTimeoutException",
	"Caused by: [a-zA-Z.]+Exception",
	"GC pause",
	"Full GC",
	"deadlock detected",
	"duplicate key value violates",
	"could not serialize access",
	"slow query",
	"checkpoint complete",
	"replication lag",
	"no space left on device",
	"I/O error",
	"Out of memory: Kill(ed)? process",
	"segfault at [0-9a-f]+",
	"link is (up|down)",
	"(?i)certificate (has )?expired",
};
#define PATTERNS (sizeof(patterns) / sizeof(*patterns))

/* ---- lines: the same at each run ---- */

static uint64_t state = 88172645463325252ull;

static unsigned below(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state % n);
}

#define PICK(list) (list)[below(sizeof(list) / sizeof(*(list)))]

static int line_make(char *out, size_t size)
{
	static const char *const users[] = {
		"root", "admin", "deploy", "oracle", "test", "www-data"
	};
	static const char *const hosts[] = { "web-1", "web-2", "db-1", "cache-7", "edge-12" };
	static const char *const paths[] = { "/",
					     "/index.html",
					     "/api/v1/checkout",
					     "/api/v2/cart",
					     "/static/app.js",
					     "/wp-login.php",
					     "/healthz" };
	static const char *const agents[] = { "Mozilla/5.0 (X11; Linux x86_64)", "curl/7.88.1",
					      "Mozilla/5.0 (compatible; Googlebot/2.1)" };
	static const char *const levels[] = { "info", "info", "info", "debug", "warn", "error" };
	static const char *const classes[] = { "dfs.DataNode$DataXceiver", "dfs.FSNamesystem",
					       "dfs.DataNode$PacketResponder" };
	unsigned s = below(60), ms = below(1000);

	switch (below(12)) {
	case 0:
		return snprintf(out, size,
				"Nov 27 10:14:%02u %s sshd[%u]: Failed password for %s%s from "
				"10.%u.%u.%u port %u ssh2",
				s, PICK(hosts), below(30000), below(2) ? "invalid user " : "",
				PICK(users), below(256), below(256), below(256), below(65536));
	case 1:
		return snprintf(out, size,
				"Nov 27 10:14:%02u %s sshd[%u]: pam_unix(sshd:session): session "
				"opened for user %s by (uid=0)",
				s, PICK(hosts), below(30000), PICK(users));
	case 2:
	case 3:
		return snprintf(out, size,
				"081109 2036%02u %u INFO %s: Receiving block blk_-%u%u src: "
				"/10.%u.%u.%u:%u dest: /10.251.30.6:50010",
				s, below(1000), PICK(classes), below(1000000000), below(1000000000),
				below(256), below(256), below(256), below(65536));
	case 4:
		return snprintf(out, size,
				"081109 2036%02u %u INFO %s: PacketResponder %u for block blk_%u%u "
				"terminating",
				s, below(1000), PICK(classes), below(3), below(1000000000),
				below(1000000000));
	case 5:
	case 6:
	case 7:
		return snprintf(out, size,
				"192.168.%u.%u - - [27/Nov/2026:10:14:%02u +0000] \"%s %s "
				"HTTP/1.1\" %u %u \"-\" \"%s\"",
				below(256), below(256), s, below(4) ? "GET" : "POST", PICK(paths),
				below(20)  ? 200
				: below(2) ? 404
					   : 502,
				below(100000), PICK(agents));
	case 8:
	case 9:
		return snprintf(
			out, size,
			"ts=2026-11-27T10:14:%02u.%03uZ level=%s caller=api.go:%u msg=\"request "
			"done\" user=%s method=GET path=%s status=%u took=%ums",
			s, ms, PICK(levels), below(900), PICK(users), PICK(paths),
			below(30) ? 200 : 503, below(1200));
	case 10:
		return snprintf(out, size,
				"2026-11-27 10:14:%02u,%03u [http-%u] %s com.shop.order.Service - "
				"order %u of %s handled in %u ms",
				s, ms, below(64), below(50) ? "INFO " : "ERROR", below(10000000),
				PICK(users), below(2000));
	default:
		return snprintf(
			out, size, "Nov 27 10:14:%02u %s kernel: [%u.%06u] %s", s, PICK(hosts),
			below(1000000), below(1000000),
			below(40)  ? "usb 1-1: new high-speed USB device number 2 using xhci_hcd"
			: below(2) ? "Out of memory: Killed process 4711 (java) total-vm:8388608kB"
				   : "eth0: link is down");
	}
}

/* ---- rules ---- */

struct rules {
	struct plan *plan;
	struct extractor_set *set;
};

static void rule_add(struct plan *plan, const char *text)
{
	struct source source = { .text = slice_from(text), .line0 = 1, .column0 = 1 };
	struct diag_list diags;
	struct arena arena;
	struct expr *expr;
	uint32_t root;

	arena_init(&arena, 0);
	diag_list_init(&diags);
	require(expr_parse(&source, &arena, &diags, &expr) == 0, text);
	require(plan_add(plan, expr, &root) == 0, "the plan");
	expr_fini(expr);
	arena_fini(&arena);
	diag_list_fini(&diags);
}

/* A quoted string of the language. */
static void quote(const char *text, char *out)
{
	*out++ = '"';
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			*out++ = '\\';
		*out++ = *text;
	}
	strcpy(out, "\"");
}

/* More patterns than there are: the same ones, made different by what stands before them. */
static void pattern_make(unsigned i, char *out, size_t size)
{
	if (i < PATTERNS)
		snprintf(out, size, "%s", patterns[i]);
	else
		snprintf(out, size, "unit%u %s", i, patterns[i % PATTERNS]);
}

static void rules_finish(struct rules *rules)
{
	struct extractor_options options = { .series_max = 0 };
	struct extractor_spec *specs = calloc(rules->plan->nlogs, sizeof(*specs));
	uint32_t bad;

	for (uint32_t i = 0; i < rules->plan->nlogs; i++)
		specs[i] = extractor_spec_of(&rules->plan->logs[i], BUCKET_MS);
	require(extractor_set_new(specs, rules->plan->nlogs, &options, NULL, NULL, &bad,
				  &rules->set) == 0,
		"compiling the extractors");
	free(specs);
}

static void rules_of_patterns(struct rules *rules, unsigned n)
{
	char pattern[512], quoted[1024], text[1200];

	rules->plan = plan_new();
	for (unsigned i = 0; i < n; i++) {
		pattern_make(i, pattern, sizeof(pattern));
		quote(pattern, quoted);
		snprintf(text, sizeof(text), "sum by (job) (rate(logs{job=\"bench\"} |~ %s [5m]))",
			 quoted);
		rule_add(rules->plan, text);
	}
	rules_finish(rules);
}

static void rules_fini(struct rules *rules)
{
	extractor_set_unref(rules->set);
	plan_free(rules->plan);
}

/* ---- a source ---- */

struct tail {
	struct log_feed *feed;
	struct labels *labels;
	struct batch *batch;
	uint64_t lines, rows;
};

static void tail_init(struct tail *tail, const struct rules *rules)
{
	struct hash_key key;
	struct label pair = { SLICE("job"), SLICE("bench") };

	hash_key_derive(&key, "bench", 5);
	*tail = (struct tail){ .feed = log_feed_new(&key), .batch = batch_new() };
	require(tail->feed && tail->batch, "memory");
	require(labels_new(&pair, 1, &tail->labels, NULL) == 0, "memory");
	require(log_feed_use(tail->feed, rules->set) == 0, "memory");
}

static void tail_fini(struct tail *tail)
{
	log_feed_free(tail->feed);
	batch_free(tail->batch);
	labels_unref(tail->labels);
}

static void tail_flush(struct tail *tail)
{
	batch_clear(tail->batch);
	require(log_feed_flush(tail->feed, tail->batch) == 0, "flushing");
	tail->rows += tail->batch->nrows;
}

/* All whole lines of the bytes; how many bytes they were. A millisecond a line. */
static size_t tail_take(struct tail *tail, const char *bytes, size_t n)
{
	struct log_stream *stream = log_feed_stream(tail->feed, tail->labels);
	size_t at = 0;

	for (;;) {
		const char *end = memchr(bytes + at, '\n', n - at);
		if (!end)
			break;
		struct log_entry entry = { T0_NS + (int64_t)tail->lines * 1000000,
					   { bytes + at, (size_t)(end - bytes) - at },
					   NULL,
					   0 };
		require(log_feed_line(tail->feed, stream, &entry) == 0, "a line");
		tail->lines++;
		at = (size_t)(end - bytes) + 1;
	}
	tail_flush(tail);
	return at;
}

static void file_read(struct tail *tail, const char *path)
{
	static char piece[2 * PIECE];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n;

	require(fd >= 0, path);
	while ((n = read(fd, piece + have, PIECE)) > 0) {
		have += (size_t)n;
		size_t taken = tail_take(tail, piece, have);
		memmove(piece, piece + taken, have - taken);
		have -= taken;
		require(have <= PIECE, "a line's length");
	}
	close(fd);
}

static void run(const char *path, unsigned n)
{
	struct rules rules;
	struct tail tail;
	double start = process_cpu_s();

	rules_of_patterns(&rules, n);
	tail_init(&tail, &rules);
	file_read(&tail, path);
	double took = process_cpu_s() - start;

	for (uint32_t i = 0; i < n; i++) {
		struct extractor_counters counters;

		extractor_set_counters(rules.set, i, &counters);
		printf("match_%u %llu\n", i, (unsigned long long)counters.matched);
	}
	printf("lines %llu\nrows %llu\ncpu_s %.4f\n", (unsigned long long)tail.lines,
	       (unsigned long long)tail.rows, took);
	tail_fini(&tail);
	rules_fini(&rules);
}

/* ---- in memory ---- */

static char *memory;
static size_t memory_len;

static void memory_fill(void)
{
	size_t cap = (size_t)LINES * 256;

	memory = malloc(cap);
	require(memory != NULL, "memory");
	for (int i = 0; i < LINES; i++) {
		memory_len += (size_t)line_make(memory + memory_len, 255);
		memory[memory_len++] = '\n';
	}
}

static void memory_json(void)
{
	memory_len = 0;
	for (int i = 0; i < LINES; i++)
		memory_len += (size_t)sprintf(memory + memory_len,
					      "{\"ts\":\"2026-11-27T10:14:%02u.%03uZ\",\"level\":"
					      "\"%s\",\"msg\":\"request done\","
					      "\"http\":{\"method\":\"GET\",\"path\":\"/api/v1/"
					      "cart\",\"status\":%u},\"took\":%u}\n",
					      below(60), below(1000), below(10) ? "info" : "error",
					      below(20) ? 200 : 503, below(1000));
}

static void measure(const char *what, struct rules *rules)
{
	struct tail tail;

	tail_init(&tail, rules);
	double start = process_cpu_s();
	for (size_t at = 0; at < memory_len;) {
		size_t n = memory_len - at < PIECE ? memory_len - at : PIECE;
		at += tail_take(&tail, memory + at, n);
	}
	double took = process_cpu_s() - start;

	printf("%-44s %6.0f ns/line %7.2f M lines/CPU s %6.0f MB/CPU s\n", what,
	       took / (double)tail.lines * 1e9, (double)tail.lines / took / 1e6,
	       (double)memory_len / took / 1e6);
	tail_fini(&tail);
	rules_fini(rules);
}

static void rules_of(struct rules *rules, const char *format, int n)
{
	char text[512];

	rules->plan = plan_new();
	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), format, i);
		rule_add(rules->plan, text);
	}
	rules_finish(rules);
}

static void all(void)
{
	static const unsigned counts[] = { 1, 4, 10, 50, 200, 1000 };
	struct rules rules;
	char what[64];

	memory_fill();
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		rules_of_patterns(&rules, counts[i]);
		snprintf(what, sizeof(what), "%u patterns", counts[i]);
		measure(what, &rules);
	}
	rules_of(&rules,
		 "sum by (status, path) (rate(logs{job=\"bench\"} |= \"level=\" | logfmt | status "
		 ">= "
		 "50%d [5m]))",
		 1);
	measure("logfmt, 1 rule", &rules);
	rules_of(&rules,
		 "sum by (status, path) (rate(logs{job=\"bench\"} |= \"level=\" | logfmt | status "
		 ">= "
		 "50%d [5m]))",
		 10);
	measure("logfmt, 10 rules", &rules);
	memory_json();
	rules_of(&rules,
		 "sum by (level) (rate(logs{job=\"bench\"} | json | http_status >= 50%d [5m]))", 1);
	measure("json lines, 1 rule", &rules);
	rules_of(&rules,
		 "sum by (level) (rate(logs{job=\"bench\"} | json | http_status >= 50%d [5m]))",
		 10);
	measure("json lines, 10 rules", &rules);
	rules_of(&rules,
		 "sum by (level) (rate(logs{job=\"bench\"} | json | http_status >= 5%02d [5m]))",
		 50);
	measure("json lines, 50 rules", &rules);
	free(memory);
}

int main(int argc, char **argv)
{
	char text[512];

	if (argc == 3 && strcmp(argv[1], "lines") == 0) {
		for (long i = strtol(argv[2], NULL, 10); i > 0; i--) {
			line_make(text, sizeof(text));
			puts(text);
		}
	} else if (argc == 2 && strcmp(argv[1], "patterns") == 0) {
		for (size_t i = 0; i < PATTERNS; i++)
			puts(patterns[i]);
	} else if (argc >= 3 && strcmp(argv[1], "run") == 0) {
		run(argv[2], argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : PATTERNS);
	} else {
		all();
	}
	return 0;
}
