// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where the programs are attached. XDP links, and at TC TCX links from kernel 6.6 on: pinned, so that they outlive us, and
 * updated in place, so that no packet misses a program. Before that clsact filters, which live with the device and are
 * replaced in place, too.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/deputy.h"
#include "daemon/loader_parts.h"
#include "daemon/log.h"
#include "daemon/netlink.h"

/* Of linux/bpf.h since 6.6. */
enum { TCX_INGRESS = 46, TCX_EGRESS = 47 };
enum { CLSACT_HANDLE = 1, CLSACT_PRIORITY = 1 };

static const char *const place_names[PLACES] = { "egress", "ingress", "xdp" };

/* Behind the kernel's routing: full NAT learns for the fast path, too. */
static enum program program_inside_egress(const struct keepnat_interface *interface)
{
	if (interface->full)
		return interface->bare ? PROGRAM_CLIENT_BARE : PROGRAM_CLIENT_ETHERNET;
	return interface->fast ? PROGRAM_LEARN_ETHERNET : PROGRAM_NONE;
}

static enum program program_xdp(const struct keepnat_interface *interface)
{
	if (!(interface->fast & FAST_XDP))
		return PROGRAM_NONE;
	if (interface->role == ROLE_INSIDE)
		return interface->fast & FAST_ALL ? PROGRAM_ALL_OUT : PROGRAM_XDP_OUT;
	return interface->fast & FAST_ALL ? PROGRAM_ALL_IN : PROGRAM_XDP_IN;
}

enum program program_for(const struct keepnat_interface *interface, enum place place)
{
	if (place == PLACE_XDP)
		return program_xdp(interface);
	if (interface->role == ROLE_INSIDE && place == PLACE_EGRESS)
		return program_inside_egress(interface);
	if (interface->role == ROLE_INSIDE)
		return interface->bare ? PROGRAM_HAIRPIN_BARE : PROGRAM_HAIRPIN_ETHERNET;
	if (place == PLACE_EGRESS)
		return interface->bare ? PROGRAM_OUT_BARE : PROGRAM_OUT_ETHERNET;
	return interface->bare ? PROGRAM_IN_BARE : PROGRAM_IN_ETHERNET;
}

/* The name of a link's pin. */
struct link_pin {
	char name[32];
};

static struct link_pin link_pin(unsigned int number, enum place place)
{
	struct link_pin pin;

	snprintf(pin.name, sizeof(pin.name), "links/%u-%s", number, place_names[place]);
	return pin;
}

/* ifindex of the device that a TCX link is on (0: it is gone) and the program in it. 0 or -errno. */
static int link_read(int link, u32 *ifindex, u32 *program)
{
	struct bpf_link_info info = { 0 };
	u32 size = sizeof(info);

	if (bpf_obj_get_info_by_fd(link, &info, &size))
		return -errno;
	*ifindex = info.xdp.ifindex; /* info.tcx of newer headers begins with it, too */
	*program = info.prog_id;
	return 0;
}

static void link_drop(const struct keepnat *k, unsigned int number, enum place place)
{
	int *link = &k->loader->links[number][place];
	const struct link_pin pin = link_pin(number, place);

	if (*link < 0)
		*link = pin_open(k, pin.name);
	if (*link >= 0)
		(void)bpf_link_detach(*link); /* now, not when the last descriptor goes */
	pin_drop(k, pin.name);
	fd_close(link);
}

/* A new link at this place of a device. The descriptor or -1. */
static int link_create(int program, u32 ifindex, enum place place)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = place == PLACE_XDP ? XDP_FLAGS_DRV_MODE : 0);
	static const int types[PLACES] = {
		[PLACE_EGRESS] = TCX_EGRESS, [PLACE_INGRESS] = TCX_INGRESS, [PLACE_XDP] = BPF_XDP
	};

	return bpf_link_create(program, (int)ifindex, (enum bpf_attach_type)types[place], &options);
}

