#include "engine/replay_internal.h"
#include <string.h>
#include "base/error.h"
int replay_data(const struct replay_data_options *data, const struct replay_options *options,
		const struct replay_sink *sink, struct replay_result *result, char **why)
{
	*why = strdup("no recording");
	return ERR_NOT_FOUND;
}
