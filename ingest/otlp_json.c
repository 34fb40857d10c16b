/*
 * OTLP/JSON → protobuf, by the tables of otlp_schema.h.
 *
 * The length of a nested message is not known when it begins: room for the longest length is left,
 * and filled with a varint of five bytes, which every reader takes.
 */
#include "ingest/otlp_schema.h"

#include <endian.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/text.h"
#include "ingest/protobuf.h"

#define LENGTH_BYTES 5
#define NUMBER_BYTES_MAX 64 /* of a number as text */

struct encoder {
	struct buf *out;
	struct buf key, text; /* unescaped strings */
	const char *why;
	int depth;
};

static int bad(struct encoder *e, const char *why)
{
	e->why = why;
	return ERR_INVALID;
}

/* ---- protobuf ---- */

static void add_tag(struct buf *out, uint32_t number, enum pb_wire wire)
{
	pb_varint_add(out, (uint64_t)number << 3 | wire);
}

static void add_bytes(struct buf *out, uint32_t number, struct slice bytes)
{
	add_tag(out, number, PB_BYTES);
	pb_varint_add(out, bytes.len);
	buf_add_slice(out, bytes);
}

/* Begins a field of unknown length; where its length stands. */
static size_t begin_field(struct buf *out, uint32_t number)
{
	add_tag(out, number, PB_BYTES);
	size_t at = out->len;
	buf_add(out, "\0\0\0\0", LENGTH_BYTES);
	return at;
}

