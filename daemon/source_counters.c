#include "daemon/source_counters.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/quote.h"

/* Where there is no room for others. */
static struct log_counters rest;

void log_counters_list_init(struct log_counters_list *list)
{
	*list = (struct log_counters_list){ .first = NULL };
	pthread_mutex_init(&list->lock, NULL);
}

void log_counters_list_fini(struct log_counters_list *list)
{
	while (list->first) {
		struct log_counters_entry *gone = list->first;

		list->first = gone->next;
		free(gone);
	}
	pthread_mutex_destroy(&list->lock);
}

struct log_counters *log_counters_get(struct log_counters_list *list, const char *name)
{
	struct log_counters_entry *found, *made = NULL;

	pthread_mutex_lock(&list->lock);
	for (found = list->first; found && strcmp(found->name, name) != 0;)
		found = found->next;
	if (!found && list->n < LOG_COUNTERS_MAX && (made = calloc(1, sizeof(*made)))) {
		snprintf(made->name, sizeof(made->name), "%s", name);
		made->next = list->first;
		list->first = found = made;
		list->n++;
	}
	pthread_mutex_unlock(&list->lock);
	return found ? &found->counters : &rest;
}

void log_counters_format(struct log_counters_list *list, const char *name, size_t member,
			 struct buf *out)
{
	pthread_mutex_lock(&list->lock);
	for (struct log_counters_entry *each = list->first; each; each = each->next) {
		_Atomic uint64_t *counter = (_Atomic uint64_t *)((char *)&each->counters + member);

		buf_printf(out, "%s{source=", name);
		text_quote(slice_from(each->name), out);
		buf_printf(out, "} %" PRIu64 "\n", atomic_load(counter));
	}
	pthread_mutex_unlock(&list->lock);
}

static void field_count(struct json_writer *w, const char *key, _Atomic uint64_t *counter)
{
	json_field_int(w, key, (int64_t)atomic_load(counter));
}

void log_counters_json(struct log_counters_list *list, struct json_writer *w)
{
	json_begin_array(w);
	pthread_mutex_lock(&list->lock);
	for (struct log_counters_entry *each = list->first; each; each = each->next) {
		struct log_counters *counters = &each->counters;

		json_begin_object(w);
		json_field_string(w, "name", slice_from(each->name));
		field_count(w, "lines", &counters->lines);
		field_count(w, "bytes", &counters->bytes);
		field_count(w, "cut", &counters->cut);
		field_count(w, "malformed", &counters->malformed);
		field_count(w, "rotations", &counters->rotations);
		field_count(w, "dropped", &counters->dropped);
		field_count(w, "files", &counters->files);
		field_count(w, "behind", &counters->behind);
		json_end_object(w);
	}
	pthread_mutex_unlock(&list->lock);
	json_end_array(w);
}
