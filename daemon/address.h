/* HOST:PORT as configuration and command line write it. */
#ifndef TOCSIN_DAEMON_ADDRESS_H
#define TOCSIN_DAEMON_ADDRESS_H

#include <stdint.h>

#include "base/arena.h"

/* host:port, [v6]:port or :port (all addresses). ERR_INVALID, ERR_NOMEM. */
int address_parse(struct slice text, struct arena *arena, char **host, uint16_t *port);

#endif
