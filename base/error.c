#include "base/error.h"

const char *error_text(int code)
{
	switch (code) {
	case 0:
		return "success";
#define X(name, number, text)                                                                      \
	case -(number):                                                                            \
		return text;
		ERROR_LIST(X)
#undef X
	default:
		return "unknown error";
	}
}
