/* GET /metrics: the daemon's numbers, then what the engine and the actions count. */
#include "web/web_internal.h"

HANDLER(on_metrics)
{
	struct buf out;

	buf_init(&out);
	web->host.metrics(web->host.ctx, &out);
	web_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", buf_slice(&out));
	buf_fini(&out);
}
