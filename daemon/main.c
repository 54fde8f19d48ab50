// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * keepnatd - the daemon. main() is the small parent's (supervise.h), run() the worker's. One list holds start and its mirror: steps[] is
 * run from its head at the start, each undone from its tail at the stop. What follows a failed step never began.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "daemon/api.h"
#include "daemon/api_door.h"
#include "daemon/arp.h"
#include "daemon/blackbox.h"
#include "daemon/book.h"
#include "daemon/claim.h"
#include "daemon/config.h"
#include "daemon/crash.h"
#include "daemon/crash_store.h"
#include "daemon/defrag.h"
#include "daemon/deputy.h"
#include "daemon/event.h"
#include "daemon/forwarding.h"
#include "daemon/hold.h"
#include "daemon/keepnat.h"
#include "daemon/kept.h"
#include "daemon/link.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "daemon/machine.h"
#include "daemon/privileges.h"
#include "daemon/publish.h"
#include "daemon/record.h"
#include "daemon/reload.h"
#include "daemon/shortage.h"
#include "daemon/snapshot.h"
#include "daemon/supervise.h"
#include "daemon/sweeper.h"
#include "daemon/unsolicited.h"
#include "daemon/usage.h"
#include "daemon/watch.h"
#include "version.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { STOP_DOWN = 1, STOP_DETACH = 2 }; /* what is written to stop_fd */
enum { BEAT_MS = 500, LOOK_AGAIN_BEATS = 10 };

/*
 * Arguments
 */

struct arguments {
	const char *config, *instance, *run_dir, *state_dir, *pin_dir;
	const char *inside, *outside, *pool;
	bool try;
};

static void usage(FILE *file)
{
	fputs("usage: keepnatd --config FILE [--instance NAME] [--run-dir DIR] [--state-dir DIR] [--pin-dir "
	      "DIR]\n"
	      "       keepnatd --inside IF --outside IF [--pool RANGE[,RANGE...]] [--instance NAME] ...\n"
	      "       keepnatd ... --try\n"
	      "       keepnatd --help | --version\n",
	      file);
}

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },  { "instance", required_argument, NULL, 'i' },
	{ "run-dir", required_argument, NULL, 'r' }, { "state-dir", required_argument, NULL, 's' },
	{ "pin-dir", required_argument, NULL, 'p' }, { "inside", required_argument, NULL, 'I' },
	{ "outside", required_argument, NULL, 'O' }, { "pool", required_argument, NULL, 'P' },
	{ "try", no_argument, NULL, 't' },	     { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'v' },	     { NULL, 0, NULL, 0 },
};

static const char **argument_for(struct arguments *a, int option)
{
	switch (option) {
	case 'c':
		return &a->config;
	case 'i':
		return &a->instance;
	case 'r':
		return &a->run_dir;
	case 's':
		return &a->state_dir;
	case 'p':
		return &a->pin_dir;
	case 'I':
		return &a->inside;
	case 'O':
		return &a->outside;
	case 'P':
		return &a->pool;
	default:
		return NULL;
	}
}

