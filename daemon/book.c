// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "daemon/book.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/sweep.h"
#include "daemon/blackbox.h"
#include "daemon/book_sink.h"
#include "daemon/config.h"
#include "daemon/crash.h"
#include "daemon/keepnat.h"
#include "daemon/list.h"
#include "daemon/loader.h"
#include "daemon/log.h"
#include "daemon/usage.h"

#define BOOK_MAGIC 0x31746c6974706e6bull

enum {
	WAIT_MS = 200,
	STOP_MS = 2000,
	TIME_AHEAD = 64,
	CLOCK_OFF_MS = 250,
	WATCHES = 7,
	AGAIN_MS = 60000,
	UNKNOWN_MS = 2000,
	NEARLY = 90,
	HOSTS_TOLD = 64
};

/* What was told of, on disk (in /run, memory): good for the arrays with this seed, and so many slots. */
struct book_file {
	u64 magic, seed;
	u64 slots,
		flows; /* flows: 0 if sessions are not told of; theirs come behind the others, and behind these those of bindings */
	struct trail_entry entries[];
};

/* Packets that each shortage has cost so far, and when it may be told of again. */
struct watches {
	bool begun; /* the counters are known: they are older than this process */
	struct watched {
		u64 packets, again;
	} of[MAX_OUTSIDE][WATCHES];
};

/* How full what may run out is said to be. */
struct thresholds {
	u64 passes; /* of the sweep that counted */
	u8 pools[MAX_OUTSIDE], mappings, hosts;
};

struct book {
	struct keepnat *k;
	struct trail trail;
	struct book_file *file;
	size_t file_size;
	struct book_names names;
	struct sink sinks[BOOK_SINKS];
	unsigned int sink_count;
	u32 asked; /* the time of the sweep when the clock was last read: then tick had begun... */
	u32 tick;
	u64 tick_begin; /* ...at this time, in milliseconds since 1970; all for the thread of the sweep */
	int wake;	/* eventfd */
	bool stop, reopen;
	pthread_t thread;
	pthread_mutex_t lock;	/* over what is pushed */
	struct watches watches; /* these two are the main thread's */
	struct thresholds thresholds;
};

static u64 clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (u64)now.tv_sec * 1000 + (u64)now.tv_nsec / 1000000;
}

/*
 * Records come
 */

/* When the present tick began. Who looks twice shall see the same, so only what is clearly another time counts. */
static void tick_begins(struct book *b)
{
	u32 parts, tick = loader_clock(b->k->loader, &parts);
	u64 is = clock_ms(CLOCK_REALTIME) - (u64)parts * 1000 / LOADER_CLOCK_PARTS;
	u64 expected = b->tick_begin + (u64)((tick - b->tick) & TIME) * 1000;
	u64 off = is > expected ? is - expected : expected - is;

	b->tick = tick;
	b->tick_begin = off < CLOCK_OFF_MS ? expected : is;
}

/* Milliseconds since 1970 of when this tick began, which is one of the past. */
static u64 tick_time(struct book *b, u32 tick)
{
	u32 now = b->trail.nat->now, ago;

	if (now != b->asked || !b->tick_begin) {
		b->asked = now;
		tick_begins(b);
	}
	ago = (b->tick - tick) & TIME;
	return ago > TIME - TIME_AHEAD ? b->tick_begin + (u64)(TIME + 1 - ago) * 1000
				       : b->tick_begin - (u64)ago * 1000;
}

/* To all destinations, or, if one of them has to be waited for, to none. Any thread. */
static bool book_push(struct book *b, const struct trail_record *record)
{
	bool ready = true;

	pthread_mutex_lock(&b->lock);
	for (unsigned int i = 0; i < b->sink_count; i++)
		ready = ready && sink_ready(&b->sinks[i]);
	for (unsigned int i = 0; ready && i < b->sink_count; i++)
		sink_push(&b->sinks[i], record);
	pthread_mutex_unlock(&b->lock);
	if (ready)
		(void)eventfd_write(b->wake, 1);
	return ready;
}

static bool book_take(void *context, const struct trail_record *record)
{
	struct book *b = context;
	struct trail_record mine = *record;

	mine.when = tick_time(b, (u32)record->when);
	mine.since = record->since ? tick_time(b, (u32)record->since) : 0;
	return book_push(b, &mine);
}

