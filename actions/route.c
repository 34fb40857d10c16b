/* The routing tree: Alertmanager's route, bound and matched. */
#include "actions/config_internal.h"

#include <stdlib.h>

#include "base/error.h"

struct route_part {
	struct slice receiver;
	struct bind_strings group_by, matchers;
	bool go_on;
	int64_t group_wait_ms, group_interval_ms, repeat_interval_ms;
	const struct yaml_node *routes, *mute, *active, *match, *match_re, *node;
	uint64_t given;
};

enum route_key {
	KEY_RECEIVER,
	KEY_GROUP_BY,
	KEY_MATCHERS,
	KEY_CONTINUE,
	KEY_WAIT,
	KEY_INTERVAL,
	KEY_REPEAT,
	KEY_ROUTES
};

static const struct bind_field route_fields[] = {
	[KEY_RECEIVER] = BIND_FIELD(
		route_part, receiver, "receiver", BIND_STRING,
		.doc = "Who is told; inherited from the parent. The root must name one."),
	[KEY_GROUP_BY] = BIND_FIELD(route_part, group_by, "group_by", BIND_STRINGS,
				    .doc = "Alerts with equal values of these labels share a "
					   "notification; ['...'] for all labels. Inherited."),
	[KEY_MATCHERS] =
		BIND_FIELD(route_part, matchers, "matchers", BIND_STRINGS,
			   .doc = "Which alerts take this route: all must match. Not at the root."),
	[KEY_CONTINUE] =
		BIND_FIELD(route_part, go_on, "continue", BIND_BOOL, .default_text = "false",
			   .doc = "Go on with the next sibling after a match."),
	[KEY_WAIT] = BIND_FIELD(route_part, group_wait_ms, "group_wait", BIND_DURATION,
				.default_text = "30s",
				.doc = "How long a new group waits for more alerts. Inherited."),
	[KEY_INTERVAL] =
		BIND_FIELD(route_part, group_interval_ms, "group_interval", BIND_DURATION,
			   .default_text = "5m",
			   .doc = "Least time between notifications of a group. Inherited."),
	[KEY_REPEAT] = BIND_FIELD(route_part, repeat_interval_ms, "repeat_interval", BIND_DURATION,
				  .default_text = "4h",
				  .doc = "When an unchanged group is told again. Inherited."),
	[KEY_ROUTES] = BIND_FIELD(route_part, routes, "routes", BIND_NODE,
				  .doc = "Children; the first that matches is taken."),
	BIND_FIELD(route_part, mute, "mute_time_intervals", BIND_NODE,
		   .doc = "Not there yet: must be empty."),
	BIND_FIELD(route_part, active, "active_time_intervals", BIND_NODE,
		   .doc = "Not there yet: must be empty."),
	BIND_FIELD(route_part, match, "match", BIND_NODE,
		   .doc = "Old form of matchers: use `matchers`."),
	BIND_FIELD(route_part, match_re, "match_re", BIND_NODE,
		   .doc = "Old form of matchers: use `matchers`."),
};
const struct bind_table route_table = BIND_TABLE_GIVEN(route_part, "route", route_fields);

static bool is_given(const struct route_part *part, enum route_key key)
{
	return part->given >> key & 1;
}

static int complain(struct bind_context *context, const struct yaml_node *node, const char *hint,
		    const char *text)
{
	yaml_diag(context->diags, DIAG_ERROR, node, hint, "%s", text);
	return ERR_INVALID;
}