/* NULL: they go together. Else what does not. */
static const char *arguments_wrong(const struct arguments *a)
{
	if (a->config && (a->inside || a->outside || a->pool))
		return "--config and --inside, --outside, --pool exclude each other";
	if (!a->config && (!a->inside || !a->outside))
		return "--config FILE is needed, or --inside IF and --outside IF";
	if (!*a->instance || strlen(a->instance) > 32 ||
	    strspn(a->instance, "abcdefghijklmnopqrstuvwxyz"
				"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				"0123456789_-") != strlen(a->instance))
		return "--instance is a name of up to 32 letters, digits, '-' and '_'";
	return NULL;
}

/* -1: go on; else what to exit with. */
static int arguments_parse(struct arguments *a, int argc, char **argv)
{
	const char **value, *wrong;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		value = argument_for(a, option);
		if (value) {
			*value = optarg;
		} else if (option == 't') {
			a->try = true;
		} else if (option == 'h') {
			usage(stdout);
			return EXIT_DONE;
		} else if (option == 'v') {
			puts("keepnatd " KEEPNAT_VERSION);
			return EXIT_DONE;
		} else {
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	wrong = optind < argc ? "there are no other arguments" : arguments_wrong(a);
	if (!wrong)
		return -1;
	fprintf(stderr, "keepnatd: wrong usage: %s\n", wrong);
	usage(stderr);
	return EXIT_USAGE;
}

/* A folder as given, or that of the instance below `above`. 0 or -ENAMETOOLONG. */
static int folder_choose(char *out, size_t size, const char *given, const char *above, const char *instance)
{
	int n = given ? snprintf(out, size, "%s", given) : snprintf(out, size, "%s/%s", above, instance);

	if (n < (int)size)
		return 0;
	log_error("%s: too long for the path of a folder; choose a shorter one", given ? given : instance);
	return -ENAMETOOLONG;
}

static int arguments_apply(struct keepnat *k, const struct arguments *a)
{
	struct settings_report report;
	int error;

	k->instance = a->instance;
	k->config = a->config;
	error = folder_choose(k->run_dir, sizeof(k->run_dir), a->run_dir, "/run/keepnat", a->instance);
	if (!error)
		error = folder_choose(k->state_dir, sizeof(k->state_dir), a->state_dir, "/var/lib/keepnat",
				      a->instance);
	if (!error)
		error = folder_choose(k->pin_dir, sizeof(k->pin_dir), a->pin_dir, "/sys/fs/bpf/keepnat",
				      a->instance);
	if (error)
		return error;
	error = kept_load(k, k->box && k->box->crashes, &k->settings, &report);
	if (error && a->config)
		error = settings_load(a->config, &k->settings, &report);
	else if (error)
		error = settings_simple(a->inside, a->outside, a->pool, &k->settings, &report);
	if (error)
		settings_report_print(stderr, "error", &report);
	else
		settings_report_print(stderr, "warning", &k->settings->warnings);
	return error;
}

/*
 * Steps
 */

static int folders_start(struct keepnat *k)
{
	const char *const paths[] = { k->run_dir, k->state_dir };

	for (unsigned int i = 0; i < 2; i++) {
		int error = machine_folder(paths[i]);

		if (!error)
			continue;
		log_error("cannot make the folder %s: %s; choose another --run-dir or --state-dir", paths[i],
			  strerror(-error));
		return error;
	}
	return claims_open(k);
}

static void folders_stop(struct keepnat *k, bool leave)
{
	(void)leave;
	claims_close(k);
}

static int machine_start(struct keepnat *k)
{
	int cpus = (int)sysconf(_SC_NPROCESSORS_CONF);

	sizes_choose(&k->sizes, k->settings, machine_memory(MACHINE_MEMORY_TOTAL), cpus > 0 ? (u32)cpus : 1);
	return machine_check();
}

static void interfaces_stop(struct keepnat *k, bool leave)
{
	(void)leave;
	link_stop(k);
}

static int hooks_start(struct keepnat *k)
{
	int error = link_up(k);

	if (!error)
		publish_former(k);
	return error;
}

static void sweep_stop(struct keepnat *k, bool leave)
{
	(void)leave;
	sweeper_stop(k);
}

static int doors_start(struct keepnat *k)
{
	int error = api_open(k);

	if (error)
		log_error("cannot serve the API in %s: %s; choose another --run-dir", k->run_dir,
			  strerror(-error));
	return error ? error : door_listen(k);
}

static void doors_stop(struct keepnat *k, bool leave)
{
	(void)leave;
	api_stop(k);
}

static int privileges_start(struct keepnat *k)
{
	(void)k;
	return privileges_drop(PRIVILEGES_WORKER);
}

static int control_start(struct keepnat *k)
{
	int error = api_start(k);

	if (error)
		log_error("cannot serve the API: %s; free memory", strerror(-error));
	return error;
}

static void control_stop(struct keepnat *k, bool leave)
{
	reload_close(k);
	doors_stop(k, leave);
}

static const struct step {
	const char *name;
	int (*start)(struct keepnat *k);
	void (*stop)(struct keepnat *k, bool leave); /* after its start, whether that succeeded or not */
} steps[] = {
	{ "machine", machine_start, NULL },	       /* kernel, capabilities, sizes */
	{ "folders", folders_start, folders_stop },    /* this instance is ours */
	{ "link", link_start, interfaces_stop },       /* the interfaces are there, and ours */
	{ "loader", loader_open, loader_close },       /* arrays and programs */
	{ "publish", publish_start, publish_stop },    /* the configuration */
	{ "snapshot", snapshot_start, snapshot_stop }, /* what was, if nothing is there */
	{ "watch", watch_start, watch_stop },	       /* before there are leases */
	{ "unsolicited", unsolicited_start, unsolicited_stop },
	{ "hooks", hooks_start, link_down }, /* addresses and hooks: from here on packets meet the programs */
	{ "sockets", loader_sockets_start, loader_sockets_stop }, /* the router's own way to port mappings */
	{ "deputy", deputy_start, deputy_stop },		  /* what takes CAP_SYS_ADMIN is its own */
	{ "defrag", defrag_start, defrag_stop },		  /* where fragments are put in order */
	{ "forwarding", forwarding_start, forwarding_stop },	  /* only now, and first to go */
	{ "doors", doors_start, doors_stop },			  /* the API's sockets */
	{ "privileges", privileges_start,
	  NULL }, /* all that takes more is done, and there are no threads yet */
	{ "log", book_start, book_stop },
	{ "sweep", sweeper_start, sweep_stop },
	{ "check", loader_check, NULL },
	{ "reload", reload_start, reload_stop },
	{ "snapshots", snapshot_run, NULL },
	{ "control", control_start, control_stop },
	{ "settle", loader_settle, NULL }, /* from here on nothing fails */
};

enum { STEPS = sizeof(steps) / sizeof(steps[0]) };

static void steps_undo(struct keepnat *k, unsigned int begun, bool leave)
{
	while (begun--) {
		blackbox_doing(k->life, "stop, %s", steps[begun].name);
		if (steps[begun].stop) {
			steps[begun].stop(k, leave);
			FAULT_NAMED("stop_", steps[begun].name);
		}
	}
}

/* A start that fails leaves things as it found them: what an earlier daemon left running goes on. */
static int steps_start(struct keepnat *k)
{
	for (unsigned int i = 0; i < STEPS; i++) {
		int error;

		blackbox_doing(k->life, "start, %s", steps[i].name);
		error = steps[i].start(k);
		FAULT_NAMED("start_", steps[i].name);
		if (!error)
			continue;
		bool leave = k->loader && loader_found(k->loader);
		steps_undo(k, i + 1, leave);
		blackbox_doing(k->life, "start, %s", steps[i].name); /* what it failed in */
		if (leave)
			log_notice("what an earlier keepnatd left running goes on");
		return error;
	}
	return 0;
}

/*
 * The loop
 */

static int signals_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* 0, or STOP_DOWN. */
static unsigned int signal_take(struct keepnat *k, int fd)
{
	struct signalfd_siginfo info;

	while (read(fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGHUP)
			return STOP_DOWN;
		book_reopen(k);
		reload_again(k);
	}
	return 0;
}

/* 0, STOP_DOWN or STOP_DETACH. */
static unsigned int stop_take(int fd)
{
	eventfd_t value;

	if (eventfd_read(fd, &value))
		return 0;
	return value == STOP_DETACH ? STOP_DETACH : STOP_DOWN;
}

/* How an upgrade ended, once. */
static void upgrade_tell(struct keepnat *k)
{
	struct blackbox_upgrade *u = &k->box->upgrade;
	u32 state = __atomic_load_n(&u->state, __ATOMIC_ACQUIRE);

	if (u->told == u->number)
		return;
	if (state == UPGRADE_DONE)
		event_tell(k, EVENT_upgraded, "", "version " KEEPNAT_VERSION " is in the place of %.31s",
			   u->other);
	else if (state == UPGRADE_ROLLED_BACK)
		event_tell(k, EVENT_upgrade_rolled_back, "",
			   "version %.31s did not serve, %.200s; version " KEEPNAT_VERSION " goes on",
			   u->other, u->said);
	else if (state == UPGRADE_REFUSED)
		event_tell(k, EVENT_upgrade_refused, "", "%.280s", u->said);
	else
		return;
	u->told = u->number;
}

/* Until somebody asks for the end. What they asked for. */
static unsigned int loop_run(struct keepnat *k, int signals)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },	    { .fd = k->stop_fd, .events = POLLIN },
		{ .fd = link_fd(k), .events = POLLIN },	    { .fd = arp_fd(k->arp), .events = POLLIN },
		{ .fd = watch_fd(k, 0), .events = POLLIN }, { .fd = watch_fd(k, 1), .events = POLLIN },
		{ .fd = events_fd(k), .events = POLLIN },   { .fd = reload_fd(k), .events = POLLIN },
		{ .fd = deputy_fd(k), .events = POLLIN },
	};
	struct shortages shortages = { 0 };
	struct usages usages = { 0 };
	unsigned int stop = 0, idle = 0;

	while (!stop) {
		int n = poll(fds, sizeof(fds) / sizeof(fds[0]), BEAT_MS);

		blackbox_beat(k->life);
		if (n < 0)
			continue;
		watch_look(k);
		shortages_look(k, &shortages, (u64)time(NULL));
		usages_look(k, &usages);
		loader_pins_look(k);
		record_look(k, time(NULL));
		book_look(k);
		unsolicited_run(k);
		fds[5].fd = watch_fd(k, 1);
		if (fds[0].revents)
			stop = signal_take(k, signals);
		if (!stop && fds[1].revents)
			stop = stop_take(k->stop_fd);
		if (!stop && fds[2].revents) {
			link_event(k);
			defrag_check(k);
		}
		if (!stop && fds[3].revents)
			arp_run(k->arp);
		if (fds[6].revents) {
			events_seen(k);
			n--;
		}
		if (fds[8].revents) {
			log_error("its deputy is gone");
			exit(EXIT_FAILED); /* the parent starts both anew */
		}
		api_beat(k);
		if (!stop && fds[7].revents)
			reload_run(k);
		upgrade_tell(k);
		if (!stop && __atomic_load_n(&k->box->upgrade.leave, __ATOMIC_ACQUIRE))
			stop = STOP_DETACH;
		idle = n ? 0 : idle + 1;
		if (idle == LOOK_AGAIN_BEATS) {
			link_refresh(k);
			defrag_check(k);
			idle = 0;
		}
	}
	return stop;
}

