/* Functions of templates: texts made safe for HTML, scripts and URLs. */
#include "rules/template_functions.h"

#include <string.h>

/* The text that html, js and urlquery escape. */
static void escapable(const struct template_call *call, struct buf *text)
{
	if (call->nargs == 1)
		template_value_print(&call->args[0], text);
	else
		template_sprint(call->args, call->nargs, text);
}

static void html_escape(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		switch (text.ptr[i]) {
		case '"':
			buf_add_str(out, "&#34;");
			break;
		case '\'':
			buf_add_str(out, "&#39;");
			break;
		case '&':
			buf_add_str(out, "&amp;");
			break;
		case '<':
			buf_add_str(out, "&lt;");
			break;
		case '>':
			buf_add_str(out, "&gt;");
			break;
		case '\0':
			buf_add_str(out, "\xef\xbf\xbd");
			break;
		default:
			buf_add_char(out, text.ptr[i]);
		}
	}
}

static void js_escape(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c == '\\' || c == '\'' || c == '"') {
			buf_add_char(out, '\\');
			buf_add_char(out, (char)c);
		} else if (c < ' ' || c == '<' || c == '>' || c == '&' || c == '=') {
			buf_printf(out, "\\u%04X", c);
		} else {
			buf_add_char(out, (char)c);
		}
	}
}

void template_query_escape(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			     (c >= 'A' && c <= 'Z') || (c && strchr("-_.~", c));
		if (plain)
			buf_add_char(out, (char)c);
		else if (c == ' ')
			buf_add_char(out, '+');
		else
			buf_printf(out, "%%%02X", c);
	}
}

static int escape(struct template_call *call, void (*fn)(struct slice text, struct buf *out),
		  struct template_value *out)
{
	struct buf text, escaped;
	buf_init(&text);
	buf_init(&escaped);
	escapable(call, &text);
	fn(buf_slice(&text), &escaped);
	escaped.failed = escaped.failed || !buf_ok(&text);
	buf_fini(&text);
	return template_give(call, &escaped, out);
}

int fn_html(struct template_call *call, struct template_value *out)
{
	return escape(call, html_escape, out);
}

int fn_js(struct template_call *call, struct template_value *out)
{
	return escape(call, js_escape, out);
}

int fn_urlquery(struct template_call *call, struct template_value *out)
{
	return escape(call, template_query_escape, out);
}

int fn_url_query_escape(struct template_call *call, struct template_value *out)
{
	return escape(call, template_query_escape, out);
}
