#include "daemon/config_profiles.h"

#include <stdlib.h>

#include "base/error.h"
#include "daemon/config_labels.h"
#include "base/text.h"

#define DAY_MS (24ll * 3600 * 1000)
/* What a fetch may take beside the time for which the target is asked to look. */
#define FETCH_MARGIN_MS 10000

struct scrape_part {
	struct slice url;
	int64_t interval_ms, timeout_ms;
	struct bind_map labels;
	struct bind_structs relabel_configs;
	double cpus;
	const struct yaml_node *node;
};

static const struct bind_field scrape_fields[] = {
	BIND_FIELD(scrape_part, url, "url", BIND_STRING, .required = true,
		   .doc = "Where a profile is to be had, in pprof's format or as collapsed stacks: "
			  "`http://HOST:PORT/debug/pprof/profile?seconds=5`."),
	BIND_FIELD(
		scrape_part, interval_ms, "scrape_interval", BIND_DURATION, .default_text = "1m",
		.min = 100, .max = DAY_MS,
		.doc = "How often; longer than the seconds for which the target is asked to look."),
	BIND_FIELD(scrape_part, timeout_ms, "scrape_timeout", BIND_DURATION, .min = 0,
		   .max = DAY_MS, .default_text = "0s",
		   .doc = "How long a fetch may take; 0s: those seconds and 10 more."),
	BIND_FIELD(scrape_part, labels, "labels", BIND_MAP,
		   .doc = "Labels of the target, for all its series."),
	BIND_FIELD(scrape_part, relabel_configs, "relabel_configs", BIND_STRUCTS,
		   .table = &relabel_table,
		   .doc = "What becomes of them; a target that they drop is "
			  "not fetched."),
	BIND_FIELD(scrape_part, cpus, "cpus", BIND_NUMBER, .default_text = "1",
		   .doc = "CPUs that the target may use: `profile_cpu_utilization` is a share of "
			  "them."),
};
static const struct bind_table scrape_table =
	BIND_TABLE_AT(scrape_part, "ingest.profiles.scrape", scrape_fields);

static const struct bind_field profiles_fields[] = {
	BIND_FIELD(
		profiles_part, store_bytes, "store_bytes", BIND_BYTES, .default_text = "256MiB",
		.min = 0, .max = INT64_MAX, .unit = "bytes",
		.doc = "Raw profiles kept, for the newest of which the oldest leave; 0: none. In "
		       "data_dir, or in memory without one."),
	BIND_FIELD(profiles_part, store_for_ms, "store_for", BIND_DURATION, .default_text = "24h",
		   .min = 1000, .max = 365 * DAY_MS,
		   .doc = "How long raw profiles are kept at most."),
	BIND_FIELD(profiles_part, relabel_configs, "relabel_configs", BIND_STRUCTS,
		   .table = &relabel_table,
		   .doc = "What becomes of the labels of pushed profiles: rules, one after the "
			  "other."),
	BIND_FIELD(profiles_part, scrape, "scrape", BIND_STRUCTS, .table = &scrape_table,
		   .doc = "Profiles to fetch."),
};
const struct bind_table profiles_table =
	BIND_TABLE(profiles_part, "ingest.profiles", profiles_fields);

struct binder {
	struct arena *arena;
	struct diag_list *diags;
};

/* Labels that tell the series of a target apart. */
static const char *const taken[] = { "profile_type", "function", NULL };

/* The parameter seconds= of an address, in milliseconds; 0 when it has none. */
static int64_t seconds_of(struct slice url)
{
	static const struct slice name = { "seconds=", 8 };
	ptrdiff_t query = slice_find(url, '?');

	for (size_t i = query < 0 ? url.len : (size_t)query + 1; i + name.len < url.len; i++) {
		struct slice rest = { url.ptr + i, url.len - i };
		double seconds;
		size_t n = 0;

		if ((url.ptr[i - 1] != '?' && url.ptr[i - 1] != '&') ||
		    !slice_has_prefix(rest, name))
			continue;
		rest = (struct slice){ rest.ptr + name.len, rest.len - name.len };
		while (n < rest.len && rest.ptr[n] != '&')
			n++;
		if (number_parse((struct slice){ rest.ptr, n }, &seconds) == 0 && seconds > 0 &&
		    seconds < 86400)
			return (int64_t)(seconds * 1000);
	}
	return 0;
}

