#include "ingest/profile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/error.h"

#define SLOTS_MIN 256u
#define NAME_BUF (PROFILE_NAME_MAX + 8)
#define ADDRESS_FILE_MAX 128 /* bytes of the file in the name of a frame without symbol */

struct profile *profile_new(const struct hash_key *key)
{
	struct profile *profile = calloc(1, sizeof(*profile));

	if (!profile)
		return NULL;
	profile->key = key;
	arena_init(&profile->arena, 0);
	return profile;
}

void profile_free(struct profile *profile)
{
	if (!profile)
		return;
	arena_fini(&profile->arena);
	free(profile->functions);
	free(profile->samples);
	free(profile->values);
	free(profile->frames);
	free(profile->slots);
	free(profile);
}

void profile_clear(struct profile *profile)
{
	struct profile kept = { .key = profile->key,
				.arena = profile->arena,
				.functions = profile->functions,
				.functions_cap = profile->functions_cap,
				.frames = profile->frames,
				.frames_cap = profile->frames_cap,
				.slots = profile->slots,
				.slots_cap = profile->slots_cap };

	/* The room for values depends on the number of types. */
	free(profile->samples);
	free(profile->values);
	arena_clear(&kept.arena);
	if (kept.slots)
		memset(kept.slots, 0, kept.slots_cap * sizeof(*kept.slots));
	*profile = kept;
}

int profile_text(struct profile *profile, struct slice text, struct slice *out)
{
	struct slice copy = arena_slice(&profile->arena, text);

	if (text.len && !copy.ptr)
		return ERR_NOMEM;
	*out = copy;
	return 0;
}

/* ---- sample types ---- */

int profile_type_add(struct profile *profile, struct slice type, struct slice unit)
{
	struct profile_type copy;

	assert(profile->nsamples == 0);
	if (profile->ntypes == PROFILE_TYPES_MAX)
		return ERR_LIMIT;
	if (profile_text(profile, type, &copy.type) || profile_text(profile, unit, &copy.unit))
		return ERR_NOMEM;
	profile->types[profile->ntypes++] = copy;
	return 0;
}

uint32_t profile_type_find(const struct profile *profile, const char *type)
{
	for (uint32_t i = 0; i < profile->ntypes; i++)
		if (slice_is(profile->types[i].type, type))
			return i;
	return PROFILE_NONE;
}

double profile_sum(const struct profile *profile, uint32_t type)
{
	double sum = 0;

	for (uint32_t i = 0; i < profile->nsamples; i++)
		sum += profile_value(profile, i, type);
	return sum;
}

/* ---- functions ---- */

/* Behind the bracket that closes the one at the beginning; 0 when none does. */
static size_t bracket_end(struct slice text)
{
	size_t depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		depth += text.ptr[i] == '[';
		depth -= text.ptr[i] == ']';
		if (depth == 0)
			return i + 1;
	}
	return 0;
}

/* What is written in place of the beginning of `rest`, and how much of it that replaces: 0 none. */
static size_t replaced(struct slice rest, struct slice *with)
{
	static const struct slice shape = { "[go.shape.", 10 }, lambda = { "$$Lambda", 8 };

	if (slice_has_prefix(rest, shape)) {
		*with = SLICE("[...]");
		return bracket_end(rest);
	}
	if (slice_has_prefix(rest, lambda)) {
		size_t n = lambda.len;

		while (n < rest.len && rest.ptr[n] != '.')
			n++;
		*with = lambda;
		return n;
	}
	return 0;
}

static bool is_fit(struct slice name)
{
	return name.len > 0 && name.len <= PROFILE_NAME_MAX && slice_is_utf8(name) &&
	       !memmem(name.ptr, name.len, "[go.shape.", 10) &&
	       !memmem(name.ptr, name.len, "$$Lambda", 8);
}

/* The name made fit for a label, in `out` of NAME_BUF bytes. */
static struct slice name_clean(struct slice name, char *out)
{
	size_t len = 0;

