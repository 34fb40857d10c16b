#include "rules/fold.h"

#include <assert.h>
#include <math.h>

#include "base/text.h"

double fold_canonical(double number)
{
	return isnan(number) ? number_nan() : number;
}

double fold_binary(enum binary_op op, double left, double right)
{
	switch (op) {
	case OP_ADD:
		return left + right;
	case OP_SUB:
		return left - right;
	case OP_MUL:
		return left * right;
	case OP_DIV:
		return left / right;
	case OP_DIV_OR_NAN:
		return right == 0 ? NAN : left / right;
	case OP_MOD:
		return fmod(left, right);
	case OP_POW:
		return pow(left, right);
	case OP_ATAN2:
		return atan2(left, right);
	case OP_TRIM_UPPER:
	case OP_TRIM_LOWER:
		return NAN; /* numbers have no buckets */
	case OP_EQ:
		return left == right;
	case OP_NE:
		return left != right;
	case OP_GT:
		return left > right;
	case OP_LT:
		return left < right;
	case OP_GE:
		return left >= right;
	case OP_LE:
		return left <= right;
	case OP_AND:
	case OP_OR:
	case OP_UNLESS:
	case BINARY_OP_COUNT:
		break;
	}
	assert(!"a set operator takes vectors");
	return 0;
}