/* A link with our program on the device: that which is there, or a new one. At TC -EINVAL: the kernel has no TCX. */
static int link_attach(struct keepnat *k, const struct keepnat_interface *interface, enum place place,
		       enum program program)
{
	struct loader *l = k->loader;
	int *link = &l->links[interface->number][place], error;
	const struct link_pin pin = link_pin(interface->number, place);
	u32 ifindex = 0, id = 0;

	if (*link < 0)
		*link = pin_open(k, pin.name);
	if (*link >= 0 && !link_read(*link, &ifindex, &id) && ifindex == interface->ifindex) {
		if (id == l->ids[program])
			return 0;
		if (!bpf_link_update(*link, l->programs[program], NULL)) {
			FAULT(hook_updated);
			return 0;
		}
	}
	link_drop(k, interface->number, place);
	*link = link_create(l->programs[program], interface->ifindex, place);
	if (*link < 0)
		return -errno;
	FAULT(hook_made);
	error = pin_put(k, pin.name, *link);
	if (error)
		link_drop(k, interface->number, place);
	else
		FAULT(hook_pinned);
	return error;
}

static struct bpf_tc_hook clsact_hook(u32 ifindex, enum place place)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = place == PLACE_EGRESS ? BPF_TC_EGRESS : BPF_TC_INGRESS);

	return hook;
}

/* The program at our place in clsact. Its number; 0: none, as always at XDP. */
static u32 clsact_read(u32 ifindex, enum place place)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	struct bpf_tc_hook hook = clsact_hook(ifindex, place);

	if (place == PLACE_XDP)
		return 0;
	return bpf_tc_query(&hook, &options) ? 0 : options.prog_id;
}

/* A folder beside the links' pins says that we made the clsact of an interface, and may take it away. */
static void clsact_mark_path(const struct keepnat *k, unsigned int number, char path[LOADER_PATH])
{
	snprintf(path, LOADER_PATH, "%s/links/%u-clsact", k->pin_dir, number);
}

static int clsact_attach(struct keepnat *k, const struct keepnat_interface *interface, enum place place,
			 enum program program)
{
	const struct loader *l = k->loader;
	struct bpf_tc_hook hook = clsact_hook(interface->ifindex, place);
	u32 id = clsact_read(interface->ifindex, place);
	char path[LOADER_PATH];
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
		    .prog_fd = l->programs[program], .flags = id ? BPF_TC_F_REPLACE : 0);
	int error;

	if (id == l->ids[program])
		return 0;
	error = bpf_tc_hook_create(&hook);
	if (error && error != -EEXIST)
		return error;
	clsact_mark_path(k, interface->number, path);
	if (!error && mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	return bpf_tc_attach(&hook, &options);
}

int loader_ordered(struct keepnat *k, u32 ifindex)
{
	struct bpf_tc_hook hook = clsact_hook(ifindex, PLACE_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY,
		    .prog_fd = k->loader->programs[PROGRAM_ORDERED]);
	int error = bpf_tc_hook_create(&hook);

	return error ? error : bpf_tc_attach(&hook, &options);
}

/* Are our programs at this place filters in clsact, not links? */
static bool clsact_holds(const struct keepnat_interface *interface, enum place place)
{
	return place != PLACE_XDP && interface->hook && !strcmp(interface->hook, "clsact");
}

static void clsact_detach(u32 ifindex, enum place place)
{
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);
	struct bpf_tc_hook hook = clsact_hook(ifindex, place);

	(void)bpf_tc_detach(&hook, &options);
}

/* Give back the clsact that we made, unless somebody else has a filter in it by now. */
static void clsact_drop(const struct keepnat *k, const struct keepnat_interface *interface)
{
	struct bpf_tc_hook hook = clsact_hook(interface->ifindex, PLACE_INGRESS);
	char path[LOADER_PATH];

	clsact_mark_path(k, interface->number, path);
	if (rmdir(path) || !interface->ifindex || netlink_filters(interface->ifindex) != 0)
		return;
	hook.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS;
	(void)bpf_tc_hook_destroy(&hook);
}