static int run(struct keepnat *k)
{
	int signals = signals_open(), error;
	unsigned int stop;

	k->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (signals < 0 || k->stop_fd < 0) {
		log_error("cannot open its descriptors: %s; raise the limit (ulimit -n)", strerror(errno));
		return EXIT_FAILED;
	}
	error = steps_start(k);
	if (error)
		return EXIT_FAILED;
	kept_save(k);
	forwarding_check(k);
	crash_modules(k->box); /* all libraries are there by now */
	log_info("ready");
	blackbox_doing(k->life, "control");
	blackbox_state(k->box, WORKER_READY);
	event_tell(k, EVENT_started, "", "keepnatd " KEEPNAT_VERSION " translates by %u interfaces%s",
		   k->interface_count,
		   loader_adopted(k->loader) ? ", with the sessions of an earlier one" : "");
	if (k->box->crashes && k->settings->recovery.log)
		event_tell(k, EVENT_recovered, "", "the worker before %s", k->box->former);
	stop = loop_run(k, signals);
	blackbox_state(k->box, WORKER_STOPPING);
	if (!__atomic_load_n(&k->box->upgrade.leave, __ATOMIC_ACQUIRE))
		kept_drop(k);
	log_info(stop == STOP_DETACH ? "stopping; the data path goes on" : "stopping");
	steps_undo(k, STEPS, stop == STOP_DETACH);
	event_tell(k, stop == STOP_DETACH ? EVENT_detached : EVENT_stopped, "",
		   stop == STOP_DETACH ? "ended; the kernel goes on translating"
				       : "ended; the NAT is taken down");
	return EXIT_DONE;
}

