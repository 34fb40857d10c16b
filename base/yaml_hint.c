#include "base/yaml_hint.h"

#include "base/yaml_fault.h"

void yaml_hint_block(struct slice key, struct buf *out)
{
	bool expression = slice_is(key, "expr");
	buf_printf(out, "put the %s in a block: " SLICE_FMT ": |",
		   expression ? "expression" : "text", SLICE_ARG(key));
}

static bool is_open(struct slice value)
{
	int depth = 0;
	for (size_t i = 0; i < value.len; i++)
		depth = yaml_depth_add(depth, value.ptr[i]);
	return depth > 0;
}

void yaml_hint_syntax(struct slice text, const struct yaml_error *error, struct buf *out)
{
	struct yaml_fault fault = yaml_fault_find(text, error);
	switch (fault.kind) {
	case FAULT_UNKNOWN:
		return;
	case FAULT_TAB:
		buf_add_str(out, "indent with spaces: YAML does not allow tabs there");
		return;
	case FAULT_COLUMN:
		buf_add_str(out, "look at the indentation: the keys of a mapping stand in one "
				 "column, all that belongs to a key stands deeper");
		return;
	case FAULT_BLOCK:
		buf_add_str(out, "the lines of a block stand deeper than its key");
		return;
	case FAULT_FLOW:
		if (is_open(fault.value))
			buf_add_str(out, "close each { with a }; ");
		buf_add_str(out, "inside of {…} YAML takes { } [ ] and , for its own; give each "
				 "key a line, and put its text in a block: |");
		return;
	case FAULT_VALUE:
		buf_printf(out, "YAML takes a leading %c for %s; ", fault.value.ptr[0],
			   yaml_meaning_of(fault.value));
		break;
	case FAULT_COLON:
		buf_add_str(out, "YAML takes \": \" for the end of a key; ");
		break;
	}
	if (fault.key.len == 0)
		buf_add_str(out, "put the text in quotes");
	else
		yaml_hint_block(fault.key, out);
	if (fault.value.ptr[0] == '[' && !slice_is(fault.key, "expr")) /* which is never one */
		buf_add_str(out, is_open(fault.value) ? "; if it is a list, close it with a ]"
						      : "; if it is a list, quote its entries");
}