void book_follow(struct keepnat *k, struct sweep *sweep)
{
	struct book *b = k->book;

	if (!b)
		return;
	b->trail.nat = sweep->nat;
	trail_follow(&b->trail, sweep);
}

/*
 * What has run out
 */

static const struct {
	u32 reasons[3];	      /* that count it; 0, which is REASON_out_session: no more */
	enum trail_kind kind; /* TRAIL_KINDS: it is to be seen which */
	enum trail_quota quota;
} watched[WATCHES] = {
	{ { REASON_no_free_address }, TRAIL_ADDRESSES_EXHAUSTED, 0 },
	{ { REASON_told_full }, TRAIL_KINDS, 0 },
	{ { REASON_no_port, REASON_told_no_port }, TRAIL_PORTS_EXHAUSTED, 0 },
	{ { REASON_flows_full, REASON_out_from_mapping }, TRAIL_QUOTA_EXCEEDED, TRAIL_SESSIONS },
	{ { REASON_mappings_full }, TRAIL_QUOTA_EXCEEDED, TRAIL_MAPPINGS },
	{ { REASON_hosts_full }, TRAIL_QUOTA_EXCEEDED, TRAIL_HOSTS },
	{ { REASON_host_mappings, REASON_host_sessions, REASON_told_limit },
	  TRAIL_QUOTA_EXCEEDED,
	  TRAIL_OF_HOST },
};

/* Of each outside address that has no free port of a protocol; or of the interface, where hosts may not have those that are free. */
static bool ports_tell(struct book *b, struct list_view *view, struct trail_record *record)
{
	static const u8 protocols[] = {
		[CLASS_UDP] = IPPROTO_UDP, [CLASS_TCP] = IPPROTO_TCP, [CLASS_ICMP] = IPPROTO_ICMP
	};
	const struct list_filter filter = { .by_interface = true, .interface = record->interface };
	struct pool_row row;
	bool told = false;

	for (u32 at = 0; at < list_slots(view, LIST_POOLS); at++) {
		if (!list_pool(view, &filter, at, &row) || !(row.flags & ADDRESS_POOL))
			continue;
		for (u32 class = 0; class < sizeof(protocols); class ++) {
			if (row.free[class])
				continue;
			record->outside = row.address;
			record->protocol = protocols[class];
			told = book_push(b, record) || told;
		}
	}
	return told || book_push(b, record);
}

/* Of each host, some of them, that has as many as it may. */
static bool hosts_tell(struct book *b, struct list_view *view, struct trail_record *record)
{
	const struct list_filter filter = { .by_interface = true, .interface = record->interface };
	const struct limit *all = &b->k->settings->nat.limits.all;
	unsigned int told = 0;
	struct host_row row;

	for (u32 at = 0; at < list_slots(view, LIST_HOSTS) && told < HOSTS_TOLD; at++) {
		if (!list_host(view, &filter, at, &row) || !row.counted)
			continue;
		bool mappings = all->mappings && row.mappings >= all->mappings;
		if (!mappings && !(all->sessions && row.sessions >= all->sessions))
			continue;
		record->inside = row.inside_address;
		record->count = mappings ? all->mappings : all->sessions;
		told += book_push(b, record);
	}
	return told;
}

static bool is_nearly_full(struct keepnat *k, enum usage_table table)
{
	struct usage usage = usage_of_table(k, table);

	return usage.used * 100 >= usage.capacity * NEARLY;
}

/* A table is full, or there is no address: the one reason for all of them does not say which. */
static void full_name(struct keepnat *k, struct trail_record *record)
{
	bool mappings = is_nearly_full(k, USAGE_MAPPINGS), hosts = is_nearly_full(k, USAGE_HOSTS);

	record->kind = mappings || hosts ? TRAIL_QUOTA_EXCEEDED : TRAIL_ADDRESSES_EXHAUSTED;
	record->quota = mappings ? TRAIL_MAPPINGS : hosts ? TRAIL_HOSTS : 0;
}

