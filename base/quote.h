/*
 * String literals as Go writes and reads them: labels, selectors and matchers are shown and parsed
 * in this form.
 */
#ifndef TOCSIN_BASE_QUOTE_H
#define TOCSIN_BASE_QUOTE_H

#include "base/buf.h"
#include "base/slice.h"

/*
 * strconv.Quote: double quotes; \a \b \f \n \r \t \v \\ \"; \xHH for bytes that are no UTF-8,
 * \uXXXX and \UXXXXXXXX for characters that do not print.
 */
void text_quote(struct slice text, struct buf *out);
/*
 * Double quotes around it, as another language writes them: all but printing ASCII without quotes
 * and backslashes goes through `escape`, a character at a time (RUNE_ERROR: a byte that is no
 * UTF-8).
 */
void text_quote_by(struct slice text,
		   void (*escape)(struct slice bytes, uint32_t rune, struct buf *out),
		   struct buf *out);
/*
 * The inverse, for the inside of a literal (without its quotes): appends the text that `inside`
 * stands for. `quote` is the character around it: only that one may be escaped, and it and a
 * newline may not stand bare. ERR_INVALID with *at, the offset of the fault; nothing is then
 * appended.
 */
int text_unquote(struct slice inside, char quote, struct buf *out, size_t *at);

/* Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols and the ASCII space. */
bool rune_is_print(uint32_t rune);
/* A letter or a decimal digit of any script. */
bool rune_is_alnum(uint32_t rune);

#endif