enum program_owner loader_program_owner(const struct loader *l, u32 id)
{
	u32 used[32] = { 0 }, size = sizeof(struct bpf_prog_info), map_size = sizeof(struct bpf_map_info);
	struct bpf_prog_info info = { .map_ids = (u64)(unsigned long)used, .nr_map_ids = 32 };
	struct bpf_map_info own = { 0 };
	int fd = bpf_prog_get_fd_by_id(id), error;

	if (fd < 0)
		return OWNER_OTHER;
	error = bpf_obj_get_info_by_fd(fd, &info, &size);
	close(fd);
	if (error || bpf_obj_get_info_by_fd(l->maps[ARRAY_CONFIG], &own, &map_size))
		return OWNER_OTHER;
	for (u32 i = 0; i < info.nr_map_ids && i < 32; i++)
		if (used[i] == own.id)
			return OWNER_US;
	for (int i = 0; i < PROGRAMS; i++)
		if (!strncmp(info.name, program_names[i], BPF_OBJ_NAME_LEN - 1))
			return OWNER_INSTANCE;
	return OWNER_OTHER;
}

/* By the deputy, once it is there: from then on we may not look. */
static enum program_owner program_owner(const struct keepnat *k, u32 id)
{
	int owner = k->deputy ? deputy_ask(k, DEPUTY_OWNER, id) : (int)loader_program_owner(k->loader, id);

	return owner < 0 ? OWNER_OTHER : (enum program_owner)owner;
}

/* Does another instance's program sit at this place at TC, though that instance may not run? */
static bool place_is_taken(const struct keepnat *k, const struct keepnat_interface *interface,
			   enum place place)
{
	u32 ids[64], count = 64, ifindex, own = 0, id;
	const struct loader *l = k->loader;
	int fd = pin_open(k, link_pin(interface->number, place).name);

	if (fd >= 0) {
		(void)link_read(fd, &ifindex, &own); /* ours, if of arrays that we gave up */
		close(fd);
	}
	id = clsact_read(interface->ifindex, place);
	if (id && !l->renewed && program_owner(k, id) == OWNER_INSTANCE)
		return true;
	if (bpf_prog_query((int)interface->ifindex,
			   (enum bpf_attach_type)(place == PLACE_EGRESS ? TCX_EGRESS : TCX_INGRESS), 0, NULL,
			   ids, &count))
		return false;
	for (u32 i = 0; i < count; i++)
		if (ids[i] != own && program_owner(k, ids[i]) == OWNER_INSTANCE)
			return true;
	return false;
}

/* Take our program away, if one is there. */
static void place_clear(struct keepnat *k, unsigned int number, u32 ifindex, enum place place)
{
	u32 id = ifindex ? clsact_read(ifindex, place) : 0;

	link_drop(k, number, place);
	if (id && program_owner(k, id) == OWNER_US)
		clsact_detach(ifindex, place);
}

static int place_attach(struct keepnat *k, struct keepnat_interface *interface, enum place place)
{
	enum program program = program_for(interface, place);
	bool wanted[PROGRAMS] = { false };
	int error;

	if (program == PROGRAM_NONE) {
		place_clear(k, interface->number, interface->ifindex, place);
		return 0;
	}
	wanted[program] = true;
	error = programs_load(k, wanted);
	if (error)
		return error;
	error = link_attach(k, interface, place, program);
	if (place == PLACE_XDP)
		return error;
	interface->hook = "tcx";
	if (error != -EINVAL)
		return error;
	interface->hook = "clsact";
	return clsact_attach(k, interface, place, program);
}

/* Without XDP the interface is as fast as TC is: that is no reason to refuse it. */
static void xdp_attach(struct keepnat *k, struct keepnat_interface *interface)
{
	int error = place_attach(k, interface, PLACE_XDP);

	if (!error)
		return;
	interface->fast &= (u8) ~(FAST_XDP | FAST_ALL);
	interface->no_xdp = error == -EBUSY ? "another XDP program is on the device"
					    : "the device did not take the XDP program";
	interface->why = interface->no_xdp;
	keepnat_warn(k, "%s: no XDP, but TC: %s (%s)", interface->name, interface->why, strerror(-error));
}