/* False: nobody is known of whom to tell. */
static bool watch_tell(struct book *b, struct list_view *view, u32 interface, unsigned int which)
{
	const struct sizes *sizes = &b->k->sizes;
	struct trail_record record = { .kind = watched[which].kind,
				       .quota = (u8)watched[which].quota,
				       .interface = (u8)interface,
				       .when = clock_ms(CLOCK_REALTIME) };

	if (record.kind == TRAIL_KINDS)
		full_name(b->k, &record);
	if (record.kind == TRAIL_PORTS_EXHAUSTED)
		return ports_tell(b, view, &record);
	if (record.quota == TRAIL_OF_HOST)
		return hosts_tell(b, view, &record);
	record.count = record.quota == TRAIL_SESSIONS	? sizes->sessions
		       : record.quota == TRAIL_MAPPINGS ? sizes->mappings
		       : record.quota == TRAIL_HOSTS	? sizes->hosts
							: 0;
	return book_push(b, &record);
}

static u64 watch_packets(const struct list_view *view, u32 interface, unsigned int which)
{
	u64 packets = 0;

	for (unsigned int i = 0; i < 3 && watched[which].reasons[i]; i++)
		packets += list_reason(view, interface, (enum reason)watched[which].reasons[i]).packets;
	return packets;
}

/*
 * What is about to run out
 */

/* kind and, downwards, low: TRAIL_KINDS is told to nobody. What is not taken now is told after the next pass. */
static void threshold_look(struct book *b, const struct usage *usage, u64 things, u8 *told,
			   struct trail_record record, enum trail_kind low)
{
	enum usage_level level = usage_level((enum usage_level) * told, usage);
	bool falls = level == USAGE_NORMAL;

	if (falls != !*told) {
		record.kind = falls ? low : record.kind;
		record.when = clock_ms(CLOCK_REALTIME);
		record.count = usage_threshold(things, falls ? USAGE_NORMAL : USAGE_HIGH);
		if (record.kind != TRAIL_KINDS && !book_push(b, &record))
			return;
	}
	*told = (u8)level;
}

/* The pool's addresses where each is one host's alone, else the ports of that class of which most are used. */
static struct usage pool_usage(const struct list_view *view, u32 interface, u32 addresses,
			       const struct usage ports[PORT_AREAS])
{
	struct usage most = { addresses, addresses };

	if (list_address_only(view, interface)) {
		for (u32 i = 0; i < ADDRESS_WORDS; i++)
			most.used -= (u64)__builtin_popcountll(LOAD(&view->nat.config->vacant[interface][i]));
		return most;
	}
	most = ports[0];
	for (u32 class = 1; class < PORT_AREAS; class ++)
		if (ports[class].used > most.used) /* all have the same capacity */
			most = ports[class];
	return most;
}

static void thresholds_look(struct book *b, struct list_view *view)
{
	struct thresholds *t = &b->thresholds;
	struct usage ports[MAX_OUTSIDE][PORT_AREAS];
	struct usage mappings = usage_of_table(b->k, USAGE_MAPPINGS),
		     hosts = usage_of_table(b->k, USAGE_HOSTS);
	u32 addresses[MAX_OUTSIDE];

	threshold_look(b, &mappings, mappings.capacity, &t->mappings,
		       (struct trail_record){ .kind = TRAIL_MAPPINGS_HIGH }, TRAIL_KINDS);
	threshold_look(b, &hosts, hosts.capacity, &t->hosts,
		       (struct trail_record){ .kind = TRAIL_BINDINGS_HIGH }, TRAIL_KINDS);
	usage_of_pools(view, ports, addresses);
	for (u32 i = 0; i < MAX_OUTSIDE; i++) {
		struct usage usage = pool_usage(view, i, addresses[i], ports[i]);

		if (addresses[i])
			threshold_look(b, &usage, addresses[i], &t->pools[i],
				       (struct trail_record){ .kind = TRAIL_POOL_HIGH, .interface = (u8)i },
				       TRAIL_POOL_LOW);
	}
}

/* Has the sweep counted since? */
static bool is_counted_anew(struct keepnat *k, u64 *passes)
{
	u64 before = *passes;

	pthread_mutex_lock(&k->lock);
	*passes = k->sweep.passes;
	pthread_mutex_unlock(&k->lock);
	return *passes != before;
}

void book_look(struct keepnat *k)
{
	struct book *b = k->book;
	u64 now = clock_ms(CLOCK_MONOTONIC);
	struct list_view view;

	if (!b || !k->settings->log.limits)
		return;
	list_open(&view, k);
	for (u32 i = 0; i < MAX_OUTSIDE; i++)
		for (unsigned int which = 0; which < WATCHES; which++) {
			struct watched *w = &b->watches.of[i][which];
			u64 packets = watch_packets(&view, i, which);

			if (b->watches.begun && packets != w->packets && now >= w->again && *view.names[i]) {
				bool told = watch_tell(b, &view, i, which);

				w->again = now + (told ? AGAIN_MS : UNKNOWN_MS);
			}
			w->packets = packets;
		}
	b->watches.begun = true;
	if (is_counted_anew(k, &b->thresholds.passes))
		thresholds_look(b, &view);
}