/* Could this program take over from the one that runs? Changes nothing, and says why not. */
static int trial(const struct arguments *arguments)
{
	struct keepnat *k = calloc(1, sizeof(*k));
	int error = k ? pthread_mutex_init(&k->lock, NULL) : ENOMEM;

	if (error)
		return EXIT_FAILED;
	error = arguments_apply(k, arguments);
	if (!error)
		error = machine_start(k);
	if (!error)
		error = link_start(k);
	if (!error)
		error = loader_try(k);
	link_stop(k);
	settings_free(k->settings);
	free(k);
	if (!error)
		log_info("version " KEEPNAT_VERSION " can take over");
	return error ? EXIT_FAILED : EXIT_DONE;
}

/* What the parent hands to its worker. */
struct work {
	const struct arguments *arguments;
	struct blackbox *box;
	struct holds *holds;
};

/* What the parent has to know of our settings, and what of us shall be known after a crash. */
static void recovery_prepare(struct keepnat *k)
{
	const struct settings_recovery *settings = &k->settings->recovery;
	bool core = settings->dump == SETTINGS_DUMP_CORE;
	char path[sizeof(k->state_dir) + 16];

	snprintf(k->box->instance, sizeof(k->box->instance), "%s", k->instance);
	snprintf(k->box->state_dir, sizeof(k->box->state_dir), "%s", k->state_dir);
	blackbox_settings(k->box, settings);
	crash_watch(k->box, core);
	crash_store_path(path, sizeof(path), k->state_dir);
	if (core && (machine_folder(path) || chdir(path)))
		log_warning("cannot use %s: %s; a core goes elsewhere", path, strerror(errno));
}

