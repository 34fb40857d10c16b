#include "engine/evidence.h"

#include <string.h>

#include "base/bits.h"
#include "base/error.h"

#define EVIDENCE_VERSION 1

/* ---- as a part of a record ---- */

void evidence_encode(const struct evidence *evidence, struct buf *out)
{
	buf_add_char(out, EVIDENCE_VERSION);
	buf_add_u32(out, evidence ? evidence->nlines : 0);
	for (uint32_t i = 0; evidence && i < evidence->nlines; i++)
		buf_add_sized(out, slice_from(evidence->lines[i]));
	buf_add_u32(out, evidence ? evidence->nfunctions : 0);
	for (uint32_t i = 0; evidence && i < evidence->nfunctions; i++) {
		const struct evidence_function *function = &evidence->functions[i];
		buf_add_sized(out, slice_from(function->name));
		buf_add_sized(out, slice_from(function->profile_type));
		buf_add_u64(out, bits_of_double(function->self_ratio));
		buf_add_u64(out, bits_of_double(function->total_ratio));
	}
}

/* 0, ERR_CORRUPT (what no writer wrote), ERR_NOMEM. */
static int decode_into(struct reader *reader, struct evidence *evidence)
{
	int code = 0;
	uint32_t nlines = reader_u32(reader);
	for (uint32_t i = 0; i < nlines && !reader->failed && !code; i++)
		code = evidence_line_add(evidence, reader_sized(reader));
	uint32_t nfunctions = reader_u32(reader);
	for (uint32_t i = 0; i < nfunctions && !reader->failed && !code; i++) {
		struct slice name = reader_sized(reader), profile_type = reader_sized(reader);
		double self_ratio = double_of_bits(reader_u64(reader));
		double total_ratio = double_of_bits(reader_u64(reader));
		if (!reader->failed)
			code = evidence_function_add(evidence, name, profile_type, self_ratio,
						     total_ratio);
	}
	return code == ERR_NOMEM ? code : code || reader->failed ? ERR_CORRUPT : 0;
}

int evidence_decode(struct reader *reader, struct evidence **out)
{
	if (reader_u8(reader) != EVIDENCE_VERSION)
		return ERR_CORRUPT;
	struct evidence *evidence = evidence_new();
	if (!evidence)
		return ERR_NOMEM;
	int code = decode_into(reader, evidence);
	if (code || evidence_is_empty(evidence)) {
		evidence_unref(evidence);
		evidence = NULL;
	}
	if (!code)
		*out = evidence;
	return code;
}

/* ---- as JSON ---- */

static void ratio_json(struct json_writer *w, const char *key, double ratio)
{
	json_key(w, key);
	if (ratio == ratio)
		json_number(w, ratio);
	else
		json_nil(w);
}

void evidence_json(const struct evidence *evidence, struct json_writer *w)
{
	json_begin_object(w);
	json_key(w, "lines");
	json_begin_array(w);
	for (uint32_t i = 0; evidence && i < evidence->nlines; i++)
		json_str(w, slice_from(evidence->lines[i]));
	json_end_array(w);
	json_key(w, "functions");
	json_begin_array(w);
	for (uint32_t i = 0; evidence && i < evidence->nfunctions; i++) {
		const struct evidence_function *function = &evidence->functions[i];
		json_begin_object(w);
		json_field_string(w, "name", slice_from(function->name));
		json_field_string(w, "profile_type", slice_from(function->profile_type));
		ratio_json(w, "self_ratio", function->self_ratio);
		ratio_json(w, "total_ratio", function->total_ratio);
		json_end_object(w);
	}
	json_end_array(w);
	json_end_object(w);
}
