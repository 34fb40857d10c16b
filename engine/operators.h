/* The arithmetic and comparison operators on numbers. Private to engine/. */
#ifndef TOCSIN_ENGINE_OPERATORS_H
#define TOCSIN_ENGINE_OPERATORS_H

#include <math.h>

#include "rules/ast.h"

/* IEEE 754; % as C's fmod(), ^ as pow(). Not for comparisons. */
static inline double operator_compute(enum binary_op op, double a, double b)
{
	switch (op) {
	case OP_ADD:
		return a + b;
	case OP_SUB:
		return a - b;
	case OP_MUL:
		return a * b;
	case OP_DIV:
		return a / b;
	case OP_DIV_OR_NAN:
		return b == 0 ? NAN : a / b;
	case OP_MOD:
		return fmod(a, b);
	case OP_POW:
		return pow(a, b);
	case OP_ATAN2:
		return atan2(a, b);
	default:
		return NAN;
	}
}

/* Only for comparisons. */
static inline bool operator_holds(enum binary_op op, double a, double b)
{
	switch (op) {
	case OP_EQ:
		return a == b;
	case OP_NE:
		return a != b;
	case OP_GT:
		return a > b;
	case OP_LT:
		return a < b;
	case OP_GE:
		return a >= b;
	case OP_LE:
		return a <= b;
	default:
		return false;
	}
}

#endif
