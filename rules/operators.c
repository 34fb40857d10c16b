#include <assert.h>

#include "rules/operators.h"

static const struct {
	const char *text;
	unsigned precedence;
	enum operator_kind kind;
} operators[BINARY_OP_COUNT] = {
#define OPERATOR(id, text, token, precedence, kind) [id] = { text, precedence, kind },
#define OPERATOR_OF_LOGQL(id, text, precedence, kind) [id] = { text, precedence, kind },
#include "rules/operators.def"
#undef OPERATOR_OF_LOGQL
#undef OPERATOR
};

static const struct {
	const char *text;
	char param;
} aggregations[AGGREGATE_OP_COUNT] = {
#define AGGREGATION(id, text, token, parameter) [id] = { text, parameter },
#include "rules/operators.def"
#undef AGGREGATION
};

const char *binary_op_text(enum binary_op op)
{
	assert(op < BINARY_OP_COUNT);
	return operators[op].text;
}

unsigned binary_op_precedence(enum binary_op op)
{
	assert(op < BINARY_OP_COUNT);
	return operators[op].precedence;
}

bool binary_op_is_comparison(enum binary_op op)
{
	assert(op < BINARY_OP_COUNT);
	return operators[op].kind == OPERATOR_COMPARISON;
}

bool binary_op_is_trim(enum binary_op op)
{
	assert(op < BINARY_OP_COUNT);
	return operators[op].kind == OPERATOR_TRIM;
}

bool binary_op_is_set(enum binary_op op)
{
	assert(op < BINARY_OP_COUNT);
	return operators[op].kind == OPERATOR_SET;
}

const char *aggregate_op_text(enum aggregate_op op)
{
	assert(op < AGGREGATE_OP_COUNT);
	return aggregations[op].text;
}

bool aggregate_op_has_param(enum aggregate_op op)
{
	assert(op < AGGREGATE_OP_COUNT);
	return aggregations[op].param != 0;
}

enum value_type aggregate_op_param(enum aggregate_op op)
{
	assert(op < AGGREGATE_OP_COUNT);
	return aggregations[op].param == 's'   ? VALUE_SCALAR
	       : aggregations[op].param == 't' ? VALUE_STRING
					       : VALUE_NONE;
}

bool binary_op_from_token(enum token_kind token, enum binary_op *op)
{
	switch (token) {
#define OPERATOR(id, text, token, precedence, kind)                                                \
	case token:                                                                                \
		*op = id;                                                                          \
		return true;
#include "rules/operators.def"
#undef OPERATOR
	default:
		return false;
	}
}

bool aggregate_op_from_token(enum token_kind token, enum aggregate_op *op)
{
	switch (token) {
#define AGGREGATION(id, text, token, parameter)                                                    \
	case token:                                                                                \
		*op = id;                                                                          \
		return true;
#include "rules/operators.def"
#undef AGGREGATION
	default:
		return false;
	}
}

const char *value_type_text(enum value_type type)
{
	switch (type) {
	case VALUE_SCALAR:
		return "scalar";
	case VALUE_STRING:
		return "string";
	case VALUE_VECTOR:
		return "instant vector";
	case VALUE_MATRIX:
		return "range vector";
	case VALUE_LOG_RANGE:
		return "log range";
	case VALUE_UNWRAPPED_RANGE:
		return "unwrapped range";
	case VALUE_NONE:
		break;
	}
	return "none";
}
