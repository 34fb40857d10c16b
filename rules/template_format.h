/*
 * Values of templates as text, as Go's package fmt writes them, in four files: template_printf.c
 * (the format and what it takes), template_format.c (values of any type), template_format_number.c,
 * template_format_text.c.
 */
#ifndef TOCSIN_RULES_TEMPLATE_FORMAT_H
#define TOCSIN_RULES_TEMPLATE_FORMAT_H

#include "rules/template_value.h"

/* What stands between the percent sign and the verb. */
struct template_spec {
	bool plus, minus, sharp, space, zero;
	bool syntax;	      /* %#v: as it stands in a program */
	bool names;	      /* %+v: fields with their names */
	int width, precision; /* -1: none */
};

extern const struct template_spec template_plain_spec;

/* What a width is filled with, when the flag asks for zeros. */
enum template_padding { PAD_BLANKS, PAD_ZEROS, PAD_BEHIND_SIGN };

/* A value of any type. */
void template_format(struct buf *out, const struct template_spec *spec,
		     const struct template_value *value, char verb);
/* One that the verb does not fit: %!d(string=x). */
void template_bad_verb(struct buf *out, const struct template_spec *spec,
		       const struct template_value *value, char verb);
void template_format_float(struct buf *out, const struct template_spec *spec,
			   const struct template_value *value, char verb);
void template_format_int(struct buf *out, const struct template_spec *spec,
			 const struct template_value *value, char verb);
/* The value as text; value itself is for complaints. */
void template_format_text(struct buf *out, const struct template_spec *spec,
			  const struct template_value *value, struct slice text, char verb);
/* The text, filled up to the width. */
void template_pad(struct buf *out, const struct template_spec *spec, struct slice text,
		  enum template_padding zeros);
/* n times the character. */
void template_fill(struct buf *out, char c, size_t n);

#endif
