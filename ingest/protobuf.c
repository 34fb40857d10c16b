#include "ingest/protobuf.h"

#include "base/buf.h"

int pb_varint_long(struct pb_walk *walk, uint64_t *value)
{
	const unsigned char *at = walk->at;
	uint64_t v = 0;
	size_t n = pb_left(walk) < PB_VARINT_BYTES_MAX ? pb_left(walk) : PB_VARINT_BYTES_MAX;
	for (size_t i = 0; i < n; i++) {
		v |= (uint64_t)(at[i] & 0x7f) << (7 * i);
		if (at[i] >= 0x80)
			continue;
		/* The tenth byte has room for one bit. */
		if (i == PB_VARINT_BYTES_MAX - 1 && at[i] > 1)
			return ERR_CORRUPT;
		walk->at = at + i + 1;
		*value = v;
		return 0;
	}
	return ERR_CORRUPT;
}

int pb_group_skip(struct pb_walk *walk, uint32_t number)
{
	uint32_t open[PB_GROUP_DEPTH_MAX];
	size_t depth = 0;
	open[depth++] = number;
	while (depth > 0) {
		struct pb_field field;
		uint64_t tag;
		if (pb_varint(walk, &tag) < 0 || tag > UINT32_MAX || tag >> 3 == 0)
			return ERR_CORRUPT;
		field.number = (uint32_t)(tag >> 3);
		field.wire = (enum pb_wire)(tag & 7);
		if (field.wire == PB_GROUP_END) {
			if (open[--depth] != field.number)
				return ERR_CORRUPT;
		} else if (field.wire == PB_GROUP) {
			if (depth == PB_GROUP_DEPTH_MAX)
				return ERR_CORRUPT;
			open[depth++] = field.number;
		} else if (pb_payload(walk, &field) < 0) {
			return ERR_CORRUPT;
		}
	}
	return 0;
}

void pb_varint_add(struct buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		buf_add_char(out, (char)(value | 0x80));
	buf_add_char(out, (char)value);
}

void pb_number_add(struct buf *out, uint32_t field, uint64_t value)
{
	pb_varint_add(out, field << 3 | PB_VARINT);
	pb_varint_add(out, value);
}

void pb_bytes_add(struct buf *out, uint32_t field, struct slice bytes)
{
	pb_varint_add(out, field << 3 | PB_BYTES);
	pb_varint_add(out, bytes.len);
	buf_add_slice(out, bytes);
}

void pb_message_add(struct buf *out, uint32_t field, struct buf *message)
{
	pb_bytes_add(out, field, buf_slice(message));
	out->failed |= message->failed;
	buf_clear(message);
}
