/* Arithmetic of constants, as IEEE 754 and PromQL have it. Inside of rules/. */
#ifndef TOCSIN_RULES_FOLD_H
#define TOCSIN_RULES_FOLD_H

#include "rules/ast.h"

/*
 * A comparison gives 0 or 1: constants are compared with bool only. Set operators have no
 * constants.
 */
double fold_binary(enum binary_op op, double left, double right);
/* Any NaN becomes the one of Prometheus, so that no constant is ever taken for a stale marker. */
double fold_canonical(double number);

#endif
