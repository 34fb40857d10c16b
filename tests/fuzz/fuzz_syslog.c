/*
 * A stream of syslog messages from anybody: frames use up the bytes and nothing else, a message has
 * only fields that may be labels, and text that stands in it.
 */
#include <stdlib.h>

#include "ingest/syslog.h"

#define NOW_MS 1795700000000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void parse(struct slice bytes)
{
	static struct syslog_message message;
	static struct buf texts;

	must(syslog_parse(bytes, NOW_MS, &texts, &message) == 0);
	must(message.facility < 24 && message.severity < 8);
	must(message.hostname.len <= SYSLOG_HOSTNAME_MAX && slice_is_utf8(message.hostname));
	must(message.app_name.len <= SYSLOG_APP_NAME_MAX && slice_is_utf8(message.app_name));
	must(message.proc_id.len <= SYSLOG_PROC_ID_MAX && slice_is_utf8(message.proc_id));
	must(message.msg_id.len <= SYSLOG_MSG_ID_MAX && slice_is_utf8(message.msg_id));
	must(message.nparams <= SYSLOG_PARAMS_MAX);
	for (size_t i = 0; i < message.nparams; i++)
		must(label_name_is_legacy(message.params[i].name) &&
		     slice_is_utf8(message.params[i].value));
	must(message.text.len == 0 ||
	     (message.text.ptr >= bytes.ptr &&
	      message.text.ptr + message.text.len <= bytes.ptr + bytes.len));
}

/* What is left when the stream ends is a message, too. */
static void walk(struct slice bytes, bool ended)
{
	struct syslog_frame frame;

	while (bytes.len && syslog_frame_next(bytes, ended, &frame)) {
		must(frame.used > 0 && frame.used <= bytes.len);
		must(frame.message.len <= SYSLOG_MESSAGE_MAX);
		must(frame.message.ptr >= bytes.ptr &&
		     frame.message.ptr + frame.message.len <= bytes.ptr + frame.used);
		parse(frame.message);
		bytes.ptr += frame.used;
		bytes.len -= frame.used;
	}
	must(bytes.len == 0 || !ended || frame.used == bytes.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice bytes = { (const char *)data, size };

	parse(bytes);
	walk(bytes, false);
	walk(bytes, true);
	return 0;
}
