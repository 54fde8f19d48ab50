// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From one configuration to another beside packets. Everything is derived from settings, by the code that does so at a start
 * over arrays which a former daemon left, where programs run, too. So a reload is: other settings, and derive anew. What this
 * file adds is the order:
 *
 *	look	  what a running daemon cannot change is refused; interfaces that come have a device, and it can be ours;
 *		  the kernel takes the programs; there is memory
 *	enter	  interfaces that come get their programs, one after the other
 *	renew	  settings, addresses, reservations and port mappings are told
 *	leave	  interfaces that go lose addresses and programs
 *
 * Until "leave" any failure is undone: who came leaves, and the former settings are told again. An interface whose role
 * changes is one that goes and one that comes on the same device, which cannot have both; it is the last to enter, and
 * comes back if that fails.
 */
#include "daemon/reload.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/blackbox.h"
#include "daemon/claim.h"
#include "daemon/clients.h"
#include "daemon/config_report.h"
#include "daemon/event.h"
#include "daemon/fixed.h"
#include "daemon/forwarding.h"
#include "daemon/keepnat.h"
#include "daemon/kept.h"
#include "daemon/link.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "daemon/machine.h"
#include "daemon/publish.h"
#include "daemon/watch.h"

/*
 * The state that goes with settings, of before or of after
 */

struct stand {
	struct settings *settings;
	struct fixed *fixed;
	struct clients *clients;
	struct keepnat_interface interfaces[MAX_INTERFACES];
	unsigned int count;
};

struct change {
	struct keepnat *k;
	struct reload_result *result;
	struct stand before, after;
	bool stays[MAX_INTERFACES]; /* of before: it is there after, too, with its number */
	bool comes[MAX_INTERFACES]; /* of after: it was not there before */
	bool entered[MAX_INTERFACES];
	struct sizes sizes;
};

/* What hangs on settings becomes that of *to. */
static void stand_take(struct keepnat *k, const struct stand *to)
{
	pthread_mutex_lock(&k->lock);
	k->settings = to->settings;
	k->fixed = to->fixed;
	k->clients = to->clients;
	memcpy(k->interfaces, to->interfaces, sizeof(k->interfaces));
	k->interface_count = to->count;
	pthread_mutex_unlock(&k->lock);
}

static void stand_keep(const struct keepnat *k, struct stand *stand)
{
	stand->settings = k->settings;
	stand->fixed = k->fixed;
	stand->clients = k->clients;
	memcpy(stand->interfaces, k->interfaces, sizeof(k->interfaces));
	stand->count = k->interface_count;
}

/*
 * Look
 */

static void refuse(struct change *c, unsigned int line, const char *what, const char *mend)
{
	report_what(&c->result->problems, line, "%s", what);
	report_mend(&c->result->problems, "%s", mend);
}

static int refuse_memory(struct change *c)
{
	refuse(c, 0, "out of memory", "free some and try again");
	return -ENOMEM;
}

static void capacity_refuse(struct change *c, unsigned int line, const char *what, u32 now, u32 wanted)
{
	char text[128];

	snprintf(text, sizeof(text), "capacity.%s: it is %u while keepnatd runs, and cannot become %u", what,
		 now, wanted);
	refuse(c, line, text, "restart keepnatd with it; or write what it is");
}

static u64 addresses_needed(const struct settings *settings)
{
	u64 count = 0;

	for (unsigned int i = 0; i < settings->interface_count; i++)
		for (unsigned int j = 0; j < settings->interfaces[i].pool_count; j++)
			count += address_range_count(&settings->interfaces[i].pool[j].range);
	return count;
}

