/* How the daemon is: health, readiness, version; and the request to read its configuration again.
 */
#include "web/web_internal.h"

HANDLER(on_healthy)
{
	web_reply(request, 200, TEXT_TYPE, SLICE("Tocsin is Healthy.\n"));
}

HANDLER(on_ready)
{
	if (web->host.ready(web->host.ctx))
		web_reply(request, 200, TEXT_TYPE, SLICE("Tocsin is Ready.\n"));
	else
		web_reply(request, 503, TEXT_TYPE,
			  SLICE("Tocsin is not ready yet: it reads its journal.\n"));
}

/* The configuration thread answers: with 200, or with 500 and all that is wrong. */
HANDLER(on_reload)
{
	web_send(web, request, CALL_CONFIG, call_new(NULL));
}

/* A version that Grafana takes for a Prometheus new enough for what it asks; ours stands beside. */
#define PROMETHEUS_VERSION "3.5.0"

HANDLER(on_buildinfo)
{
	struct json_writer w;
	struct buf out;

	buf_init(&out);
	envelope_begin(&w, &out);
	json_begin_object(&w);
	json_field_string(&w, "version", SLICE(PROMETHEUS_VERSION));
	json_field_string(&w, "revision", slice_from(web->version));
	json_field_string(&w, "branch", SLICE("tocsin"));
	json_field_string(&w, "buildUser", SLICE(""));
	json_field_string(&w, "buildDate", SLICE(""));
	json_field_string(&w, "goVersion", SLICE(""));
	json_end_object(&w);
	envelope_end(&w);
	web_reply(request, 200, JSON_TYPE, buf_slice(&out));
	buf_fini(&out);
}

/* What amtool asks before anything else. There is no cluster, and the configuration is not shown.
 */
HANDLER(on_alertmanager_status)
{
	static const char *const empty[] = { "revision", "branch", "buildUser", "buildDate",
					     "goVersion" };
	struct json_writer w;
	struct buf out;

	buf_init(&out);
	json_writer_init(&w, &out);
	json_begin_object(&w);
	json_key(&w, "cluster");
	json_begin_object(&w);
	json_field_string(&w, "status", SLICE("disabled"));
	json_key(&w, "peers");
	json_begin_array(&w);
	json_end_array(&w);
	json_end_object(&w);
	json_key(&w, "config");
	json_begin_object(&w);
	json_field_string(&w, "original", SLICE(""));
	json_end_object(&w);
	json_field_time(&w, "uptime", web->started_ms);
	json_key(&w, "versionInfo");
	json_begin_object(&w);
	json_field_string(&w, "version", slice_from(web->version));
	for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++)
		json_field_string(&w, empty[i], SLICE(""));
	json_end_object(&w);
	json_end_object(&w);
	web_reply(request, 200, JSON_TYPE, buf_slice(&out));
	buf_fini(&out);
}