/* The worker. */
static int work(void *context)
{
	const struct work *work = context;
	struct keepnat *k = calloc(1, sizeof(*k));
	int status;

	if (!k)
		return EXIT_FAILED;
	k->started = time(NULL);
	k->box = work->box;
	k->holds = work->holds;
	k->life = blackbox_join(k->box, "main", true);
	blackbox_doing(k->life, "start, configuration");
	pthread_mutex_init(&k->lock, NULL);
	events_open(k);
	status = arguments_apply(k, work->arguments);
	if (!status)
		recovery_prepare(k);
	status = status ? EXIT_FAILED : run(k);
	events_close(k);
	settings_free(k->settings);
	pthread_mutex_destroy(&k->lock);
	free(k);
	return status;
}

int main(int argc, char **argv)
{
	struct arguments arguments = { .instance = "default" };
	static struct holds holds;
	struct work parts = { .arguments = &arguments, .holds = &holds };
	int status = arguments_parse(&arguments, argc, argv);

	if (status >= 0)
		return status;
	if (arguments.try)
		return trial(&arguments);
	parts.box = blackbox_new();
	if (parts.box)
		return supervise(parts.box, &holds, work, &parts, argv);
	log_error("cannot share memory with its worker: %s; free some, or raise the limit (ulimit -n)",
		  strerror(errno));
	return EXIT_FAILED;
}