/*
 * Records go
 */

static void names_take(struct book *b)
{
	struct keepnat *k = b->k;

	pthread_mutex_lock(&k->lock);
	for (unsigned int i = 0; i < k->interface_count; i++)
		snprintf(b->names.interfaces[k->interfaces[i].number % MAX_INTERFACES], SETTINGS_NAME_SIZE,
			 "%s", k->interfaces[i].name);
	pthread_mutex_unlock(&k->lock);
}

/* Until there is something to do, or a while. */
static void book_wait(struct book *b)
{
	struct pollfd fds[BOOK_SINKS + 1] = { { .fd = b->wake, .events = POLLIN } };
	eventfd_t count;

	for (unsigned int i = 0; i < b->sink_count; i++)
		fds[i + 1].fd = sink_fd(&b->sinks[i], &fds[i + 1].events);
	if (poll(fds, b->sink_count + 1, WAIT_MS) > 0 && fds[0].revents)
		(void)eventfd_read(b->wake, &count);
}

static bool sinks_run(struct book *b)
{
	bool reopen = __atomic_exchange_n(&b->reopen, false, __ATOMIC_ACQ_REL), idle = true;
	u64 now = clock_ms(CLOCK_MONOTONIC), wall = clock_ms(CLOCK_REALTIME);

	for (unsigned int i = 0; i < b->sink_count; i++) {
		if (reopen)
			sink_reopen(&b->sinks[i]);
		sink_run(&b->sinks[i], &b->names, now, wall);
		idle = idle && sink_idle(&b->sinks[i]);
	}
	return idle;
}

static void *book_run(void *context)
{
	struct book *b = context;
	struct blackbox_thread *life;
	u64 end = 0;

	crash_thread();
	life = b->k->box ? blackbox_join(b->k->box, "log", false) : NULL;
	blackbox_doing(life, "log");
	for (;;) {
		blackbox_beat(life);
		names_take(b);
		bool idle = sinks_run(b);

		if (__atomic_load_n(&b->stop, __ATOMIC_ACQUIRE)) {
			u64 now = clock_ms(CLOCK_MONOTONIC);

			end = end ? end : now + STOP_MS;
			if (idle || now >= end)
				return NULL;
		}
		book_wait(b);
	}
}

/*
 * Start and stop
 */

static void book_path(const struct keepnat *k, char path[sizeof(k->run_dir) + 16])
{
	snprintf(path, sizeof(k->run_dir) + 16, "%s/log.told", k->run_dir);
}

static int file_map(struct book *b)
{
	const struct config *c = b->k->nat.config;
	u64 flows = b->k->settings->log.sessions ? c->flow_mask + 1ull : 0;
	u64 hosts = b->k->settings->log.bindings ? c->host_mask + 1ull : 0;
	u64 slots = c->mapping_mask + 1ull, seed = c->seed[0] ^ c->seed[1] * 3;
	char path[sizeof(b->k->run_dir) + 16];
	int fd, error = 0;

	book_path(b->k, path);
	b->file_size = sizeof(*b->file) + (slots + hosts) * sizeof(struct trail_entry) +
		       flows * sizeof(struct trail_flow);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (!ftruncate(fd, (off_t)b->file_size))
		b->file = mmap(NULL, b->file_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!b->file || b->file == MAP_FAILED) {
		error = -errno;
		b->file = NULL;
	} else if (b->file->magic != BOOK_MAGIC || b->file->seed != seed || b->file->slots != slots ||
		   b->file->flows != flows) {
		/* Of other arrays: what is in these is told of anew, with the times that it has. */
		error = ftruncate(fd, 0) || ftruncate(fd, (off_t)b->file_size) ? -errno : 0;
		if (!error)
			*b->file = (struct book_file){
				.magic = BOOK_MAGIC, .seed = seed, .slots = slots, .flows = flows
			};
	}
	close(fd);
	return error;
}

