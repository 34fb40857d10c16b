/*
 * Configuration and rules, read anew and made ready, all or nothing; and what the first start does
 * when the rule files are broken: with --rules.last-good it takes those that were in force last.
 */
#include "daemon/threads.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

void print_diags(const struct diag_list *diags)
{
	struct buf text;

	if (diags->n == 0)
		return;
	buf_init(&text);
	diag_list_format(diags, diag_wants_colour(STDERR_FILENO), &text);
	if (buf_ok(&text) && write(STDERR_FILENO, text.ptr, text.len) < 0)
		log_warn("daemon", "cannot write to standard error", NULL);
	buf_fini(&text);
}

static void drop_rules(struct loaded *loaded)
{
	rule_set_unref(loaded->rules);
	extractor_set_unref(loaded->extractors);
	loaded->rules = NULL;
	loaded->extractors = NULL;
}

void loaded_fini(struct loaded *loaded)
{
	drop_rules(loaded);
	config_unref(loaded->config);
	rule_copies_fini(&loaded->copies);
	*loaded = (struct loaded){ 0 };
	rule_copies_init(&loaded->copies);
}

void loaded_keep(const struct loaded *loaded, const char *data_dir)
{
	char *why = NULL;

	if (data_dir && rule_copies_save(&loaded->copies, data_dir, &why))
		log_warn("daemon", "cannot keep a copy of the rule files for --rules.last-good",
			 "error=%s", log_quote(slice_from(why ? why : "out of memory")));
	free(why);
}

/* The rules of the copies, by the configuration. */
static int make_rules(struct loaded *loaded, struct diag_list *diags)
{
	const struct config *config = loaded->config;
	const struct actions_config *actions = config->actions;
	struct slice *runbooks = calloc(actions->nrunbooks + 1, sizeof(*runbooks));
	size_t ndemands;
	const struct source **demands = actions_config_demands(actions, &ndemands);
	int code = ERR_NOMEM;

	for (uint32_t i = 0; runbooks && i < actions->nrunbooks; i++)
		runbooks[i] = actions->runbooks[i].name;
	if (runbooks && demands) {
		struct rule_set_options options = { .interval_ms = config->evaluation_interval_ms,
						    .query_offset_ms = config->rule_query_offset_ms,
						    .subquery_step_ms = config->subquery_step_ms,
						    .delayed_names = config->delayed_names,
						    .rules_max = (size_t)config->rules_max,
						    .runbooks = runbooks,
						    .nrunbooks = actions->nrunbooks,
						    .demands = demands,
						    .ndemands = ndemands };

		code = rule_set_load_texts(loaded->copies.files, loaded->copies.n, &options, diags,
					   &loaded->rules);
	}
	free(runbooks);
	free(demands);
	return code;
}

/* Rules and what they want of lines; on errors neither. */
static int make_all(struct loaded *loaded, const struct extractor_set *before,
		    struct diag_list *diags)
{
	int code = make_rules(loaded, diags);

	if (code)
		return code;
	code = extractors_compile(loaded->rules, loaded->config, before, diags,
				  &loaded->extractors);
	if (code)
		drop_rules(loaded);
	return code;
}

/* A file that cannot be read does not hide the errors of the others. */
static int read_rules(struct loaded *loaded, const struct extractor_set *before,
		      struct diag_list *diags)
{
	const struct config *config = loaded->config;
	int code = rule_copies_read(&loaded->copies, (const char *const *)config->rule_files,
				    config->nrule_files, diags);

	if (code && code != ERR_INVALID)
		return code;
	int later = make_all(loaded, before, diags);

	if (code)
		drop_rules(loaded);
	return code ? code : later;
}

int load_all(const struct daemon *daemon, const struct extractor_set *before,
	     struct diag_list *diags, struct loaded *out)
{
	const struct daemon_options *options = daemon->options;

	*out = (struct loaded){ 0 };
	rule_copies_init(&out->copies);
	int code = config_load(options->config_path, &options->overrides, diags, &out->config);

	if (!code)
		code = read_rules(out, before, diags);
	if (code)
		loaded_fini(out);
	return code;
}

/* Takes the copies in place of the files. */
static int take_last_good(struct loaded *loaded)
{
	const char *data_dir = loaded->config->data_dir;
	struct diag_list diags;
	char *why = NULL;

	rule_copies_fini(&loaded->copies);
	rule_copies_init(&loaded->copies);
	diag_list_init(&diags);
	int code = data_dir ? rule_copies_load(&loaded->copies, data_dir, &why) : ERR_NOT_FOUND;

	if (!code) {
		code = make_all(loaded, NULL, &diags);
		print_diags(&diags);
	}
	if (code)
		log_error("daemon", "cannot start with the last good rules", "error=%s",
			  log_quote(slice_from(!data_dir ? "without a data_dir none are kept"
					       : why	 ? why
							 : "they do not load either")));
	else
		log_warn(
			"daemon",
			"the rule files are broken: the last good ones are in force until a reload",
			"files=%zu rules=%u", loaded->copies.n, loaded->rules->nrules);
	loaded->is_last_good = !code;
	diag_list_fini(&diags);
	free(why);
	return code;
}

int load_first(const struct daemon *daemon, struct loaded *out)
{
	const struct daemon_options *options = daemon->options;
	struct diag_list diags;

	*out = (struct loaded){ 0 };
	rule_copies_init(&out->copies);
	diag_list_init(&diags);
	int code = config_load(options->config_path, &options->overrides, &diags, &out->config);
	bool is_configured = code == 0;

	if (is_configured)
		code = read_rules(out, NULL, &diags);
	print_diags(&diags);
	diag_list_fini(&diags);
	if (code && is_configured && options->last_good)
		code = take_last_good(out);
	if (code)
		loaded_fini(out);
	return code;
}