	while (name.len > 0 && len < PROFILE_NAME_MAX) {
		struct slice with;
		size_t n = replaced(name, &with);
		uint32_t rune;
		char encoded[4];

		if (n == 0) {
			n = slice_rune(name, &rune);
			with = (struct slice){ encoded, rune_encode(rune, encoded) };
		}
		if (len + with.len > PROFILE_NAME_MAX)
			break;
		memcpy(out + len, with.ptr, with.len);
		len += with.len;
		name.ptr += n;
		name.len -= n;
	}
	return len ? (struct slice){ out, len } : SLICE("?");
}

static uint32_t *slot_of(const struct profile *profile, struct slice name, uint64_t hash)
{
	for (uint32_t at = (uint32_t)hash;; at++) {
		uint32_t *slot = &profile->slots[at & (profile->slots_cap - 1)];

		if (*slot == 0)
			return slot;
		const struct profile_function *function = &profile->functions[*slot - 1];

		if (function->hash == hash && slice_is_equal(function->name, name))
			return slot;
	}
}

/* Room for one more; the table is at most half full. */
static int functions_grow(struct profile *profile)
{
	if (profile->nfunctions == PROFILE_FUNCTIONS_MAX)
		return ERR_LIMIT;
	if (profile->nfunctions < profile->slots_cap / 2)
		return 0;
	uint32_t cap = profile->slots_cap ? 2 * profile->slots_cap : SLOTS_MIN;
	struct profile_function *functions =
		reallocarray(profile->functions, cap / 2, sizeof(*functions));

	if (!functions)
		return ERR_NOMEM;
	profile->functions = functions;
	uint32_t *slots = calloc(cap, sizeof(*slots));

	if (!slots)
		return ERR_NOMEM;
	free(profile->slots);
	profile->slots = slots;
	profile->slots_cap = cap;
	for (uint32_t i = 0; i < profile->nfunctions; i++)
		*slot_of(profile, functions[i].name, functions[i].hash) = i + 1;
	return 0;
}

int profile_function_add(struct profile *profile, struct slice name, uint32_t *out)
{
	char clean[NAME_BUF];
	int code = functions_grow(profile);

	if (!is_fit(name))
		name = name_clean(name, clean);
	uint64_t hash = hash_keyed64(profile->key, name.ptr, name.len);

	if (profile->slots_cap) {
		uint32_t *slot = slot_of(profile, name, hash);

		if (*slot) {
			*out = *slot - 1;
			return 0;
		}
	}
	struct profile_function fresh = { .hash = hash };

	if (code || (code = profile_text(profile, name, &fresh.name)))
		return code;
	*out = profile->nfunctions;
	profile->functions[profile->nfunctions++] = fresh;
	*slot_of(profile, fresh.name, hash) = profile->nfunctions;
	return 0;
}

int profile_address_add(struct profile *profile, struct slice file, uint64_t offset, uint32_t *out)
{
	const char *slash = file.len ? memrchr(file.ptr, '/', file.len) : NULL;
	char name[ADDRESS_FILE_MAX + 24];

	if (slash)
		file = (struct slice){ slash + 1, (size_t)(file.ptr + file.len - (slash + 1)) };
	if (file.len > ADDRESS_FILE_MAX)
		file.len = ADDRESS_FILE_MAX;
	snprintf(name, sizeof(name), SLICE_FMT "%s0x%llx", SLICE_ARG(file), file.len ? "+" : "",
		 (unsigned long long)offset);
	return profile_function_add(profile, slice_from(name), out);
}

uint32_t profile_function_find(const struct profile *profile, struct slice name)
{
	if (!profile->slots_cap)
		return PROFILE_NONE;
	uint64_t hash = hash_keyed64(profile->key, name.ptr, name.len);

	return *slot_of(profile, name, hash) - 1; /* an empty slot is 0: PROFILE_NONE */
}

/* ---- samples ---- */

