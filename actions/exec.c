/*
 * The exec plug-in: a step of a runbook that runs a script, by way of the runner (runner.h). argv
 * is fixed in the configuration. What the script should know of the alert comes as JSON on its
 * standard input.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actions/runner.h"
#include "base/error.h"

#define ARGV_MAX 200
#define ENV_MAX 64

struct exec_options {
	struct step_options common;
	struct bind_strings exec;
	struct bind_map env;
	char *cwd, *user;
	int64_t kill_after_ms;
	bool no_new_privs;
	/* made of them by exec_check(): */
	const char **argv, **environment;
};

#define EXEC_FIELD(member, name, kind, ...)                                                        \
	{                                                                                          \
		.key = name, .type = kind, .offset = offsetof(struct exec_options, member),        \
		__VA_ARGS__                                                                        \
	}

static const struct bind_field exec_fields[] = {
	STEP_FIELDS(exec_options, common, "60s"),
	EXEC_FIELD(exec, "exec", BIND_STRINGS, .required = true,
		   .doc = "The program and its arguments; no shell. The path is absolute, or "
			  "begins with ./ and is relative to the configuration file."),
	EXEC_FIELD(kill_after_ms, "kill_after", BIND_DURATION, .default_text = "10s", .min = 1,
		   .max = 3600 * 1000, .doc = "From TERM to KILL, after the timeout."),
	EXEC_FIELD(
		env, "env", BIND_MAP,
		.doc = "Environment beyond PATH, LANG, HOME and TOCSIN_ID; names [A-Z][A-Z0-9_]*."),
	EXEC_FIELD(cwd, "cwd", BIND_CSTRING, .default_text = "/", .doc = "Working directory."),
	EXEC_FIELD(user, "user", BIND_CSTRING,
		   .doc = "As whom; the daemon's own user unless given."),
	EXEC_FIELD(no_new_privs, "no_new_privs", BIND_BOOL, .default_text = "true",
		   .doc = "Forbid it and its children to gain privileges (sudo)."),
	{ .key = "args", .type = BIND_LATER, .doc = "Not there yet." },
	{ .key = "rlimits", .type = BIND_LATER, .doc = "Not there yet." },
	{ .key = "sha256", .type = BIND_LATER, .doc = "Not there yet." },
};
static const struct bind_table exec_table = BIND_TABLE(exec_options, "exec step", exec_fields);

/* ---- checks ---- */

static int complain(struct diag_list *diags, const struct yaml_node *node, const char *hint,
		    const char *text)
{
	yaml_diag(diags, DIAG_ERROR, node, hint, "%s", text);
	return ERR_INVALID;
}

/* Variables by which a program can be made to do something else than it says. */
static const char *const forbidden_names[] = { "PATH", "ENV", "BASH_ENV", "IFS", "NOTIFY_SOCKET" };
static const char *const forbidden_prefixes[] = { "LD_", "PYTHON", "PERL5", "LISTEN_", "TOCSIN_" };

static bool env_name_is_valid(struct slice name)
{
	if (name.len == 0 || name.ptr[0] < 'A' || name.ptr[0] > 'Z')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!name.ptr[i] || !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", name.ptr[i]))
			return false;
	for (size_t i = 0; i < sizeof(forbidden_names) / sizeof(forbidden_names[0]); i++)
		if (slice_is(name, forbidden_names[i]))
			return false;
	for (size_t i = 0; i < sizeof(forbidden_prefixes) / sizeof(forbidden_prefixes[0]); i++)
		if (slice_has_prefix(name, slice_from(forbidden_prefixes[i])))
			return false;
	return true;
}

static int argv_make(struct exec_options *options, const struct yaml_node *node,
		     const char *base_dir, struct arena *arena, struct diag_list *diags)
{
	size_t n = options->exec.n;
	char why[256];

	if (n == 0 || n > ARGV_MAX)
		return complain(diags, node, NULL, "\"exec\" must be a list of 1 to 200 texts");
	options->argv = ARENA_ARRAY(arena, const char *, n + 1);
	for (size_t i = 0; options->argv && i < n; i++) {
		if (memchr(options->exec.items[i].ptr, '\0', options->exec.items[i].len))
			return complain(diags, node, NULL, "an argument cannot hold a NUL byte");
		options->argv[i] = arena_strdup(arena, options->exec.items[i]);
		if (!options->argv[i])
			return ERR_NOMEM;
	}
	if (!options->argv)
		return ERR_NOMEM;
	if (strncmp(options->argv[0], "./", 2) == 0) {
		char *dir = realpath(base_dir, NULL);

		if (dir)
			options->argv[0] = arena_printf(arena, "%s/%s", dir, options->argv[0] + 2);
		free(dir);
		if (!options->argv[0])
			return ERR_NOMEM;
	}
	if (script_check(options->argv[0], why) == 0)
		return 0;
	if (options->argv[0][0] != '/')
		return complain(diags, node,
				"write where it is: /path/to/it, or ./it beside this file", why);
	return complain(diags, node,
			"a script must exist, be executable, and be writable by nobody but root "
			"and the daemon's user",
			why);
}