/* Its labels do not change: what the rules make of them is made now. NULL: it is dropped. */
static int relabel_target(const struct binder *b, const struct scrape_part *part,
			  struct profile_fetch_target *out)
{
	struct labels *written = out->labels;
	struct relabel *relabel;
	int code = relabel_new(&part->relabel_configs, b->diags, &relabel);

	if (code || !relabel)
		return code;
	code = relabel_apply(relabel, written, &out->labels);
	relabel_unref(relabel);
	if (code && code != ERR_NOMEM)
		yaml_diag(b->diags, DIAG_ERROR, part->node, NULL,
			  "relabel_configs make no set of labels of the target's");
	if (code)
		out->labels = written;
	else
		labels_unref(written);
	return code;
}

static int bind_target(const struct binder *b, const struct scrape_part *part,
		       struct profile_fetch_target *out)
{
	int64_t seconds_ms = seconds_of(part->url);

	if (!slice_has_prefix(part->url, SLICE("http://")) &&
	    !slice_has_prefix(part->url, SLICE("https://")))
		yaml_diag(b->diags, DIAG_ERROR, part->node,
			  "write http://HOST:PORT/debug/pprof/profile?seconds=5, for example",
			  "\"" SLICE_FMT "\" is no http or https address", SLICE_ARG(part->url));
	if (seconds_ms && seconds_ms >= part->interval_ms)
		yaml_diag(b->diags, DIAG_ERROR, part->node,
			  "make scrape_interval longer, or seconds less",
			  "the target is to look for %lld s, but is asked every %g s",
			  (long long)seconds_ms / 1000, (double)part->interval_ms / 1000);
	if (!(part->cpus > 0))
		yaml_diag(b->diags, DIAG_ERROR, part->node, NULL, "cpus must be more than 0");
	out->url = part->url;
	out->interval_ms = part->interval_ms;
	out->timeout_ms = part->timeout_ms ? part->timeout_ms : seconds_ms + FETCH_MARGIN_MS;
	out->cpus = part->cpus;
	int code = config_labels_bind(&part->labels, "a target's label", taken, b->arena, b->diags,
				      &out->labels);

	return code ? code : relabel_target(b, part, out);
}

/* Of one address and the same labels there would be the same series twice. */
static bool is_twice(const struct profiles_config *config, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (slice_is_equal(config->targets[k].url, config->targets[i].url) &&
		    config->targets[k].labels && config->targets[i].labels &&
		    labels_is_equal(config->targets[k].labels, config->targets[i].labels))
			return true;
	return false;
}

int profiles_config_bind(const struct profiles_part *part, struct arena *arena,
			 struct diag_list *diags, struct profiles_config *out)
{
	const struct binder b = { arena, diags };
	const struct scrape_part *scrapes = part->scrape.items;
	size_t errors = diags->errors;

	*out = (struct profiles_config){ .store_bytes = part->store_bytes,
					 .store_for_ms = part->store_for_ms };
	if (part->scrape.n > PROFILE_TARGETS_MAX) {
		yaml_diag(diags, DIAG_ERROR, scrapes[PROFILE_TARGETS_MAX].node, NULL,
			  "more than %d profiles to fetch", PROFILE_TARGETS_MAX);
		return ERR_INVALID;
	}
	out->targets = ARENA_ARRAY(arena, struct profile_fetch_target, part->scrape.n + 1);
	if (!out->targets)
		return ERR_NOMEM;
	if (relabel_new(&part->relabel_configs, diags, &out->relabel) == ERR_NOMEM)
		return ERR_NOMEM;
	for (size_t i = 0; i < part->scrape.n; i++) {
		struct profile_fetch_target *target = &out->targets[out->n++];

		if (bind_target(&b, &scrapes[i], target) == ERR_NOMEM)
			return ERR_NOMEM;
		if (diags->errors == errors && !target->labels)
			out->n--;
		else if (is_twice(out, out->n - 1))
			yaml_diag(diags, DIAG_ERROR, scrapes[i].node,
				  "give each its own labels, or take one out",
				  "the same address with the same labels is there twice");
	}
	return diags->errors > errors ? ERR_INVALID : 0;
}

void profiles_config_fini(struct profiles_config *config)
{
	for (size_t i = 0; i < config->n; i++)
		labels_unref(config->targets[i].labels);
	relabel_unref(config->relabel);
}