static int compare_slices(const void *a, const void *b)
{
	return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static int group_by_bind(struct bind_context *context, const struct route_part *part,
			 struct route *route)
{
	const struct bind_strings *list = &part->group_by;
	const struct yaml_node *node = yaml_get(part->node, "group_by");

	route->group_by_all = false;
	route->group_by = list->items;
	route->ngroup_by = (uint32_t)list->n;
	if (list->n)
		qsort(list->items, list->n, sizeof(*list->items), compare_slices);
	for (size_t i = 0; i < list->n; i++) {
		if (list->items[i].len == 0)
			return complain(context, node, NULL, "\"\" in group_by is no label");
		if (slice_is(list->items[i], "..."))
			route->group_by_all = true;
		if (i > 0 && slice_is_equal(list->items[i], list->items[i - 1]))
			return complain(context, node, NULL, "a label stands twice in group_by");
	}
	if (!route->group_by_all)
		return 0;
	route->ngroup_by = 0;
	if (list->n == 1)
		return 0;
	return complain(context, node, NULL,
			"cannot have wildcard group_by (`...`) and other labels at the same time");
}

static int matchers_bind(struct bind_context *context, const struct route_part *part,
			 struct route *route)
{
	int result = 0;

	for (size_t i = 0; i < part->matchers.n; i++) {
		char *why = NULL;
		int code = matchers_parse(part->matchers.items[i], &route->matchers,
					  &route->nmatchers, &why);

		if (code)
			yaml_diag(context->diags, DIAG_ERROR, part->matchers.nodes[i],
				  "write it as name=\"value\" or name=~\"regexp\"",
				  "bad matcher \"" SLICE_FMT "\": %s",
				  SLICE_ARG(part->matchers.items[i]), why ? why : error_text(code));
		free(why);
		result = code ? code : result;
	}
	return result;
}

/* {}/{team="x"}: the chain of matchers, as Alertmanager builds group keys. */
static int key_make(struct bind_context *context, const struct route *parent, struct route *route)
{
	struct buf key;

	buf_init(&key);
	if (parent)
		buf_printf(&key, "%s/", parent->key);
	buf_add_char(&key, '{');
	for (size_t i = 0; i < route->nmatchers; i++) {
		if (i > 0)
			buf_add_char(&key, ',');
		matcher_format(&route->matchers[i], &key);
	}
	buf_add_char(&key, '}');
	route->key = arena_strdup(context->arena, buf_slice(&key));
	buf_fini(&key);
	return route->key ? 0 : ERR_NOMEM;
}

static int check_root(struct bind_context *context, const struct route_part *part)
{
	const struct yaml_node *receiver = yaml_get(part->node, "receiver");
	bool is_told = receiver && (receiver->unread || receiver->type != YAML_SCALAR);

	if (part->receiver.len == 0 && !is_told)
		return complain(context, receiver ? receiver : part->node, "add receiver: NAME",
				"root route must specify a default receiver");
	if (part->matchers.n)
		return complain(context, part->node, NULL, "root route must not have any matchers");
	if (part->go_on)
		return complain(context, part->node, NULL, "cannot have continue in root route");
	return 0;
}

static int receiver_resolve(struct bind_context *context, const struct route_part *part,
			    struct route *route)
{
	const struct actions_config *config = context->config;
	const char **names = ARENA_ARRAY(context->arena, const char *, config->nreceivers + 1);

	if (!names)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < config->nreceivers; i++) {
		if (slice_is_equal(config->receivers[i].name, route->receiver_name)) {
			route->receiver = &config->receivers[i];
			return 0;
		}
		names[i] = arena_strdup(context->arena, config->receivers[i].name);
	}
	if (context->nameless)
		return ERR_INVALID;
	const char *near = nearest_name(route->receiver_name, names, config->nreceivers);

	yaml_diag(context->diags, DIAG_ERROR, yaml_get(part->node, "receiver"),
		  near ? arena_printf(context->arena, "did you mean \"%s\"?", near)
		       : "add it to receivers",
		  "undefined receiver \"" SLICE_FMT "\" used in route",
		  SLICE_ARG(route->receiver_name));
	return ERR_INVALID;
}

static int refuse_later(struct bind_context *context, const struct route_part *part)
{
	int result = 0;

	if (!yaml_is_empty(part->mute))
		result = complain(context, part->mute, "take it out for now",
				  "\"mute_time_intervals\" is not supported yet");
	if (!yaml_is_empty(part->active))
		result = complain(context, part->active, "take it out for now",
				  "\"active_time_intervals\" is not supported yet");
	if (!yaml_is_empty(part->match))
		result = complain(context, part->match, "write matchers: [name=\"value\"]",
				  "\"match\" is not supported");
	if (!yaml_is_empty(part->match_re))
		result = complain(context, part->match_re, "write matchers: [name=~\"regexp\"]",
				  "\"match_re\" is not supported");
	return result;
}

/* Gives the code so far, or that of the complaint. */
static int refuse_zero(struct bind_context *context, const struct yaml_node *node, const char *key,
		       int64_t value_ms, int code)
{
	if (value_ms != 0 || !yaml_get(node, key)) /* else its parent's, who was told */
		return code;
	return complain_at(context, yaml_get(node, key), "write how long, such as 5m",
			   "\"%s\" cannot be zero", key);
}

static int bind_one(struct bind_context *context, const struct yaml_node *node,
		    const struct route *parent, unsigned depth, uint32_t *count,
		    struct route *route);

