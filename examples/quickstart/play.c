/* demo play: sends a recording's remote-write requests again, with all samples moved to the
 * present. */
#include "examples/quickstart/demo.h"

#include <errno.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/http_client.h"
#include "base/text.h"
#include "ingest/decompress.h"
#include "ingest/protobuf.h"

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
	struct buf body;  /* of the request under way */
	unsigned long sent;
	bool live; /* the past is through */
	int tries, status;
};

static void add_varint(struct buf *out, uint64_t v)
{
	for (; v >= 128; v >>= 7)
		buf_add_char(out, (char)(v | 128));
	buf_add_char(out, (char)v);
}

static void add_field(struct buf *out, uint32_t number, enum pb_wire wire, struct slice payload)
{
	add_varint(out, (uint64_t)number << 3 | wire);
	if (wire == PB_BYTES)
		add_varint(out, payload.len);
	buf_add_slice(out, payload);
}

/* Sample{1 value, 2 timestamp}: as it is, but later. */
static int move_sample(struct slice sample, int64_t shift_ms, struct buf *out)
{
	struct pb_walk walk = pb_walk_of(sample);
	struct pb_field field;
	int more;

	while ((more = pb_next(&walk, &field)) > 0) {
		if (field.number != 2) {
			add_field(out, field.number, field.wire, field.bytes);
			continue;
		}
		add_varint(out, 2 << 3 | PB_VARINT);
		add_varint(out, field.value + (uint64_t)shift_ms);
	}
	return more;
}

/* TimeSeries{1 labels, 2 samples}; exemplars and native histograms are not needed here. */
static int move_series(struct slice series, int64_t shift_ms, struct buf *out)
{
	struct pb_walk walk = pb_walk_of(series);
	struct pb_field field;
	struct buf sample;
	int more;

	buf_init(&sample);
	while ((more = pb_next(&walk, &field)) > 0) {
		if (field.number == 1)
			add_field(out, 1, PB_BYTES, field.bytes);
		if (field.number != 2)
			continue;
		buf_clear(&sample);
		if ((more = move_sample(field.bytes, shift_ms, &sample)) < 0)
			break;
		add_field(out, 2, PB_BYTES, buf_slice(&sample));
	}
	buf_fini(&sample);
	return more;
}

/* A remote-write 1.0 body with all its samples moved in time. */
static int move_request(struct slice body, int64_t shift_ms, struct buf *out)
{
	struct decompressor decompressor;
	struct buf message, series, moved;
	const char *why;

	decompressor_init(&decompressor);
	buf_init(&message);
	buf_init(&series);
	buf_init(&moved);
	int code = decompress(&decompressor, body, BODY_MAX, &message, &why);
	struct pb_walk walk = pb_walk_of(buf_slice(&message));
	struct pb_field field;

	while (code == 0 && pb_next(&walk, &field) > 0) {
		if (field.number != 1)
			continue;
		buf_clear(&series);
		code = move_series(field.bytes, shift_ms, &series);
		add_field(&moved, 1, PB_BYTES, buf_slice(&series));
	}
	size_t len = snappy_max_compressed_length(moved.len);

	buf_clear(out);
	char *room = buf_reserve(out, len);

	if (code == 0 && room &&
	    snappy_compress(moved.ptr ? moved.ptr : "", moved.len, room, &len) == SNAPPY_OK)
		out->len += len;
	else
		code = code ? code : ERR_NOMEM;
	decompressor_fini(&decompressor);
	buf_fini(&message);
	buf_fini(&series);
	buf_fini(&moved);
	return code;
}

static bool frame_next(struct slice rest, int64_t *arrival_ms, struct slice *body, size_t *used)
{
	struct reader reader;

	reader_init(&reader, rest);
	*arrival_ms = (int64_t)reader_u64(&reader);
	*body = reader_sized(&reader);
	*used = rest.len - reader.len;
	return !reader.failed;
}

static void play_step(void *ctx);

static void on_sent(void *ctx, const struct http_result *result)
{
	struct player *player = ctx;
	int64_t arrival_ms;
	struct slice body;
	size_t used;

	if (result->status / 100 == 2) {
		frame_next(player->rest, &arrival_ms, &body, &used);
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

static void send_frame(struct player *player, struct slice body)
{
	static const struct http_header headers[] = { { "Content-Type", "application/x-protobuf" },
						      { "Content-Encoding", "snappy" },
						      { "User-Agent", "Prometheus/recorded" } };
	struct http_send request = { .method = "POST",
				     .url = player->url,
				     .headers = headers,
				     .nheaders = 3,
				     .timeout_ms = 10000 };
	struct http_call *call;

	if (move_request(body, player->shift_ms, &player->body)) {
		player->status = fail("recording", "a request is damaged");
		loop_stop(player->loop);
		return;
	}
	request.body = buf_slice(&player->body);
	if (http_send(player->http, &request, on_sent, player, &call)) {
		player->status = fail(player->url, "cannot send");
		loop_stop(player->loop);
	}
}

static void play_step(void *ctx)
{
	struct player *player = ctx;
	int64_t arrival_ms;
	struct slice body;
	size_t used;

	if (player->rest.len == 0) {
		say(PLAIN, "input", "the recording ends here");
		loop_stop(player->loop);
		return;
	}
	if (!frame_next(player->rest, &arrival_ms, &body, &used)) {
		player->status = fail("recording", "it ends inside a request");
		loop_stop(player->loop);
		return;
	}
	int64_t wait_ms = arrival_ms + player->shift_ms - clock_wall_ms();

	if (arrival_ms - player->begin_ms <= player->past_ms || wait_ms <= 0) {
		send_frame(player, body);
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
	struct buf file;
	struct slice body;
	size_t used;

	buf_init(&file);
	buf_init(&player.body);
	if (read_file(path, &file)) {
		player.status = 1;
	} else {
		player.rest = (struct slice){ file.ptr + strlen(RECORDING_MAGIC),
					      file.len - strlen(RECORDING_MAGIC) };
		if (frame_next(player.rest, &player.begin_ms, &body, &used))
			play_frames(&player);
		else
			player.status = fail(path, "it is empty");
	}
	buf_fini(&player.body);
	buf_fini(&file);
	return player.status;
}