/* The arrays stay as large as they are. 0 or -EBUSY. */
static int capacity_check(struct change *c)
{
	const struct settings *next = c->after.settings;
	const struct keepnat *k = c->k;
	char text[128];

	sizes_choose(&c->sizes, next, machine_memory(MACHINE_MEMORY_TOTAL), k->sizes.cpus);
	if (c->sizes.flow_slots != k->sizes.flow_slots)
		capacity_refuse(c, next->sessions_line, "sessions", k->sizes.sessions, c->sizes.sessions);
	else if (c->sizes.mapping_slots != k->sizes.mapping_slots)
		capacity_refuse(c, next->mappings_line, "mappings", k->sizes.mappings, c->sizes.mappings);
	if (c->sizes.host_slots != k->sizes.host_slots)
		capacity_refuse(c, next->hosts_line, "hosts", k->sizes.hosts, c->sizes.hosts);
	if (addresses_needed(next) > k->nat.config->addresses) {
		snprintf(text, sizeof(text),
			 "pools: they hold %llu addresses, and a running keepnatd has room for %u",
			 (unsigned long long)addresses_needed(next), k->nat.config->addresses);
		refuse(c, 0, text, "restart keepnatd with it; or make them smaller");
	}
	c->sizes.addresses = k->sizes.addresses;
	c->sizes.address_places = k->sizes.address_places;
	return c->result->problems.count ? -EBUSY : 0;
}

/* Who may use the API need not be root, and what is logged is written where only root may: it comes from the file of the start alone. */
static bool log_differs(const struct settings_log *a, const struct settings_log *b)
{
	return a->mappings != b->mappings || a->blocks != b->blocks || a->sessions != b->sessions ||
	       a->limits != b->limits || a->rate != b->rate || a->queue != b->queue ||
	       strcmp(a->json, b->json) || strcmp(a->syslog, b->syslog) || strcmp(a->ipfix, b->ipfix);
}

/* What is looked at but once, at the start. 0 or -EBUSY. */
static int start_check(struct change *c)
{
	const struct settings *next = c->after.settings, *now = c->k->settings;
	const char *const mend = "restart keepnatd with it; or write what it was";

	if (strcmp(next->api.listen, now->api.listen) || strcmp(next->api.token_file, now->api.token_file))
		refuse(c, next->api.listen_line,
		       "api: listen and token_file cannot change while keepnatd runs", mend);
	if (next->snapshot_interval != now->snapshot_interval)
		refuse(c, 0, "snapshot.interval: it cannot change while keepnatd runs", mend);
	if (log_differs(&next->log, &now->log))
		refuse(c, next->log.line, "log: it cannot change while keepnatd runs", mend);
	return c->result->problems.count ? -EBUSY : 0;
}

/* The same interface before: name and role; or NULL. */
static const struct keepnat_interface *former_of(struct change *c, const struct keepnat_interface *interface)
{
	for (unsigned int i = 0; i < c->before.count; i++) {
		const struct keepnat_interface *at = &c->before.interfaces[i];

		if (strcmp(at->name, interface->name) || at->role != interface->role)
			continue;
		c->stays[i] = true;
		return at;
	}
	return NULL;
}

/* The i-th of after, as it was or as it will be. 0, or -errno and the report says why. */
static int interface_look(struct change *c, unsigned int i)
{
	struct keepnat_interface next = { .number = NO_INTERFACE };
	const struct keepnat_interface *former;
	struct link_refusal refusal;
	int error;

	link_describe(&next, c->after.settings, i);
	former = former_of(c, &next);
	if (former) {
		next = *former;
		link_describe(&next, c->after.settings, i);
		if (next.accelerate != former->accelerate)
			next.no_xdp = NULL; /* it is tried again */
	}
	c->comes[i] = !former;
	error = former && !former->ifindex ? 0 : link_find(c->k, c->after.settings, &next, &refusal);
	c->after.interfaces[i] = next;
	if (!error)
		return 0;
	report_what(&c->result->problems, c->after.settings->interfaces[i].line, "interfaces: %s: %s (%s)",
		    next.name, refusal.what, strerror(-error));
	report_mend(&c->result->problems, "%s", refusal.mend);
	return error;
}

static int interfaces_look(struct change *c)
{
	int error = 0;

	c->after.count = c->after.settings->interface_count;
	for (unsigned int i = 0; i < c->after.count; i++) {
		int one = interface_look(c, i);

		error = error ? error : one;
	}
	return error;
}

static bool device_is_served(const struct keepnat *k, u32 ifindex)
{
	for (unsigned int i = 0; i < k->interface_count; i++)
		if (k->interfaces[i].ifindex == ifindex)
			return true;
	return false;
}