static int environment_make(struct exec_options *options, struct arena *arena,
			    struct diag_list *diags)
{
	if (options->env.n > ENV_MAX)
		return complain(diags, options->env.items[0].key_node, "at most 64",
				"too many variables");
	options->environment = ARENA_ARRAY(arena, const char *, options->env.n + 1);
	for (size_t i = 0; options->environment && i < options->env.n; i++) {
		const struct bind_pair *pair = &options->env.items[i];

		if (!env_name_is_valid(pair->key))
			return complain(diags, pair->key_node,
					"names are [A-Z][A-Z0-9_]*; LD_…, PATH and the like are "
					"not to be set",
					"this variable is not allowed");
		if (memchr(pair->value.ptr ? pair->value.ptr : "", '\0', pair->value.len))
			return complain(diags, pair->value_node, NULL,
					"a value cannot hold a NUL byte");
		options->environment[i] =
			arena_printf(arena, SLICE_FMT "=" SLICE_FMT, SLICE_ARG(pair->key),
				     SLICE_ARG(pair->value));
	}
	return options->environment ? 0 : ERR_NOMEM;
}

/* ERR_INVALID: there is none of this name. */
static int user_find(const char *name, uid_t *uid)
{
	struct passwd entry, *found = NULL;
	char texts[4096];

	if (getpwnam_r(name, &entry, texts, sizeof(texts), &found) || !found)
		return ERR_INVALID;
	*uid = found->pw_uid;
	return 0;
}

static int user_check(const struct exec_options *options, const struct yaml_node *node,
		      struct diag_list *diags)
{
	const struct yaml_node *user = yaml_get(node, "user");
	uid_t uid = geteuid();

	if (options->user && user_find(options->user, &uid)) {
		yaml_diag(diags, DIAG_ERROR, user, NULL, "there is no user \"%s\"", options->user);
		return ERR_INVALID;
	}
	if (uid == 0)
		diag_name(yaml_diag(diags, DIAG_WARNING, user ? user : yaml_get(node, "exec"),
				    "add user: NAME, or let the daemon be another user's",
				    "this script runs as root"),
			  "root-script");
	else if (uid != geteuid() && geteuid() != 0)
		diag_name(yaml_diag(diags, DIAG_WARNING, user, NULL,
				    "only a daemon of root's can run a script as \"%s\"",
				    options->user),
			  "foreign-user");
	return 0;
}

static int exec_check(void *pointer, bool is_step, const struct yaml_node *node,
		      const char *base_dir, struct arena *arena, struct diag_list *diags)
{
	struct exec_options *options = pointer;
	int codes[] = { argv_make(options, yaml_get(node, "exec"), base_dir, arena, diags),
			environment_make(options, arena, diags), user_check(options, node, diags),
			options->cwd[0] == '/' ? 0
					       : complain(diags, yaml_get(node, "cwd"), NULL,
							  "\"cwd\" must be an absolute path") };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i])
			return codes[i];
	return 0;
}

/* ---- attempts ---- */

struct action_attempt {
	struct runner_call *call;
	void (*done)(void *ctx, const struct action_result *result);
	void *ctx;
};

static void on_result(void *ctx, const struct action_result *result)
{
	struct action_attempt *attempt = ctx;

	attempt->done(attempt->ctx, result);
	free(attempt);
}

static int ask(const struct action_host *host, const struct exec_options *options,
	       const struct action_job *job, bool recover_only,
	       void (*done)(void *ctx, const struct action_result *result), void *ctx,
	       struct action_attempt **out)
{
	struct action_attempt *attempt = malloc(sizeof(*attempt));
	struct runner_job request = { .id = job->id,
				      .argv = options->argv,
				      .env = options->environment,
				      .cwd = options->cwd,
				      .user = options->user,
				      .input = job->body,
				      .timeout_ms = options->common.timeout_ms,
				      .kill_after_ms = options->kill_after_ms,
				      .no_new_privs = options->no_new_privs,
				      .recover_only = recover_only };

	if (!attempt)
		return ERR_NOMEM;
	*attempt = (struct action_attempt){ .done = done, .ctx = ctx };
	int code = host->runner ? runner_start(host->runner, &request, on_result, attempt,
					       &attempt->call)
				: ERR_UNSUPPORTED;

	if (code) {
		free(attempt);
		return code;
	}
	*out = attempt;
	return 0;
}

static int exec_start(const struct action_host *host, const void *options,
		      const struct action_job *job,
		      void (*done)(void *ctx, const struct action_result *result), void *ctx,
		      struct action_attempt **out)
{
	return ask(host, options, job, false, done, ctx, out);
}

static int exec_recover(const struct action_host *host, const void *options,
			const struct action_job *job,
			void (*done)(void *ctx, const struct action_result *result), void *ctx,
			struct action_attempt **out)
{
	return ask(host, options, job, true, done, ctx, out);
}

/* The script goes on; we no longer wait for it. */
static void exec_cancel(struct action_attempt *attempt)
{
	runner_call_cancel(attempt->call);
	free(attempt);
}

static void exec_forget(const struct action_host *host, const char *id)
{
	if (host->runner)
		runner_forget(host->runner, id);
}

extern const struct action_plugin exec_plugin;
const struct action_plugin exec_plugin = {
	.name = "exec",
	.doc = "Runs a script: argv, never a shell; JSON on standard input; cut off after its "
	       "timeout.",
	.step = &exec_table,
	.check = exec_check,
	.start = exec_start,
	.cancel = exec_cancel,
	.recover = exec_recover,
	.forget = exec_forget,
};