static int sinks_open(struct book *b)
{
	const struct settings_log *log = &b->k->settings->log;
	const struct {
		const struct sink_format *format;
		const char *target;
	} all[] = { { &book_json, log->json }, { &book_syslog, log->syslog }, { &book_ipfix, log->ipfix } };

	for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int error;

		if (!*all[i].target)
			continue;
		error = sink_open(&b->sinks[b->sink_count++], all[i].format, all[i].target, log->queue,
				  log->rate);
		if (error)
			return error;
	}
	return 0;
}

static void book_free(struct book *b)
{
	for (unsigned int i = 0; i < b->sink_count; i++)
		sink_close(&b->sinks[i]);
	if (b->file)
		munmap(b->file, b->file_size);
	if (b->wake >= 0)
		close(b->wake);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static bool book_wanted(const struct settings_log *log) { return *log->json || *log->syslog || *log->ipfix; }

static void book_forget(const struct keepnat *k)
{
	char path[sizeof(k->run_dir) + 16];

	book_path(k, path);
	unlink(path);
}

static int book_begin(struct book *b)
{
	const struct settings_log *log = &b->k->settings->log;
	struct trail_flow *flows;
	int error = b->wake < 0 ? -errno : sinks_open(b);

	if (!error)
		error = file_map(b);
	if (error)
		return error;
	flows = (struct trail_flow *)&b->file->entries[b->file->slots];
	b->trail =
		(struct trail){ .entries = b->file->entries,
				.flows = b->file->flows ? flows : NULL,
				.hosts = log->bindings ? (struct trail_entry *)&flows[b->file->flows] : NULL,
				.mappings = (enum trail_mappings)log->mappings,
				.blocks = log->blocks,
				.take = book_take,
				.context = b };
	b->names.instance = b->k->instance;
	if (gethostname(b->names.host, sizeof(b->names.host) - 1))
		snprintf(b->names.host, sizeof(b->names.host), "-");
	names_take(b);
	return -pthread_create(&b->thread, NULL, book_run, b);
}

int book_start(struct keepnat *k)
{
	struct book *b;
	int error;

	if (!book_wanted(&k->settings->log)) {
		book_forget(k);
		return 0;
	}
	b = calloc(1, sizeof(*b));
	if (b) {
		b->k = k;
		pthread_mutex_init(&b->lock, NULL);
		b->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	error = b ? book_begin(b) : -ENOMEM;
	if (error) {
		log_error("log: cannot keep what was logged in %s: %s; free memory there", k->run_dir,
			  strerror(-error));
		if (b)
			book_free(b);
		return error;
	}
	pthread_setname_np(b->thread, "keepnat-log");
	k->book = b;
	return 0;
}

void book_stop(struct keepnat *k, bool leave)
{
	struct book *b = k->book;

	if (!b)
		return;
	k->book = NULL;
	__atomic_store_n(&b->stop, true, __ATOMIC_RELEASE);
	(void)eventfd_write(b->wake, 1);
	pthread_join(b->thread, NULL);
	book_free(b);
	if (!leave)
		book_forget(k);
}

void book_reopen(struct keepnat *k)
{
	if (!k->book)
		return;
	__atomic_store_n(&k->book->reopen, true, __ATOMIC_RELEASE);
	(void)eventfd_write(k->book->wake, 1);
}

/*
 * Asking
 */

unsigned int book_reports(struct keepnat *k, struct book_report reports[BOOK_SINKS])
{
	const struct book *b = k->book;

	for (unsigned int i = 0; b && i < b->sink_count; i++) {
		const struct sink *s = &b->sinks[i];
		u64 arrived = __atomic_load_n(&s->arrived, __ATOMIC_ACQUIRE);

		reports[i] = (struct book_report){
			.format = s->format->name,
			.up = __atomic_load_n(&s->up, __ATOMIC_RELAXED),
			.written = arrived,
			.waiting = __atomic_load_n(&s->pushed, __ATOMIC_ACQUIRE) - arrived,
			.lost = __atomic_load_n(&s->lost, __ATOMIC_RELAXED),
			.failures = __atomic_load_n(&s->failures, __ATOMIC_RELAXED),
		};
		snprintf(reports[i].target, sizeof(reports[i].target), "%s", s->target);
	}
	return b ? b->sink_count : 0;
}

u64 book_missed(const struct keepnat *k)
{
	return k->book ? __atomic_load_n(&k->book->trail.lost, __ATOMIC_RELAXED) : 0;
}
