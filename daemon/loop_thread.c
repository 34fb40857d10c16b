#include "daemon/threads.h"

#include "base/error.h"

static void *run(void *loop)
{
	loop_run(loop);
	return NULL;
}

int loop_thread_start(pthread_t *thread, struct loop *loop, const char *name)
{
	if (pthread_create(thread, NULL, run, loop))
		return ERR_LIMIT;
	pthread_setname_np(*thread, name);
	return 0;
}

void loop_thread_stop(pthread_t thread, struct queue *inbox)
{
	queue_push_signal(inbox, MSG_STOP);
	pthread_join(thread, NULL);
}