static void end_field(struct buf *out, size_t at)
{
	if (!buf_ok(out))
		return;
	uint64_t length = out->len - at - LENGTH_BYTES;
	for (int i = 0; i < LENGTH_BYTES; i++, length >>= 7)
		out->ptr[at + (size_t)i] =
			(char)((length & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
}

/* ---- values ---- */

/* The text of a number, or of a string in place of one. */
static int number_text(struct encoder *e, struct json_reader *reader, struct slice *out)
{
	buf_clear(&e->text);
	if (json_read_kind(reader) == JSON_KIND_STRING)
		return json_read_string(reader, &e->text, out);
	if (json_read_kind(reader) != JSON_KIND_NUMBER)
		return bad(e, "a number is expected");
	return json_read_skip(reader, out);
}

/* An integer: 12, "12", -3, 1e3, that a field of this kind can hold. */
static int read_integer(struct encoder *e, struct json_reader *reader, enum otlp_kind kind,
			uint64_t *out)
{
	struct slice text;
	char digits[NUMBER_BYTES_MAX], *end;
	int code = number_text(e, reader, &text);
	if (code)
		return code;
	if (text.len == 0 || text.len >= sizeof(digits))
		return bad(e, "a number is expected");
	memcpy(digits, text.ptr, text.len);
	digits[text.len] = '\0';
	errno = 0;
	bool is_negative = digits[0] == '-';
	*out = is_negative ? (uint64_t)strtoll(digits, &end, 10) : strtoull(digits, &end, 10);
	if (errno == ERANGE)
		return bad(e, "an integer is expected");
	if (*end != '\0' || !(is_negative || (digits[0] >= '0' && digits[0] <= '9'))) {
		double value;
		if (number_parse(text, &value) || value != floor(value) || fabs(value) > 0x1p63)
			return bad(e, "an integer is expected");
		*out = value < 0 ? (uint64_t)(int64_t)value : (uint64_t)value;
	}
	if (is_negative && *out && (kind == OTLP_FIXED64 || kind == OTLP_FIXED32))
		return bad(e, "an integer that is not negative is expected");
	if (!is_negative && *out > INT64_MAX && (kind == OTLP_SFIXED64 || kind == OTLP_INT64))
		return bad(e, "an integer is expected");
	return 0;
}

static int read_double(struct encoder *e, struct json_reader *reader, uint64_t *bits)
{
	struct slice text;
	double value;
	int code = number_text(e, reader, &text);
	if (code)
		return code;
	if (slice_is(text, "Infinity"))
		value = INFINITY;
	else if (slice_is(text, "-Infinity"))
		value = -INFINITY;
	else if (slice_is(text, "NaN"))
		value = number_nan();
	else if (number_parse(text, &value))
		return bad(e, "a number is expected");
	memcpy(bits, &value, sizeof(*bits));
	return 0;
}

static int add_hex(struct encoder *e, uint32_t number, struct slice text)
{
	if (text.len % 2)
		return bad(e, "an id is expected: an even number of hexadecimal digits");
	add_tag(e->out, number, PB_BYTES);
	pb_varint_add(e->out, text.len / 2);
	for (size_t i = 0; i < text.len; i += 2) {
		int high = hex_digit(text.ptr[i]), low = hex_digit(text.ptr[i + 1]);
		if (high < 0 || low < 0)
			return bad(e, "an id is expected: hexadecimal digits");
		buf_add_char(e->out, (char)(high << 4 | low));
	}
	return 0;
}

static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-') /* the alphabet for addresses is taken, too */
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

static int add_base64(struct encoder *e, uint32_t number, struct slice text)
{
	uint32_t bits = 0;
	int have = 0;
	while (text.len > 0 && text.ptr[text.len - 1] == '=')
		text.len--;
	size_t at = begin_field(e->out, number);
	for (size_t i = 0; i < text.len; i++) {
		int digit = base64_digit(text.ptr[i]);
		if (digit < 0)
			return bad(e, "bytes are expected: base64");
		bits = bits << 6 | (uint32_t)digit;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_add_char(e->out, (char)(bits >> have));
		}
	}
	end_field(e->out, at);
	return 0;
}

static int encode_message(struct encoder *e, const struct otlp_message *message,
			  struct json_reader *reader);

static int encode_text(struct encoder *e, const struct otlp_field *field,
		       struct json_reader *reader)
{
	struct slice text;
	buf_clear(&e->text);
	if (json_read_kind(reader) != JSON_KIND_STRING)
		return bad(e, "a string is expected");
	int code = json_read_string(reader, &e->text, &text);
	if (code)
		return code == ERR_INVALID ? bad(e, "a malformed string") : code;
	if (field->kind == OTLP_HEX)
		return add_hex(e, field->number, text);
	if (field->kind == OTLP_BASE64)
		return add_base64(e, field->number, text);
	add_bytes(e->out, field->number, text);
	return 0;
}

static int encode_bool(struct encoder *e, const struct otlp_field *field,
		       struct json_reader *reader)
{
	enum json_kind kind = json_read_kind(reader);
	if (kind != JSON_KIND_TRUE && kind != JSON_KIND_FALSE)
		return bad(e, "true or false is expected");
	add_tag(e->out, field->number, PB_VARINT);
	pb_varint_add(e->out, kind == JSON_KIND_TRUE);
	return json_read_skip(reader, NULL);
}

static int encode_number(struct encoder *e, const struct otlp_field *field,
			 struct json_reader *reader)
{
	uint64_t value;
	int code = field->kind == OTLP_DOUBLE ? read_double(e, reader, &value)
					      : read_integer(e, reader, field->kind, &value);
	if (code)
		return code;
	switch (field->kind) {
	case OTLP_DOUBLE:
	case OTLP_FIXED64:
	case OTLP_SFIXED64:
		add_tag(e->out, field->number, PB_FIXED64);
		buf_add_u64(e->out, value);
		return 0;
	case OTLP_FIXED32:
		add_tag(e->out, field->number, PB_FIXED32);
		buf_add_u32(e->out, (uint32_t)value);
		return 0;
	case OTLP_ZIGZAG:
		value = value << 1 ^ (uint64_t)((int64_t)value >> 63);
		/* fall through */
	default:
		add_tag(e->out, field->number, PB_VARINT);
		pb_varint_add(e->out, value);
		return 0;
	}
}

static int encode_one(struct encoder *e, const struct otlp_field *field, struct json_reader *reader)
{
	switch (field->kind) {
	case OTLP_STRING:
	case OTLP_HEX:
	case OTLP_BASE64:
		return encode_text(e, field, reader);
	case OTLP_BOOL:
		return encode_bool(e, field, reader);
	case OTLP_MESSAGE: {
		size_t at = begin_field(e->out, field->number);
		int code = encode_message(e, field->message, reader);
		end_field(e->out, at);
		return code;
	}
	default:
		return encode_number(e, field, reader);
	}
}

/* Elements of an array, packed or not, make a field each. */
static int encode_field(struct encoder *e, const struct otlp_field *field,
			struct json_reader *reader)
{
	bool first = true;
	int more, code;
	if (json_read_kind(reader) == JSON_KIND_NULL)
		return json_read_skip(reader, NULL);
	if (json_read_kind(reader) != JSON_KIND_ARRAY)
		return encode_one(e, field, reader);
	while ((more = json_read_element(reader, &first)) > 0)
		if ((code = encode_one(e, field, reader)))
			return code;
	return more ? bad(e, "a malformed array") : 0;
}

static const struct otlp_field *field_find(const struct otlp_message *message, struct slice name)
{
	for (size_t i = 0; i < message->n; i++)
		if (slice_is(name, message->fields[i].name))
			return &message->fields[i];
	return NULL;
}

/* Recursion is bounded by OTLP_JSON_DEPTH_MAX. */
static int encode_message(struct encoder *e, const struct otlp_message *message,
			  struct json_reader *reader)
{
	struct slice key;
	bool first = true;
	int more, code = 0;
	if (json_read_kind(reader) != JSON_KIND_OBJECT)
		return bad(e, "an object is expected");
	if (++e->depth > OTLP_JSON_DEPTH_MAX)
		return ERR_LIMIT;
	buf_clear(&e->key);
	while (!code && (more = json_read_member(reader, &first, &e->key, &key)) != 0) {
		if (more < 0)
			return bad(e, "a malformed object");
		const struct otlp_field *field = field_find(message, key);
		code = field ? encode_field(e, field, reader) : json_read_skip(reader, NULL);
		buf_clear(&e->key);
	}
	e->depth--;
	return code;
}

int otlp_json_encode(const struct otlp_message *message, struct slice text, struct buf *out,
		     const char **why)
{
	struct encoder e = { .out = out, .why = "malformed JSON" };
	struct json_reader reader = json_reader_of(text);
	buf_init(&e.key);
	buf_init(&e.text);
	int code = encode_message(&e, message, &reader);
	if (!code && !json_read_is_done(&reader))
		code = bad(&e, "something follows the JSON object");
	if (!code && !buf_ok(out))
		code = ERR_NOMEM;
	if (code == ERR_LIMIT)
		e.why = "JSON nested too deep";
	*why = e.why;
	buf_fini(&e.key);
	buf_fini(&e.text);
	return code;
}
