/* The tables of operators.def: what the parser asks of an operator. The rest is in ast.h. */
#ifndef TOCSIN_RULES_OPERATORS_H
#define TOCSIN_RULES_OPERATORS_H

#include "rules/ast.h"
#include "rules/lexer.h"

enum operator_kind { OPERATOR_ARITHMETIC, OPERATOR_COMPARISON, OPERATOR_TRIM, OPERATOR_SET };

#define PRECEDENCE_MIN 1 /* or */
#define PRECEDENCE_POW 6 /* what binds tighter than a sign */

unsigned binary_op_precedence(enum binary_op op);
bool binary_op_from_token(enum token_kind token, enum binary_op *op);
bool aggregate_op_from_token(enum token_kind token, enum aggregate_op *op);

#endif
