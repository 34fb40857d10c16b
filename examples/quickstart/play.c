/* demo play: sends a recording's requests again, with all their times moved to the present. */
#include "examples/quickstart/demo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/http_client.h"
#include "base/text.h"

#define RETRY_MS 200
#define TRIES_MAX 300 /* a minute until the daemon is up */

struct player {
	struct loop *loop;
	struct http_client *http;
	struct loop_timer *timer;
	struct slice rest; /* frames not yet sent */
	const char *url;
	int64_t begin_ms; /* arrival of the first frame */
	int64_t past_ms;  /* what is sent at once */
	int64_t shift_ms; /* from recorded to present time */
	struct buf target, body, address; /* of the request under way */
	unsigned long sent;
	bool live; /* the past is through */
	int tries, status;
};

static bool frame_next(struct slice rest, struct recorded *request, size_t *used)
{
	struct reader reader;

	reader_init(&reader, rest);
	request->arrival_ms = (int64_t)reader_u64(&reader);
	request->target = reader_sized(&reader);
	request->content_type = reader_sized(&reader);
	request->content_encoding = reader_sized(&reader);
	request->body = reader_sized(&reader);
	*used = rest.len - reader.len;
	return !reader.failed;
}

static void play_step(void *ctx);

static void on_sent(void *ctx, const struct http_result *result)
{
	struct player *player = ctx;
	struct recorded request;
	size_t used;

	if (result->status / 100 == 2) {
		frame_next(player->rest, &request, &used);
		player->rest.ptr += used;
		player->rest.len -= used;
		player->sent++;
		player->tries = 0;
		play_step(player);
		return;
	}
	if (result->status && result->status != 503) {
		fprintf(stderr, "demo: the daemon answered %d: " SLICE_FMT "\n", result->status,
			SLICE_ARG(result->body));
		player->status = 1;
		loop_stop(player->loop);
		return;
	}
	if (++player->tries > TRIES_MAX) {
		player->status = fail(player->url, result->error);
		loop_stop(player->loop);
		return;
	}
	loop_timer_set(player->timer, RETRY_MS);
}

static void send_frame(struct player *player, const struct recorded *recorded)
{
	char type[64], encoding[64];
	struct http_header headers[] = { { "User-Agent", "Prometheus/recorded" },
					 { "Content-Type", type },
					 { "Content-Encoding", encoding } };
	struct http_send request = { .method = "POST",
				     .headers = headers,
				     .nheaders = recorded->content_encoding.len ? 3 : 2,
				     .timeout_ms = 10000 };

	snprintf(type, sizeof(type), SLICE_FMT, SLICE_ARG(recorded->content_type));
	snprintf(encoding, sizeof(encoding), SLICE_FMT, SLICE_ARG(recorded->content_encoding));
	if (move_request(recorded, player->shift_ms, &player->target, &player->body)) {
		player->status = fail("recording", "a request is damaged");
		loop_stop(player->loop);
		return;
	}
	buf_clear(&player->address);
	buf_printf(&player->address, "%s" SLICE_FMT, player->url,
		   SLICE_ARG(buf_slice(&player->target)));
	request.url = player->address.ptr;
	request.body = buf_slice(&player->body);
	if (!buf_ok(&player->address) ||
	    http_send(player->http, &request, on_sent, player, NULL)) {
		player->status = fail(player->url, "cannot send");
		loop_stop(player->loop);
	}
}

static void play_step(void *ctx)
{
	struct player *player = ctx;
	struct recorded request;
	size_t used;

	if (player->rest.len == 0) {
		say(PLAIN, "input", "the recording ends here");
		loop_stop(player->loop);
		return;
	}
	if (!frame_next(player->rest, &request, &used)) {
		player->status = fail("recording", "it ends inside a request");
		loop_stop(player->loop);
		return;
	}
	int64_t wait_ms = request.arrival_ms + player->shift_ms - clock_wall_ms();

	if (request.arrival_ms - player->begin_ms <= player->past_ms || wait_ms <= 0) {
		send_frame(player, &request);
		return;
	}
	if (!player->live)
		say(PLAIN, "input",
		    "%lld s of the past are loaded (%lu requests); the rest follows at live speed",
		    (long long)player->past_ms / 1000, player->sent);
	player->live = true;
	loop_timer_set(player->timer, wait_ms);
}

static int read_file(const char *path, struct buf *out)
{
	FILE *file = fopen(path, "rb");
	size_t n = 0;

	if (!file)
		return fail(path, strerror(errno));
	do {
		char *room = buf_reserve(out, 1 << 20);

		n = room ? fread(room, 1, 1 << 20, file) : 0;
		out->len += n;
	} while (n > 0);
	fclose(file);
	if (out->len < strlen(RECORDING_MAGIC) ||
	    memcmp(out->ptr, RECORDING_MAGIC, strlen(RECORDING_MAGIC)) != 0)
		return fail(path, "no recording of ours");
	return 0;
}

static void play_frames(struct player *player)
{
	player->shift_ms = clock_wall_ms() - (player->begin_ms + player->past_ms);
	player->loop = demo_loop();
	player->http = http_client_new(player->loop);
	player->timer = loop_timer_new(player->loop, play_step, player);
	loop_timer_set(player->timer, 0);
	loop_run(player->loop);
	loop_timer_free(player->timer);
	http_client_free(player->http);
	loop_free(player->loop);
}

int play(const char *path, const char *past, const char *url)
{
	struct player player = { .url = url, .past_ms = strtol(past, NULL, 10) * 1000 };
	struct recorded first;
	struct buf file;
	size_t used;

	buf_init(&file);
	buf_init(&player.target);
	buf_init(&player.address);
	buf_init(&player.body);
	if (read_file(path, &file)) {
		player.status = 1;
	} else {
		player.rest = (struct slice){ file.ptr + strlen(RECORDING_MAGIC),
					      file.len - strlen(RECORDING_MAGIC) };
		if (frame_next(player.rest, &first, &used)) {
			player.begin_ms = first.arrival_ms;
			play_frames(&player);
		} else {
			player.status = fail(path, "it is empty");
		}
	}
	buf_fini(&player.address);
	buf_fini(&player.target);
	buf_fini(&player.body);
	buf_fini(&file);
	return player.status;
}
