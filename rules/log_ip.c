#include "rules/log_internal.h"

#include <arpa/inet.h>

#include "base/error.h"

#define ADDRESS_BYTES 16
#define V4_PREFIX 12		  /* bytes of ::ffff:0:0/96, in which IPv4 addresses are kept */
#define TEXT_MAX INET6_ADDRSTRLEN /* longer runs of an address' characters are none */

/* An address, a range or a prefix: from first to last, as 16 bytes in network order. */
struct log_ip {
	unsigned char first[ADDRESS_BYTES], last[ADDRESS_BYTES];
};

static bool address_parse(struct slice text, unsigned char out[ADDRESS_BYTES], bool *is_v4)
{
	char copy[TEXT_MAX];

	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len))
		return false;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	*is_v4 = memchr(text.ptr, ':', text.len) == NULL;
	if (!*is_v4)
		return inet_pton(AF_INET6, copy, out) == 1;
	memset(out, 0, V4_PREFIX - 2);
	memset(out + V4_PREFIX - 2, 0xff, 2);
	return inet_pton(AF_INET, copy, out + V4_PREFIX) == 1;
}

/* The host's bits of a prefix: zero in first, one in last. */
static void prefix_spread(struct log_ip *ip, unsigned bits)
{
	for (unsigned i = 0; i < ADDRESS_BYTES; i++) {
		unsigned own = bits >= 8 * (i + 1) ? 8 : bits <= 8 * i ? 0 : bits - 8 * i;
		unsigned char host = (unsigned char)(0xff >> own);

		ip->first[i] &= (unsigned char)~host;
		ip->last[i] = ip->first[i] | host;
	}
}

static bool prefix_parse(struct slice text, size_t slash, struct log_ip *ip)
{
	struct slice length = { text.ptr + slash + 1, text.len - slash - 1 };
	unsigned bits = 0;
	bool is_v4;

	if (!address_parse((struct slice){ text.ptr, slash }, ip->first, &is_v4))
		return false;
	if (length.len == 0 || length.len > 3)
		return false;
	for (size_t i = 0; i < length.len; i++) {
		if (length.ptr[i] < '0' || length.ptr[i] > '9')
			return false;
		bits = bits * 10 + (unsigned)(length.ptr[i] - '0');
	}
	if (bits > (is_v4 ? 32u : 128u))
		return false;
	prefix_spread(ip, bits + (is_v4 ? 8 * V4_PREFIX : 0));
	return true;
}

static bool ip_parse(struct slice text, struct log_ip *ip)
{
	ptrdiff_t slash = slice_find(text, '/'), dash = slice_find(text, '-');
	bool is_v4, last_is_v4;

	if (slash >= 0)
		return prefix_parse(text, (size_t)slash, ip);
	if (dash < 0) {
		if (!address_parse(text, ip->first, &is_v4))
			return false;
		memcpy(ip->last, ip->first, sizeof(ip->last));
		return true;
	}
	struct slice first = slice_trim((struct slice){ text.ptr, (size_t)dash });
	struct slice last =
		slice_trim((struct slice){ text.ptr + dash + 1, text.len - (size_t)dash - 1 });

	return address_parse(first, ip->first, &is_v4) &&
	       address_parse(last, ip->last, &last_is_v4) && is_v4 == last_is_v4 &&
	       memcmp(ip->first, ip->last, sizeof(ip->first)) <= 0;
}

int log_ip_compile(const struct log_compiler *compiler, struct slice text,
		   const struct log_ip **out)
{
	struct log_ip *ip = ARENA_NEW(compiler->arena, struct log_ip);

	if (!ip)
		return ERR_NOMEM;
	if (!ip_parse(slice_trim(text), ip))
		return log_refuse(compiler, ERR_INVALID,
				  "write an address, a range (10.0.0.1-10.0.0.9) or a prefix "
				  "(10.0.0.0/8)",
				  "ip(\"" SLICE_FMT "\") names no addresses", SLICE_ARG(text));
	*out = ip;
	return 0;
}

static bool is_ip_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
	       c == '.' || c == ':';
}

static bool ip_has(const struct log_ip *ip, struct slice text)
{
	unsigned char address[ADDRESS_BYTES];
	bool is_v4;

	return address_parse(text, address, &is_v4) &&
	       memcmp(address, ip->first, sizeof(address)) >= 0 &&
	       memcmp(address, ip->last, sizeof(address)) <= 0;
}

/* The IPv4 address that a text begins with: what stands before a second colon, or a fourth dot. */
static struct slice v4_prefix(struct slice run)
{
	unsigned dots = 0;
	size_t n = 0;

	while (n < run.len &&
	       ((run.ptr[n] >= '0' && run.ptr[n] <= '9') || (run.ptr[n] == '.' && ++dots <= 3)))
		n++;
	return (struct slice){ run.ptr, n };
}

/*
 * A run of an address' characters: an IPv6 address, perhaps with a colon or dot behind it, or an
 * IPv4 address with a port.
 */
static bool run_has(const struct log_ip *ip, struct slice run)
{
	while (run.len > 0 && run.ptr[run.len - 1] == '.')
		run.len--;
	if (ip_has(ip, run) || ip_has(ip, v4_prefix(run)))
		return true;
	return run.len > 1 && run.ptr[run.len - 1] == ':' &&
	       ip_has(ip, (struct slice){ run.ptr, run.len - 1 });
}

bool log_ip_is_in(const struct log_ip *ip, struct slice text)
{
	for (size_t i = 0; i < text.len;) {
		if (!is_ip_char(text.ptr[i])) {
			i++;
			continue;
		}
		size_t start = i;

		while (i < text.len && is_ip_char(text.ptr[i]))
			i++;
		/* The shortest is "::". */
		if (i - start >= 2 && run_has(ip, (struct slice){ text.ptr + start, i - start }))
			return true;
	}
	return false;
}
