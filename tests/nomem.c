#include "tests/nomem.h"

#include <check.h>
#include <errno.h>
#include <stddef.h>

#include "base/error.h"

static bool armed, failed;
static unsigned left;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);

static bool fails(void)
{
	if (!armed || left-- > 0)
		return false;
	armed = false;
	failed = true;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return fails() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(old, n, size);
}

void nomem_arm(unsigned n)
{
	left = n;
	failed = false;
	armed = true;
}

bool nomem_disarm(void)
{
	armed = false;
	return failed;
}

unsigned nomem_sweep(int (*scenario)(void))
{
	unsigned refused = 0;

	for (unsigned n = 0; n < NOMEM_SWEEP_MAX; n++) {
		nomem_arm(n);
		int err = scenario();

		if (!nomem_disarm()) {
			ck_assert_int_eq(err, 0);
			return refused;
		}
		ck_assert_msg(err == 0 || err == ERR_NOMEM, "allocation %u: error %d", n, err);
		refused += err == ERR_NOMEM;
	}
	ck_abort_msg("the sweep has no end");
}
