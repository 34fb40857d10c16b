#include "ingest/line_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

#define READ_BYTES (64 * 1024)

struct line_source {
	struct line_source_options options;
	struct loop_fd *watch;	  /* NULL: a file, which is always readable */
	struct loop_timer *timer; /* of a file: the next turn */
	struct buf buffer;	  /* at most a line, and what was read last */
	struct buf texts;
	struct ndjson_line line;
	bool skipping; /* the rest of a line that was cut */
	bool ended, told;
};

static bool is_open(const struct line_source *source)
{
	return source->options.door.is_open(source->options.door.ctx);
}

/* The source's labels and those of the line. Labels that are none leave the source's. */
static struct labels *stream_of(struct line_source *source)
{
	struct labels_builder builder;
	struct labels *labels = NULL;

	labels_builder_init(&builder);
	for (size_t i = 0; i < source->line.nstream; i++)
		labels_builder_set(&builder, source->line.stream[i].name,
				   source->line.stream[i].value);
	for (size_t i = 0; i < labels_count(source->options.labels); i++) {
		struct label own = labels_at(source->options.labels, i);

		labels_builder_set(&builder, own.name, own.value);
	}
	int code = labels_builder_take(&builder, &labels, NULL);

	labels_builder_fini(&builder);
	if (code == ERR_NOMEM)
		return NULL;
	return code ? labels_ref(source->options.labels) : labels;
}

static int line_give(struct line_source *source, struct slice text)
{
	const struct line_source_options *options = &source->options;
	struct ndjson_line *line = &source->line;
	bool malformed = false;

	if (text.len && text.ptr[text.len - 1] == '\r')
		text.len--;
	bool cut = text.len > LOG_LINE_MAX;

	if (cut)
		text.len = LOG_LINE_MAX;
	*line = (struct ndjson_line){ .ts_ns = options->now_ns(), .line = text };
	if (options->json) {
		int code = ndjson_parse(&options->fields, text, line->ts_ns, &source->texts, line);

		if (code == ERR_NOMEM)
			return code;
		malformed = code != 0;
		if (malformed)
			*line = (struct ndjson_line){ .ts_ns = options->now_ns(), .line = text };
	}
	struct labels *labels = stream_of(source);
	struct log_entry entry = { line->ts_ns, line->line, line->metadata, line->nmetadata };
	int code = labels ? options->door.sink.stream(options->door.sink.ctx, labels) : ERR_NOMEM;

	labels_unref(labels);
	if (code || (code = options->door.sink.line(options->door.sink.ctx, &entry)))
		return code;
	log_count(&options->counters->malformed, malformed);
	log_count(&options->counters->cut, cut);
	return 0;
}

/* Gives what is whole of the buffer to the door. False: it took no more. */
static bool drain(struct line_source *source)
{
	struct buf *buffer = &source->buffer;
	size_t at = 0;
	bool taken = true;

	while (at < buffer->len) {
		const char *start = buffer->ptr + at, *end = memchr(start, '\n', buffer->len - at);
		size_t len = end ? (size_t)(end - start) : buffer->len - at;
		bool too_long = !end && len > LOG_LINE_MAX;

		if (!end && !source->ended && !too_long && !source->skipping)
			break;
		if (!source->skipping) {
			taken = is_open(source) &&
				line_give(source, (struct slice){ start, len }) == 0;
			if (!taken)
				break;
		}
		source->skipping = !end && (too_long || source->skipping);
		at += len + (end != NULL);
	}
	buf_drop(buffer, at);
	return taken;
}

static void read_once(struct line_source *source)
{
	char *room = buf_reserve(&source->buffer, READ_BYTES);
	ssize_t got = room ? read(source->options.fd, room, READ_BYTES) : -1;

	if (got < 0 && (!room || errno == EINTR || errno == EAGAIN))
		return;
	if (got > 0)
		source->buffer.len += (size_t)got;
	source->ended = got <= 0;
}

static void turn(struct line_source *source)
{
	bool taken = drain(source);

	if (taken && !source->ended && is_open(source)) {
		read_once(source);
		taken = drain(source);
	}
	source->options.door.flush(source->options.door.ctx);
	bool more = taken && !source->ended && is_open(source);

	if (source->watch)
		loop_fd_set(source->watch, more ? LOOP_READ : 0);
	else if (more)
		loop_timer_set(source->timer, 0);
	if (!taken || !source->ended || source->told)
		return;
	source->told = true;
	log_info("logs", "the end of a source was read", "source=%s",
		 log_quote(slice_from(source->options.name)));
	if (source->options.ended)
		source->options.ended(source->options.ctx);
}

static void on_readable(void *ctx, int what)
{
	turn(ctx);
}

static void on_timer(void *ctx)
{
	turn(ctx);
}

void line_source_resume(struct line_source *source)
{
	if (!source->told)
		turn(source);
}

int line_source_new(const struct line_source_options *options, struct line_source **out)
{
	struct line_source *source = calloc(1, sizeof(*source));
	struct stat st;

	if (!source)
		return ERR_NOMEM;
	source->options = *options;
	buf_init(&source->buffer);
	buf_init(&source->texts);
	source->timer = loop_timer_new(options->loop, on_timer, source);
	bool is_file = fstat(options->fd, &st) == 0 && S_ISREG(st.st_mode);

	if (!is_file) {
		int flags = fcntl(options->fd, F_GETFL);

		if (flags >= 0)
			fcntl(options->fd, F_SETFL, flags | O_NONBLOCK);
		source->watch = loop_fd_new(options->loop, options->fd, on_readable, source);
	}
	if (!source->timer || (!is_file && !source->watch)) {
		line_source_free(source);
		return ERR_NOMEM;
	}
	loop_timer_set(source->timer, 0);
	*out = source;
	return 0;
}

void line_source_free(struct line_source *source)
{
	if (!source)
		return;
	loop_fd_free(source->watch);
	if (source->timer)
		loop_timer_free(source->timer);
	buf_fini(&source->buffer);
	buf_fini(&source->texts);
	free(source);
}
