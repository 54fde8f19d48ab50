/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * clients.h - full NAT (core/clients.h): which inside address of the router stands for the clients of each server.
 *
 * It is the one that the router itself would use towards the server, as the kernel says, and follows it.
 */
#pragma once
#include <stdbool.h>

#include "core/types.h"

struct clients;
struct keepnat;
struct pool_address;
struct settings;

/* Does the configuration have port mappings with full NAT? */
bool clients_wanted(const struct settings *settings);

/* NULL: no memory. */
struct clients *clients_open(const struct settings *settings);
void clients_close(struct clients *clients);

/* Tell the data path at which addresses there are servers. */
void clients_publish(struct keepnat *k);

/* Ask the kernel for the way to each server; of those without one a warning tells. true: some have another address now. */
bool clients_look(struct keepnat *k);

/* The address for clients of this server, as found last; 0: none. */
__be32 clients_address(const struct clients *clients, __be32 inside);

/* The i-th server's as an address that shall be there; some have the same. false: there is no i-th. address->addr may be 0. */
bool clients_get(const struct clients *clients, unsigned int i, struct pool_address *address);
