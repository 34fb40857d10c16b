/*
 * What Redis answers: any bytes, through hiredis' reader, looked at as entries of the log, as
 * places, and as a format; what an entry holds is read as records.
 */
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "storage/redis_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REPLIES_MAX 100

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void look_at_records(struct slice rest)
{
	enum record_type type;
	struct slice payload;
	size_t used;

	while (record_decode(rest, &type, &payload, &used) == 0) {
		must(used <= rest.len && payload.len < used);
		rest.ptr += used;
		rest.len -= used;
	}
}

static void look_at_place(struct slice text)
{
	struct redis_place place, again;
	char written[REDIS_PLACE_BYTES];

	if (redis_place_parse(text, &place))
		return;
	redis_place_text(place, written);
	must(redis_place_parse(slice_from(written), &again) == 0 &&
	     redis_place_compare(place, again) == 0);
}

static void look_at(const struct redis_log *log, const redisReply *reply)
{
	char why[REDIS_ERROR_BYTES] = "";
	struct redis_entry entry;
	struct redis_place newest;

	must(redis_newest_read(reply, &newest) || reply->elements >= 2);
	if (redis_entry_read(reply, &entry) == 0) {
		look_at_place(entry.complete);
		look_at_records(entry.block);
	}
	if (reply->type == REDIS_REPLY_STRING) {
		struct slice text = { reply->str, reply->len };

		look_at_place(text);
		must((redis_format_check(log, text, why) == 0) == (why[0] == '\0'));
	}
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i < reply->elements; i++)
		look_at(log, reply->element[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct redis_log_options options = { .prefix = "fuzz", .owner = "fuzz" };
	redisReader *reader = redisReaderCreate();
	struct redis_log *log;
	void *reply;

	must(reader && redis_log_new(&options, &log) == 0);
	if (redisReaderFeed(reader, (const char *)data, size) == REDIS_OK)
		for (int i = 0;
		     i < REPLIES_MAX && redisReaderGetReply(reader, &reply) == REDIS_OK && reply;
		     i++) {
			look_at(log, reply);
			freeReplyObject(reply);
		}
	redis_log_free(log);
	redisReaderFree(reader);
	return 0;
}
