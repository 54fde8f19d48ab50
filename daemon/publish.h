/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * publish.h - what the daemon tells the data path in struct config: settings, numbers of interfaces, who is where.
 *
 * Interfaces keep their numbers by name, over restarts too (the file RUN_DIR/interfaces): the state of mappings and hosts
 * refers to them. A number that has to go to another name gets new generations, so that nothing of the old one is found.
 */
#pragma once
#include <stdbool.h>

struct keepnat;
struct keepnat_interface;

/* Number the interfaces, and write settings and sizes into the configuration. 0, or -errno after a logged line. */
int publish_start(struct keepnat *k);

/*
 * Number those of k->interfaces that have NO_INTERFACE, each by a number that none of `before` has, either; remember all numbers
 * for the next start. 0, or -ENOSPC, -errno.
 */
int publish_numbers(struct keepnat *k, const struct keepnat_interface *before, unsigned int count);
int publish_numbers_keep(const struct keepnat *k);

/*
 * Tell the data path k->settings, but for interfaces and addresses (link.h). Beside packets: what the settings change is all that
 * they notice. publish_former(), once the interfaces are told: networks of former settings are inside no more. 0 or -ENOMEM.
 */
int publish_settings(struct keepnat *k);
void publish_former(struct keepnat *k);

/* Forget the numbers, unless they shall be found again. */
void publish_stop(struct keepnat *k, bool leave);

/*
 * Tell the programs which device an interface is now: from then on they know packets of it. Before attaching, and
 * publish_gone() after detaching. 0 or -ENOSPC.
 */
int publish_interface(struct keepnat *k, const struct keepnat_interface *interface);
void publish_gone(struct keepnat *k, const struct keepnat_interface *interface);
