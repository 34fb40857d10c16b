/*
 * Reading JSON where it stands, value by value, without a tree: for bodies that are large, foreign
 * and read once. The memory it takes does not depend on the text, but for strings with escapes,
 * which are unescaped into a buffer of the caller's.
 *
 * RFC 8259, strictly; but strings may hold bytes that are no UTF-8 (logs do), which are passed on.
 * After an error the reader must not be used any more. json_read_skip() with a reader that is only
 * used for it is the way to know beforehand that a text is well-formed.
 */
#ifndef TOCSIN_BASE_JSON_READER_H
#define TOCSIN_BASE_JSON_READER_H

#include <stdint.h>

#include "base/buf.h"

#define JSON_READ_DEPTH_MAX 256 /* objects and arrays in each other, where they are skipped */

enum json_kind {
	JSON_KIND_NONE, /* the end, or no value begins here */
	JSON_KIND_OBJECT,
	JSON_KIND_ARRAY,
	JSON_KIND_STRING,
	JSON_KIND_NUMBER,
	JSON_KIND_TRUE,
	JSON_KIND_FALSE,
	JSON_KIND_NULL,
};

struct json_reader {
	const char *at, *end;
};

struct json_reader json_reader_of(struct slice text);
/* What the next value is, by its first character; passes over white space only. */
enum json_kind json_read_kind(struct json_reader *reader);
/*
 * Passes over the next value, checking it whole; *raw (may be NULL) is its text. ERR_INVALID;
 * ERR_LIMIT: nested too deep.
 */
int json_read_skip(struct json_reader *reader, struct slice *raw);
/*
 * The next value, a string. Without escapes *out is a slice of the text; else it stands in
 * `unescaped`, to which it is appended, and is good until that changes (a lone surrogate becomes
 * U+FFFD). ERR_INVALID: no string, or a malformed one; ERR_NOMEM.
 */
int json_read_string(struct json_reader *reader, struct buf *unescaped, struct slice *out);
/*
 * The members of an object, the elements of an array: *first is true before the first call, which
 * takes the bracket. 1: a member, its value comes next, *key as from json_read_string() / an
 * element comes next; 0: the closing bracket was taken; or an error.
 */
int json_read_member(struct json_reader *reader, bool *first, struct buf *unescaped,
		     struct slice *key);
int json_read_element(struct json_reader *reader, bool *first);
/* Only white space left? */
bool json_read_is_done(struct json_reader *reader);

#endif