/* The former stand is back, or was never left. */
static void claims_return(struct change *c)
{
	for (unsigned int i = 0; i < c->after.count; i++) {
		u32 ifindex = c->after.interfaces[i].ifindex;

		if (c->comes[i] && ifindex && !device_is_served(c->k, ifindex))
			claim_give(c->k, ifindex);
	}
}

/* 0, or -errno, and nothing was changed but claims. */
static int change_look(struct change *c)
{
	int error = capacity_check(c);

	if (!error)
		error = start_check(c);
	if (!error)
		error = interfaces_look(c);
	if (!error && loader_prepare(c->k, c->after.interfaces, c->after.count)) {
		refuse(c, 0, "the kernel refused the programs", "see keepnatd's log for its words");
		error = -EPROTO;
	}
	if (error)
		return error;
	c->after.fixed = fixed_open(c->after.settings);
	c->after.clients = clients_open(c->after.settings);
	return c->after.fixed && c->after.clients ? 0 : refuse_memory(c);
}

/*
 * Enter, renew, leave
 */

/* The interface of before on the device of this one that comes; NULL: none. Two names may have one device if one was given away. */
static struct keepnat_interface *rival_of(struct change *c, unsigned int i)
{
	for (unsigned int j = 0; j < c->before.count; j++)
		if (!c->stays[j] && c->before.interfaces[j].ifindex == c->k->interfaces[i].ifindex)
			return &c->before.interfaces[j];
	return NULL;
}

static int interface_enter(struct change *c, unsigned int i)
{
	struct keepnat_interface *rival = rival_of(c, i);
	struct link_refusal refusal;
	int error;

	if (rival)
		link_leave(c->k, rival);
	c->entered[i] = true;
	error = link_enter(c->k, i, &refusal);
	if (!error)
		return 0;
	report_what(&c->result->problems, c->after.settings->interfaces[i].line, "interfaces: %s: %s: %s",
		    c->k->interfaces[i].name, refusal.what, strerror(-error));
	report_mend(&c->result->problems, "%s", refusal.mend);
	return error;
}

/* Those on a device that another one has to leave come last. */
static int interfaces_enter(struct change *c)
{
	int error = publish_numbers(c->k, c->before.interfaces, c->before.count);

	if (error)
		refuse(c, 0, "interfaces: too many for former and new ones together",
		       "take interfaces out by one reload and add others by a second");
	for (unsigned int rivals = 0; rivals < 2; rivals++)
		for (unsigned int i = 0; i < c->after.count && !error; i++)
			if (c->comes[i] && !rival_of(c, i) == !rivals && !c->entered[i])
				error = interface_enter(c, i);
	return error;
}

static int settings_tell(struct keepnat *k)
{
	int error = publish_settings(k);

	if (!error)
		error = link_renew(k);
	if (!error)
		publish_former(k);
	(void)loader_sockets_start(k);
	forwarding_check(k);
	watch_changed(k);
	return error;
}

/* Its number is free; whoever has it next must find nothing of it. */
static void number_forget(struct keepnat *k, const struct keepnat_interface *interface)
{
	if (interface->role != ROLE_OUTSIDE)
		return;
	pthread_mutex_lock(&k->lock);
	memset(&k->resets.report[interface->number], 0, sizeof(k->resets.report[0]));
	pthread_mutex_unlock(&k->lock);
}

static void interfaces_leave(struct change *c)
{
	for (unsigned int role = ROLE_INSIDE; role <= ROLE_OUTSIDE;
	     role++) /* outside last: nothing leaves as it is */
		for (unsigned int i = 0; i < c->before.count; i++) {
			struct keepnat_interface *former = &c->before.interfaces[i];

			if (c->stays[i] || former->role != role)
				continue;
			if (former->ifindex)
				link_leave(c->k, former);
			FAULT(reload_left);
			number_forget(c->k, former);
			log_notice("%s is %s interface of ours no more", former->name,
				   role == ROLE_INSIDE ? "an inside" : "an outside");
			c->result->removed++;
		}
}

/* Who came leaves; who left a device to another comes back by the former settings. */
static void change_undo(struct change *c)
{
	struct keepnat *k = c->k;

	for (unsigned int i = 0; i < c->after.count; i++)
		if (c->entered[i])
			link_leave(k, &k->interfaces[i]);
	stand_take(k, &c->before);
	if (settings_tell(k))
		log_error("the former configuration could not be told again in full; it is tried on");
}

