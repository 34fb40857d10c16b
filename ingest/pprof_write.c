/* A profile as pprof: what came in another format is kept, and handed out, as this one. */
#include <math.h>
#include <zlib.h>

#include "base/error.h"
#include "ingest/pprof.h"
#include "ingest/protobuf.h"

#define GZIP_LEVEL 6
#define GZIP_WINDOW (MAX_WBITS + 16) /* + 16: with gzip's header */
#define GZIP_MEMORY 8		     /* zlib's own default */

static uint64_t rounded(double value)
{
	double whole = round(value);

	return whole >= 0x1p63	  ? (uint64_t)INT64_MAX
	       : whole <= -0x1p63 ? (uint64_t)INT64_MIN
	       : isnan(whole)	  ? 0
				  : (uint64_t)(int64_t)whole;
}

/*
 * The string table: "", then type and unit of each sample type, those of the period, then the names
 * of the functions. So that the number of each is known by its place.
 */
static uint32_t string_of_type(uint32_t type)
{
	return 1 + 2 * type;
}

static void add_type(struct buf *out, uint32_t field, uint32_t string, struct buf *message)
{
	pb_number_add(message, 1, string);
	pb_number_add(message, 2, string + 1);
	pb_message_add(out, field, message);
}

static void add_samples(struct buf *out, const struct profile *profile, struct buf *message,
			struct buf *packed)
{
	for (uint32_t i = 0; i < profile->nsamples; i++) {
		const struct profile_sample *sample = &profile->samples[i];

		for (uint32_t k = 0; k < sample->nframes; k++)
			pb_varint_add(packed, profile->frames[sample->frame + k] + 1);
		pb_message_add(message, 1, packed);
		for (uint32_t k = 0; k < profile->ntypes; k++)
			pb_varint_add(packed, rounded(profile_value(profile, i, k)));
		pb_message_add(message, 2, packed);
		pb_message_add(out, 2, message);
	}
}

/* Function and location i have the id i + 1. */
static void add_functions(struct buf *out, const struct profile *profile, uint32_t first_name,
			  struct buf *message, struct buf *line)
{
	for (uint32_t i = 0; i < profile->nfunctions; i++) {
		pb_number_add(line, 1, i + 1);
		pb_number_add(message, 1, i + 1);
		pb_message_add(message, 4, line);
		pb_message_add(out, 4, message);
		pb_number_add(message, 1, i + 1);
		pb_number_add(message, 2, first_name + i);
		pb_message_add(out, 5, message);
	}
}

static void add_strings(struct buf *out, const struct profile *profile)
{
	pb_bytes_add(out, 6, SLICE(""));
	for (uint32_t i = 0; i < profile->ntypes; i++) {
		pb_bytes_add(out, 6, profile->types[i].type);
		pb_bytes_add(out, 6, profile->types[i].unit);
	}
	pb_bytes_add(out, 6, profile->period_type.type);
	pb_bytes_add(out, 6, profile->period_type.unit);
	for (uint32_t i = 0; i < profile->nfunctions; i++)
		pb_bytes_add(out, 6, profile->functions[i].name);
}

static void add_profile(struct buf *out, const struct profile *profile)
{
	uint32_t period_string = string_of_type(profile->ntypes);
	struct buf message, part;

	buf_init(&message);
	buf_init(&part);
	for (uint32_t i = 0; i < profile->ntypes; i++)
		add_type(out, 1, string_of_type(i), &message);
	add_samples(out, profile, &message, &part);
	add_functions(out, profile, period_string + 2, &message, &part);
	add_strings(out, profile);
	pb_number_add(out, 9, (uint64_t)profile->time_ns);
	pb_number_add(out, 10, (uint64_t)profile->duration_ns);
	if (profile->period) {
		add_type(out, 11, period_string, &message);
		pb_number_add(out, 12, (uint64_t)profile->period);
	}
	buf_fini(&message);
	buf_fini(&part);
}

static int gzip_pack(struct slice plain, struct buf *out)
{
	z_stream stream = { .next_in = (unsigned char *)(uintptr_t)plain.ptr,
			    .avail_in = (uInt)plain.len };
	int code = ERR_NOMEM;

	if (deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return ERR_NOMEM;
	size_t room = deflateBound(&stream, plain.len);

	stream.next_out = (unsigned char *)buf_reserve(out, room);
	stream.avail_out = (uInt)room;
	if (stream.next_out && deflate(&stream, Z_FINISH) == Z_STREAM_END) {
		out->len += room - stream.avail_out;
		code = 0;
	}
	deflateEnd(&stream);
	return code;
}

int pprof_write(const struct profile *profile, struct buf *out)
{
	struct buf plain;
	int code;

	buf_init(&plain);
	add_profile(&plain, profile);
	code = buf_ok(&plain) ? gzip_pack(buf_slice(&plain), out) : ERR_NOMEM;
	buf_fini(&plain);
	return code;
}