static int samples_grow(struct profile *profile)
{
	uint32_t cap = profile->samples_cap ? 2 * profile->samples_cap : 256;
	struct profile_sample *samples = reallocarray(profile->samples, cap, sizeof(*samples));

	if (!samples)
		return ERR_NOMEM;
	profile->samples = samples;
	double *values =
		reallocarray(profile->values, (size_t)cap * profile->ntypes, sizeof(*values));

	if (!values)
		return ERR_NOMEM;
	profile->values = values;
	profile->samples_cap = cap;
	return 0;
}

int profile_sample_add(struct profile *profile, double **values)
{
	assert(profile->ntypes > 0);
	if (profile->nsamples == PROFILE_SAMPLES_MAX)
		return ERR_LIMIT;
	if (profile->nsamples == profile->samples_cap && samples_grow(profile))
		return ERR_NOMEM;
	profile->samples[profile->nsamples] = (struct profile_sample){ profile->nframes, 0 };
	*values = &profile->values[(size_t)profile->nsamples * profile->ntypes];
	memset(*values, 0, profile->ntypes * sizeof(**values));
	profile->nsamples++;
	return 0;
}

int profile_frame_add(struct profile *profile, uint32_t function)
{
	struct profile_sample *sample = &profile->samples[profile->nsamples - 1];

	assert(profile->nsamples > 0 && function < profile->nfunctions);
	if (sample->nframes == PROFILE_DEPTH_MAX)
		return 1;
	if (profile->nframes == PROFILE_FRAMES_MAX)
		return ERR_LIMIT;
	if (!ARRAY_RESERVE(&profile->frames, profile->nframes, &profile->frames_cap))
		return ERR_NOMEM;
	profile->frames[profile->nframes++] = function;
	sample->nframes++;
	return 0;
}

/* ---- trace ids ---- */

void profile_trace_add(struct profile *profile, const struct profile_trace *trace)
{
	static const struct profile_trace none;

	if (memcmp(trace, &none, sizeof(none)) == 0 || profile->ntraces == PROFILE_TRACES_MAX)
		return;
	for (uint32_t i = 0; i < profile->ntraces; i++)
		if (memcmp(&profile->traces[i], trace, sizeof(*trace)) == 0)
			return;
	profile->traces[profile->ntraces++] = *trace;
}

int profile_trace_parse(struct slice text, struct profile_trace *out)
{
	struct profile_trace trace;
	unsigned any = 0;

	if (text.len != 2 * sizeof(trace.bytes))
		return ERR_INVALID;
	for (size_t i = 0; i < sizeof(trace.bytes); i++) {
		int high = hex_digit(text.ptr[2 * i]), low = hex_digit(text.ptr[2 * i + 1]);

		if (high < 0 || low < 0)
			return ERR_INVALID;
		trace.bytes[i] = (unsigned char)(high << 4 | low);
		any |= trace.bytes[i];
	}
	if (!any)
		return ERR_INVALID;
	*out = trace;
	return 0;
}

/* ---- for tests ---- */

void profile_check(const struct profile *profile)
{
	uint32_t frames = 0;

	assert(profile->ntypes <= PROFILE_TYPES_MAX && profile->ntraces <= PROFILE_TRACES_MAX);
	assert(profile->nsamples <= PROFILE_SAMPLES_MAX);
	assert(profile->nsamples == 0 || profile->ntypes > 0);
	for (uint32_t i = 0; i < profile->nsamples; i++) {
		assert(profile->samples[i].frame == frames);
		assert(profile->samples[i].nframes <= PROFILE_DEPTH_MAX);
		frames += profile->samples[i].nframes;
	}
	assert(frames == profile->nframes && frames <= PROFILE_FRAMES_MAX);
	for (uint32_t i = 0; i < frames; i++)
		assert(profile->frames[i] < profile->nfunctions);
	for (uint32_t i = 0; i < profile->nfunctions; i++) {
		struct slice name = profile->functions[i].name;

		assert(name.len > 0 && name.len <= PROFILE_NAME_MAX && slice_is_utf8(name));
		assert(profile_function_find(profile, name) == i);
	}
}
