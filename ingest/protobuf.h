/*
 * Protocol Buffers, the wire format: a walk over the fields of one message, where it stands.
 *
 * Nothing is copied, allocated or recursed into: a field that is itself a message is a slice, to be
 * walked in turn. Each step checks lengths, wire types and varints against the end of the message;
 * after ERR_CORRUPT the walk must not go on. Fields come as they stand: in any order, repeated,
 * absent when zero; unknown ones are the caller's to pass over. Groups, which only old messages
 * have, are skipped here.
 *
 * Source: protobuf.dev, "Encoding".
 */
#ifndef TOCSIN_INGEST_PROTOBUF_H
#define TOCSIN_INGEST_PROTOBUF_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/slice.h"

#define PB_VARINT_BYTES_MAX 10
#define PB_GROUP_DEPTH_MAX 32

enum pb_wire {
	PB_VARINT = 0,
	PB_FIXED64 = 1,
	PB_BYTES = 2, /* strings, bytes, messages, packed scalars */
	PB_GROUP = 3, /* never seen by callers */
	PB_GROUP_END = 4,
	PB_FIXED32 = 5,
};

struct pb_walk {
	const unsigned char *at, *end;
};

struct pb_field {
	uint32_t number;
	enum pb_wire wire;
	uint64_t value;	    /* of PB_VARINT, and the bits of PB_FIXED64 and PB_FIXED32 */
	struct slice bytes; /* the payload as it stands, whatever the wire type */
};

static inline struct pb_walk pb_walk_of(struct slice message)
{
	const unsigned char *at = (const unsigned char *)message.ptr;
	return (struct pb_walk){ at, at ? at + message.len : at };
}

static inline size_t pb_left(const struct pb_walk *walk)
{
	return (size_t)(walk->end - walk->at);
}

/* pb_varint() for three bytes and more, and for whatever is wrong. */
int pb_varint_long(struct pb_walk *walk, uint64_t *value);

/* Inlined even where the compiler would not: the walk is the loop of every sample. */
#define PB_HOT static inline __attribute__((always_inline))

/* 0, or ERR_CORRUPT: cut off, or more than 64 bits. */
PB_HOT int pb_varint(struct pb_walk *walk, uint64_t *value)
{
	const unsigned char *at = walk->at;
	if (at < walk->end && at[0] < 0x80) {
		*value = at[0];
		walk->at = at + 1;
		return 0;
	}
	if (pb_left(walk) >= 2 && at[1] < 0x80) {
		*value = (at[0] & 0x7fu) | (uint64_t)at[1] << 7;
		walk->at = at + 2;
		return 0;
	}
	return pb_varint_long(walk, value);
}

/* 0, or ERR_CORRUPT: cut off. The bits of a double or of a fixed integer. */
static inline int pb_fixed64(struct pb_walk *walk, uint64_t *value)
{
	if (pb_left(walk) < sizeof(*value))
		return ERR_CORRUPT;
	memcpy(value, walk->at, sizeof(*value));
	*value = le64toh(*value);
	walk->at += sizeof(*value);
	return 0;
}

static inline int pb_fixed32(struct pb_walk *walk, uint64_t *value)
{
	uint32_t v;
	if (pb_left(walk) < sizeof(v))
		return ERR_CORRUPT;
	memcpy(&v, walk->at, sizeof(v));
	*value = le32toh(v);
	walk->at += sizeof(v);
	return 0;
}

/* Of sint32 and sint64. */
static inline int64_t pb_zigzag(uint64_t value)
{
	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/*
 * Passes over a group whose opening tag was read. ERR_CORRUPT, also for more than
 * PB_GROUP_DEPTH_MAX levels.
 */
int pb_group_skip(struct pb_walk *walk, uint32_t number);

/* Reads the payload of a field whose number and wire type are known. */
PB_HOT int pb_payload(struct pb_walk *walk, struct pb_field *field)
{
	const unsigned char *start = walk->at;
	int rc;
	switch (field->wire) {
	case PB_VARINT:
		rc = pb_varint(walk, &field->value);
		break;
	case PB_FIXED64:
		rc = pb_fixed64(walk, &field->value);
		break;
	case PB_FIXED32:
		rc = pb_fixed32(walk, &field->value);
		break;
	case PB_BYTES:
		rc = pb_varint(walk, &field->value);
		if (rc < 0 || field->value > pb_left(walk))
			return ERR_CORRUPT;
		start = walk->at;
		walk->at += field->value;
		break;
	case PB_GROUP:
	case PB_GROUP_END:
	default:
		return ERR_CORRUPT;
	}
	field->bytes = (struct slice){ (const char *)start, (size_t)(walk->at - start) };
	return rc;
}

/* ---- writing ---- */

struct buf;
void pb_varint_add(struct buf *out, uint64_t value);
/* Fields. */
void pb_number_add(struct buf *out, uint32_t field, uint64_t value); /* a varint */
void pb_bytes_add(struct buf *out, uint32_t field, struct slice bytes);
/* The message under construction, as a field of another one; empty after. */
void pb_message_add(struct buf *out, uint32_t field, struct buf *message);

/* ---- reading on ---- */

/* The next field: 1; at the end of the message: 0; or ERR_CORRUPT. */
PB_HOT int pb_next(struct pb_walk *walk, struct pb_field *field)
{
	while (walk->at < walk->end) {
		uint64_t tag;
		if (pb_varint(walk, &tag) < 0 || tag > UINT32_MAX || tag >> 3 == 0)
			return ERR_CORRUPT;
		field->number = (uint32_t)(tag >> 3);
		field->wire = (enum pb_wire)(tag & 7);
		if (__builtin_expect(field->wire != PB_GROUP, 1))
			return pb_payload(walk, field) < 0 ? ERR_CORRUPT : 1;
		if (pb_group_skip(walk, field->number) < 0)
			return ERR_CORRUPT;
	}
	return 0;
}

/*
 * The elements of a repeated scalar field, packed or not: the caller reads them off the walk with
 * pb_varint() or pb_fixed64() until pb_left() is 0. ERR_CORRUPT when the field is neither packed
 * nor of the wire type `element`.
 */
static inline int pb_elements(const struct pb_field *field, enum pb_wire element,
			      struct pb_walk *out)
{
	if (field->wire != PB_BYTES && field->wire != element)
		return ERR_CORRUPT;
	*out = pb_walk_of(field->bytes);
	return 0;
}

#endif