static int children_bind(struct bind_context *context, const struct yaml_node *list, unsigned depth,
			 uint32_t *count, struct route *route)
{
	int result = 0;

	if (!list || yaml_is_null(list))
		return 0;
	if (list->type != YAML_SEQUENCE)
		return complain(context, list, ACTIONS_HINT_LIST, "\"routes\" must be a list");
	route->routes = ARENA_ARRAY(context->arena, struct route, list->n);
	if (!route->routes)
		return ERR_NOMEM;
	for (size_t i = 0; i < list->n; i++) {
		int code = bind_one(context, list->items[i], route, depth + 1, count,
				    &route->routes[route->nroutes]);

		route->nroutes++; /* counted even when wrong: route_fini() gives back what it got */
		result = code ? code : result;
	}
	return result;
}

/* What the route does not say is its parent's; parent NULL: the root. */
static void inherit(const struct route_part *part, const struct route *parent, struct route *route)
{
	route->receiver_name = part->receiver;
	route->group_wait_ms = part->group_wait_ms;
	route->group_interval_ms = part->group_interval_ms;
	route->repeat_interval_ms = part->repeat_interval_ms;
	if (!parent)
		return;
	if (part->receiver.len == 0) {
		route->receiver_name = parent->receiver_name;
		route->receiver = parent->receiver;
	}
	if (!is_given(part, KEY_WAIT))
		route->group_wait_ms = parent->group_wait_ms;
	if (!is_given(part, KEY_INTERVAL))
		route->group_interval_ms = parent->group_interval_ms;
	if (!is_given(part, KEY_REPEAT))
		route->repeat_interval_ms = parent->repeat_interval_ms;
	if (!is_given(part, KEY_GROUP_BY)) {
		route->group_by = parent->group_by;
		route->ngroup_by = parent->ngroup_by;
		route->group_by_all = parent->group_by_all;
	}
}

static int bind_one(struct bind_context *context, const struct yaml_node *node,
		    const struct route *parent, unsigned depth, uint32_t *count,
		    struct route *route)
{
	struct route_part part;

	if (depth > ROUTE_DEPTH_MAX || *count >= ROUTES_MAX)
		return complain(context, node, NULL,
				depth > ROUTE_DEPTH_MAX ? "routes are nested too deeply"
							: "too many routes");
	int code = bind_struct(&route_table, node, context->arena, context->diags, &part), one;

	/* What was understood is looked at all the same: whoever mends it shall know all. */
	if (code && (code != ERR_INVALID || node->type != YAML_MAPPING))
		return code;
	route->id = (*count)++;
	route->go_on = part.go_on;
	inherit(&part, parent, route);
	if (!parent && (one = check_root(context, &part)))
		code = one;
	if (is_given(&part, KEY_GROUP_BY) && (one = group_by_bind(context, &part, route)))
		code = one;
	code = refuse_zero(context, node, "group_interval", route->group_interval_ms, code);
	code = refuse_zero(context, node, "repeat_interval", route->repeat_interval_ms, code);
	if ((one = matchers_bind(context, &part, route)))
		code = one;
	if ((one = key_make(context, parent, route)))
		return one;
	if (part.receiver.len && (one = receiver_resolve(context, &part, route)))
		code = one;
	if ((one = refuse_later(context, &part)))
		code = one;
	one = children_bind(context, part.routes, depth, count, route);
	return one ? one : code;
}

int route_bind(struct bind_context *context, const struct yaml_node *node)
{
	struct actions_config *config = context->config;
	uint32_t count = 0;

	if (!node || yaml_is_null(node)) {
		if (config->nreceivers)
			diag_name(
				diag_add(context->diags, DIAG_WARNING, NULL, 0, 0, NULL,
					 "add route: {receiver: NAME}",
					 "there are receivers, but no route: nobody will be told"),
				"no-route");
		return 0;
	}
	config->root = ARENA_NEW(context->arena, struct route);
	if (!config->root)
		return ERR_NOMEM;
	return bind_one(context, node, NULL, 1, &count, config->root);
}

void route_fini(struct route *route)
{
	matchers_free(route->matchers, route->nmatchers);
	route->matchers = NULL;
	route->nmatchers = 0;
	for (uint32_t i = 0; i < route->nroutes; i++)
		route_fini(&route->routes[i]);
}

/* How many routes under this one take the alert; depth is bounded at binding. */
static size_t match_below(const struct route *route, const struct labels *labels,
			  const struct route **out, size_t max)
{
	size_t n = 0;

	for (uint32_t i = 0; i < route->nroutes && n < max; i++) {
		const struct route *child = &route->routes[i];

		if (!matchers_is_match(child->matchers, child->nmatchers, labels))
			continue;
		n += match_below(child, labels, out + n, max - n);
		if (!child->go_on)
			break;
	}
	if (n == 0 && max > 0)
		out[n++] = route;
	return n;
}

size_t route_match(const struct route *root, const struct labels *labels, const struct route **out,
		   size_t max)
{
	return match_below(root, labels, out, max);
}