int loader_attach(struct keepnat *k, struct keepnat_interface *interface)
{
	int error = 0;

	for (int place = 0; place < PLACE_XDP && !error; place++)
		if (!interface->hook && place_is_taken(k, interface, (enum place)place))
			error = -EBUSY;
	for (int place = 0; place < PLACE_XDP && !error; place++)
		error = place_attach(k, interface, (enum place)place);
	if (!error)
		xdp_attach(k, interface);
	if (error)
		interface->hook = NULL;
	return error;
}

void loader_detach(struct keepnat *k, struct keepnat_interface *interface)
{
	for (int place = PLACES; place--;) {
		link_drop(k, interface->number, (enum place)place);
		FAULT(hook_dropped);
		if (interface->ifindex && clsact_holds(interface, (enum place)place))
			clsact_detach(interface->ifindex, (enum place)place);
	}
	clsact_drop(k, interface);
	interface->hook = NULL;
}

static void number_tidy(struct keepnat *k, unsigned int number)
{
	struct keepnat_interface former = { .number = (u8)number };

	former.ifindex = k->nat.config->interfaces[number].ifindex;
	for (int place = PLACES; place--;)
		place_clear(k, number, former.ifindex, (enum place)place);
	clsact_drop(k, &former);
}

void loader_hooks_tidy(struct keepnat *k)
{
	for (unsigned int number = 0; number < MAX_INTERFACES; number++)
		if (!keepnat_interface_served(k, number))
			number_tidy(k, number);
}

/*
 * Self-check
 */

/* Run a program on a packet of loopback, which has no role: out drops it, the others pass it on. */
static int program_try(const struct loader *l, enum program program)
{
	u8 packet[64] = { [12] = 8, [14] = 0x45 };
	bool xdp = program >= PROGRAM_XDP_OUT && program <= PROGRAM_ALL_IN;
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = 1);
	bool out = program == PROGRAM_OUT_ETHERNET || program == PROGRAM_OUT_BARE;

	if (bpf_prog_test_run_opts(l->programs[program], &options))
		return -errno;
	if (xdp)
		return options.retval == XDP_PASS ? 0 : -EPROTO;
	return options.retval == (out ? 2 /* TC_ACT_SHOT */ : (u32)-1 /* TC_ACT_UNSPEC */) ? 0 : -EPROTO;
}

static int place_check(const struct keepnat *k, const struct keepnat_interface *interface, enum place place)
{
	const struct loader *l = k->loader;
	enum program program = program_for(interface, place);
	u32 ifindex = 0, id = 0;
	int error;

	if (program == PROGRAM_NONE)
		return 0;
	if (clsact_holds(interface, place)) {
		ifindex = interface->ifindex;
		id = clsact_read(ifindex, place);
	} else {
		error = link_read(l->links[interface->number][place], &ifindex, &id);
		if (error)
			return error;
	}
	if (ifindex != interface->ifindex || id != l->ids[program])
		return -ENOLINK;
	return program_try(l, program);
}

int programs_try(const struct keepnat *k)
{
	for (unsigned int i = 0; i < k->interface_count; i++)
		for (int place = 0; place < PLACES; place++) {
			enum program program = program_for(&k->interfaces[i], (enum place)place);
			int error = program == PROGRAM_NONE ? 0 : program_try(k->loader, program);

			if (!error)
				continue;
			log_error("self-check: the program %s does not do what it should: %s; report this",
				  program_names[program], strerror(-error));
			return error;
		}
	return 0;
}

int loader_check(struct keepnat *k)
{
	u32 tick = loader_tick(k->loader);

	if (k->nat.config->layout != sizes_layout() || !tick) {
		log_error("self-check: the arrays or the clock do not answer; report this");
		return -EPROTO;
	}
	for (unsigned int i = 0; i < k->interface_count; i++)
		for (int place = 0; place < PLACES; place++) {
			const struct keepnat_interface *interface = &k->interfaces[i];
			int error = interface->hook ? place_check(k, interface, (enum place)place) : 0;

			if (!error)
				continue;
			log_error("self-check: the program at %s of %s is not in order: %s; report this",
				  place_names[place], interface->name, strerror(-error));
			return error;
		}
	return 0;
}
