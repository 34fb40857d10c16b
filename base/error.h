/*
 * Error codes, one list for all of Tocsin.
 *
 * Functions return 0 or one of these negative codes and write their outputs only on success.
 * What a person should read travels apart, in a diagnostic (diag.h).
 */
#ifndef TOCSIN_BASE_ERROR_H
#define TOCSIN_BASE_ERROR_H

#define ERROR_LIST(X)                                                                              \
	X(ERR_NOMEM, 1, "out of memory")                                                           \
	X(ERR_INVALID, 2, "invalid input")                                                         \
	X(ERR_LIMIT, 3, "a limit was exceeded")                                                    \
	X(ERR_FULL, 4, "queue full")                                                               \
	X(ERR_IO, 5, "input/output error")                                                         \
	X(ERR_CORRUPT, 6, "corrupt data")                                                          \
	X(ERR_NOT_FOUND, 7, "not found")                                                           \
	X(ERR_CONFLICT, 8, "conflict")                                                             \
	X(ERR_UNSUPPORTED, 9, "not supported")                                                     \
	X(ERR_AGAIN, 10, "not yet complete")                                                       \
	X(ERR_EVAL, 11, "evaluation failed")                                                       \
	X(ERR_TIMEOUT, 12, "timed out")                                                            \
	X(ERR_CANCELED, 13, "canceled")

enum error_code {
#define X(name, number, text) name = -(number),
	ERROR_LIST(X)
#undef X
};

/* The text of a code; "success" for 0. Never NULL, static storage. */
const char *error_text(int code);

#endif
