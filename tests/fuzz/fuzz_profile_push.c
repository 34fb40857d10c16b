/*
 * Requests with profiles from anybody: the first byte says by which way; refused with a reason, or
 * each profile in it has labels. The parameters of /ingest stand before the first line end.
 */
#include <stdlib.h>

#include "base/error.h"
#include "ingest/otlp_profiles.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hash_key key;

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int on_push(void *ctx, const struct profile_push *push)
{
	labels_check(push->labels);
	must(push->from_ns >= 0 && push->until_ns >= 0);
	return 0;
}

static int on_profile(void *ctx, struct profile *profile, const struct profile_push *push,
		      const char **why)
{
	labels_check(push->labels);
	profile_check(profile);
	return 0;
}

static int read_ingest(struct slice text, bool is_form, const char **why)
{
	ptrdiff_t end = slice_find(text, '\n');
	struct slice head = { text.ptr, end < 0 ? text.len : (size_t)end };
	char *name = slice_dup(head);
	struct profile_ingest_params params = {
		.name = name,
		.content_type = is_form ? SLICE("multipart/form-data; boundary=XX") : SLICE("")
	};
	struct slice body = { text.ptr + head.len, text.len - head.len };
	int code = profile_ingest_read(&params, body, on_push, NULL, why);

	free(name);
	return code;
}

static void read_otlp(struct slice text, bool json)
{
	struct otlp_decoder *decoder = otlp_decoder_new(&key);
	struct profile *scratch = profile_new(&key);
	struct otlp_request request = { .signal = OTLP_PROFILES,
					.content_type = json ? SLICE("application/json")
							     : SLICE("application/x-protobuf"),
					.body = text };
	struct otlp_result result;
	struct slice message;
	int status = otlp_open(decoder, &request, &result, &message);

	if (status == 0) {
		char *copy = slice_dup(message);

		status = otlp_profiles(decoder, (struct slice){ copy, message.len }, scratch,
				       on_profile, NULL, &result);
		free(copy);
	}
	must(status == 0 || ((status == 400 || status == 413) && result.error[0]));
	otlp_decoder_free(decoder);
	profile_free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data + 1, size - 1 };
	const char *why = NULL;
	int code = 0;

	if (size == 0)
		return 0;
	hash_key_derive(&key, "fuzz", 4);
	switch (data[0] % 6) {
	case 0:
	case 1:
		code = read_ingest(text, data[0] % 6 == 1, &why);
		break;
	case 2:
		code = profile_push_read(text, on_push, NULL, &why);
		break;
	case 3:
		code = profile_push_json_read(text, on_push, NULL, &why);
		break;
	default:
		read_otlp(text, data[0] % 6 == 4);
		break;
	}
	must(code == 0 || why);
	return 0;
}