static int change_make(struct change *c)
{
	struct keepnat *k = c->k;
	bool entered;
	int error;

	stand_take(k, &c->after);
	FAULT(reload_taken);
	error = interfaces_enter(c);
	entered = !error;
	FAULT(reload_entered);
	if (entered)
		error = settings_tell(k);
	if (error && entered)
		refuse(c, 0, "it could not be told to the data path in full", "see keepnatd's log");
	if (error) {
		change_undo(c);
		return error;
	}
	FAULT(reload_told);
	interfaces_leave(c);
	watch_changed(k); /* some leases may lead to who left */
	(void)publish_numbers_keep(k);
	return 0;
}

static void stand_free(struct stand *stand)
{
	fixed_close(stand->fixed);
	clients_close(stand->clients);
}

static char *settings_text(const struct settings *settings)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	if (file) {
		(void)settings_print(file, settings);
		fclose(file);
	}
	return text;
}

static bool settings_differ(const struct settings *a, const struct settings *b)
{
	char *x = settings_text(a), *y = settings_text(b);
	bool differ = !x || !y || strcmp(x, y) != 0;

	free(x);
	free(y);
	return differ;
}

static int change_run(struct change *c)
{
	struct keepnat *k = c->k;
	int error;

	blackbox_doing(k->life, "reload, look");
	link_refresh(k); /* what is true now, before it is compared */
	stand_keep(k, &c->before);
	error = change_look(c);
	FAULT(reload_looked);
	blackbox_doing(k->life, "reload, change");
	blackbox_beat(k->life);
	if (!error)
		error = change_make(c);
	blackbox_doing(k->life, "control");
	blackbox_beat(k->life);
	if (error) {
		claims_return(c);
		stand_free(&c->after);
		return error;
	}
	k->sizes = c->sizes;
	blackbox_settings(k->box, &k->settings->recovery);
	for (unsigned int i = 0; i < c->after.count; i++)
		c->result->added += c->comes[i];
	c->result->changed = settings_differ(c->before.settings, c->after.settings);
	stand_free(&c->before);
	settings_free(c->before.settings);
	return 0;
}

/* k->settings become *next, or all is as it was, and the result's problems say why: 0 or -errno. */
static int reload_apply(struct keepnat *k, struct settings *next, struct reload_result *result)
{
	struct change *c = calloc(1, sizeof(*c));
	int error;

	if (!c)
		return -ENOMEM;
	c->k = k;
	c->result = result;
	c->after.settings = next;
	error = change_run(c);
	free(c);
	return error;
}

/*
 * Orders
 */

struct reloads {
	int fd;
	pthread_mutex_t lock;		   /* over the rest */
	struct reload_order *first, *last; /* that wait */
	bool closed;
};

int reload_start(struct keepnat *k)
{
	struct reloads *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	k->reloads = r;
	pthread_mutex_init(&r->lock, NULL);
	r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->fd >= 0)
		return 0;
	log_error("cannot open its descriptors: %s; raise the limit (ulimit -n)", strerror(errno));
	return -errno;
}

int reload_fd(const struct keepnat *k) { return k->reloads->fd; }

int reload_order(struct keepnat *k, struct reload_order *order)
{
	struct reloads *r = k->reloads;
	int error = 0;

	if (!r)
		return -ESHUTDOWN;
	order->next = NULL;
	pthread_mutex_lock(&r->lock);
	if (r->closed) {
		error = -ESHUTDOWN;
	} else {
		*(r->first ? &r->last->next : &r->first) = order;
		r->last = order;
		(void)eventfd_write(r->fd, 1);
	}
	pthread_mutex_unlock(&r->lock);
	return error;
}

static struct reload_order *order_take(struct reloads *r)
{
	struct reload_order *order;

	pthread_mutex_lock(&r->lock);
	order = r->first;
	if (order)
		r->first = order->next;
	pthread_mutex_unlock(&r->lock);
	return order;
}

static void problems_log(const struct reload_result *result)
{
	const struct settings_report *problems = &result->problems;

	for (unsigned int i = 0; i < problems->count; i++) {
		const struct settings_note *note = &problems->notes[i];
		char place[16] = "";

		if (note->line)
			snprintf(place, sizeof(place), ":%u", note->line);
		log_line(result->end == RELOAD_DONE ? LOG_LEVEL_WARNING : LOG_LEVEL_ERROR, "%s%s: %s; %s",
			 problems->name, place, note->what, note->mend);
	}
}

static void result_tell(struct keepnat *k, const struct reload_result *result)
{
	const char *name = result->problems.name;

	problems_log(result);
	if (result->end != RELOAD_DONE)
		event_tell(k, EVENT_config_refused, "", "%s is not taken, the former one holds on: %s", name,
			   result->problems.notes[0].what);
	else if (result->changed)
		event_tell(k, EVENT_config_reloaded, "", "%s holds now: %u interfaces came, %u left", name,
			   result->added, result->removed);
	else
		log_info("%s holds as before", name);
}

/* `settings`: read without (error 0) or with problems; `given` to us, or of our own file. */
static void result_make(struct keepnat *k, struct settings *settings, int error, bool given,
			struct reload_result *result)
{
	result->end = error ? RELOAD_REFUSED : RELOAD_DONE;
	if (error)
		return;
	report_init(&result->problems, settings->warnings.name);
	if (reload_apply(k, settings, result)) {
		settings_free(settings);
		result->end = RELOAD_IMPOSSIBLE;
	} else {
		result->problems = settings->warnings;
		k->given = given;
		kept_save(k);
	}
}

static void file_reload(struct keepnat *k, struct reload_result *result)
{
	struct settings *settings = NULL;
	int error;

	if (k->config) {
		error = settings_load(k->config, &settings, &result->problems);
		result_make(k, settings, error, false, result);
		return;
	}
	report_init(&result->problems, "command line");
	report_what(&result->problems, 0, "keepnatd was started without a configuration file");
	report_mend(&result->problems, "name one: keepnat reload FILE");
	result->end = RELOAD_REFUSED;
}

/* Who may use the API need not be root; what shall run as root only root's own file names. */
static int alert_check(const struct keepnat *k, const struct settings *settings,
		       struct settings_report *problems)
{
	if (!strcmp(settings->recovery.alert, k->settings->recovery.alert))
		return 0;
	report_init(problems, settings->warnings.name);
	report_what(problems, 0,
		    "recovery.alert: only the file that keepnatd was started with can change it");
	report_mend(problems, "change it there and run keepnat reload without a file; or write what it is");
	return -EPERM;
}

static void order_run(struct keepnat *k, struct reload_order *order)
{
	struct settings *settings = NULL;
	int error;

	if (!order->text) {
		file_reload(k, &order->result);
	} else {
		error = settings_parse(order->text, order->size, order->name, &settings,
				       &order->result.problems);
		if (!error) {
			error = alert_check(k, settings, &order->result.problems);
			if (error)
				settings_free(settings);
		}
		result_make(k, settings, error, true, &order->result);
	}
	result_tell(k, &order->result);
	order->done(order);
}

void reload_run(struct keepnat *k)
{
	struct reload_order *order;
	eventfd_t count;

	(void)eventfd_read(k->reloads->fd, &count);
	while ((order = order_take(k->reloads)))
		order_run(k, order);
}

void reload_again(struct keepnat *k)
{
	struct reload_result *result = calloc(1, sizeof(*result));

	if (!result)
		return;
	file_reload(k, result);
	result_tell(k, result);
	free(result);
}

void reload_close(struct keepnat *k)
{
	struct reloads *r = k->reloads;
	struct reload_order *order;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->closed = true;
	pthread_mutex_unlock(&r->lock);
	while ((order = order_take(r))) {
		order->result.end = RELOAD_IMPOSSIBLE;
		report_init(&order->result.problems, order->name);
		report_what(&order->result.problems, 0, "keepnatd is stopping");
		report_mend(&order->result.problems, "start it with this configuration");
		order->done(order);
	}
}

void reload_stop(struct keepnat *k, bool leave)
{
	struct reloads *r = k->reloads;

	(void)leave;
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	pthread_mutex_destroy(&r->lock);
	free(r);
	k->reloads = NULL;
}
