// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * traffic FLOWS LOOSE RATE - packets through the NAT between the machines of lib.sh, so many messages a second, or (0) as fast as
 * both ends can, and what became of each of them.
 *
 * FLOWS are kept, in turn UDP from inside, TCP from inside, UDP and TCP from outside by the port mapping OUTSIDE:8000. Each has
 * one message under way at a time, which its far end sends back; IN_FLIGHT at most are under way together, so that no queue of the
 * kernel is too short for them. Beside them new sessions begin all the time, by UDP and TCP, and end. LOOSE flows of UDP go to
 * another server, behind the second uplink; what they may use changes, so only by which outside endpoints they come is noted.
 *
 * What is lost: a datagram that did not come back within LOST, unless it does so later; a segment that TCP sent again, unless its
 * receiver says that it had it twice. What is wrong: a message that came by another outside endpoint than its flow's first.
 *
 * Commands are lines on standard input: "hold" ends what is under way, as soon as there was a message for each flow and a new session
 * since the last hold (or ten seconds later), and prints what was seen since then, as JSON; "go" goes on. Machines: KN-h1 (10.0.0.101 and on), KN-h2 (10.0.1.12), KN-s2 (203.0.113.2 to .4; 192.0.2.129).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	MESSAGE = 64,
	IN_FLIGHT = 256,
	HOSTS = 50,
	MAPPED = 8000,
	SERVER = 7000,
	FIRST_PORT = 20000,
	LOOSE_PORT = 6000
};
enum { NEW_AT_ONCE = 16, HOLD_MS = 10000, NEW_EACH_MS = 10, EVENTS = 512 };
enum { SECOND_MS = 1000, LOST = 2 * SECOND_MS, HOPELESS = 20 * SECOND_MS };
enum kind { UDP_OUT, TCP_OUT, UDP_IN, TCP_IN, KINDS, UDP_LOOSE = KINDS, UDP_NEW, TCP_NEW };
/* What an event is about: a client's socket, the far end of a connection, a server, a listener, the commands. */
enum role { CLIENT, FAR_END, UDP_SERVER, LISTENER, COMMANDS };

struct message {
	uint32_t flow;
	uint32_t kind;
	uint64_t number;
	uint8_t filling[MESSAGE - 16];
};

struct end {
	enum role role;
	int fd;
	uint32_t flow; /* of a client, or of a connection's far end once it has said so; else NOBODY */
	uint32_t have; /* bytes of the message that is being received */
	struct message message;
};

struct flow {
	struct end end;
	enum kind kind;
	bool waits, broken, seen;
	uint64_t number, since; /* of the message under way, and when it was sent */
	struct sockaddr_in far; /* as its server sees it: of the first message */
	struct end *connection; /* of TCP: its far end */
	uint32_t resent;	/* as counted before */
};

struct tally {
	uint64_t sent, answered, lost, late, wrong, broken, resent, new, new_lost, loose_sent, loose_answered,
		pause;
};

static const uint32_t NOBODY = 0xffffffff;
static const char *instance, *wan;
static uint32_t patience = 1; /* all times, on slow machines */
static struct flow *flows, news[NEW_AT_ONCE];
static uint32_t flow_count, kept, loose, rate, in_flight, next_flow, next_new;
static struct tally tally;
static uint64_t began, last_new;
static int loop;

static void die(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_MS + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * Sockets
 */

static void enter(const char *machine)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/run/netns/%s-%s", instance, machine);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET))
		die(path);
	close(fd);
}

static struct sockaddr_in endpoint(const char *address, uint32_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	inet_pton(AF_INET, address, &to.sin_addr);
	return to;
}

/* At this endpoint of the machine that we are in. */
static int socket_at(int type, const char *address, uint32_t port)
{
	struct sockaddr_in own = endpoint(address, port);
	int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, room = 4 << 20;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (type == SOCK_DGRAM && port && port < FIRST_PORT)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(fd, (struct sockaddr *)&own, sizeof(own)))
		die(address);
	return fd;
}

static void watch(struct end *end, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = end };

	if (epoll_ctl(loop, EPOLL_CTL_ADD, end->fd, &event))
		die("epoll");
}

static struct end *end_new(enum role role, int fd)
{
	struct end *end = calloc(1, sizeof(*end));

	if (!end)
		die("memory");
	end->role = role;
	end->fd = fd;
	end->flow = NOBODY;
	watch(end, EPOLLIN);
	return end;
}

static void serve(const char *machine, const char *address, uint32_t port)
{
	int fd;

	enter(machine);
	(void)end_new(UDP_SERVER, socket_at(SOCK_DGRAM, address, port));
	fd = socket_at(SOCK_STREAM, address, port);
	if (listen(fd, 4096))
		die("listen");
	(void)end_new(LISTENER, fd);
}

static bool is_tcp(enum kind kind) { return kind == TCP_OUT || kind == TCP_IN || kind == TCP_NEW; }

static void client_connect(struct flow *f, const char *address, uint32_t port, struct sockaddr_in to)
{
	f->end.role = CLIENT;
	f->end.fd = socket_at(is_tcp(f->kind) ? SOCK_STREAM : SOCK_DGRAM, address, port);
	f->end.have = 0;
	if (connect(f->end.fd, (struct sockaddr *)&to, sizeof(to)) && errno != EINPROGRESS)
		die("connect");
	watch(&f->end, EPOLLIN);
}

/* In the machine where it begins; of a new session, from any port. */
static void flow_open(struct flow *f, uint32_t number, uint32_t port)
{
	bool from_outside = f->kind == UDP_IN || f->kind == TCP_IN;
	char address[32];

	snprintf(address, sizeof(address), from_outside ? "203.0.113.%u" : "10.0.0.%u",
		 from_outside ? 2 + number % 3 : 101 + number / KINDS % HOSTS);
	client_connect(f, address, port,
		       from_outside	      ? endpoint(wan, MAPPED)
		       : f->kind == UDP_LOOSE ? endpoint("192.0.2.129", SERVER)
					      : endpoint("203.0.113.2", SERVER));
}

/*
 * Messages
 */

static void flow_break(struct flow *f)
{
	tally.broken += !f->broken;
	f->broken = true;
	in_flight -= f->waits;
	f->waits = false;
	epoll_ctl(loop, EPOLL_CTL_DEL, f->end.fd, NULL);
}

static void flow_send(struct flow *f)
{
	struct message message = { .flow = f->end.flow, .kind = f->kind, .number = ++f->number };
	ssize_t n = send(f->end.fd, &message, sizeof(message), MSG_NOSIGNAL);

	if (n < 0 && f->kind == UDP_LOOSE)
		return; /* no way there just now, or the error of another one */
	if (n < 0 && !is_tcp(f->kind))
		n = send(f->end.fd, &message, sizeof(message), MSG_NOSIGNAL);
	f->since = now_ms();
	f->waits = true;
	in_flight++;
	tally.sent += f->kind < KINDS;
	tally.loose_sent += f->kind == UDP_LOOSE;
	if (n != sizeof(message) && is_tcp(f->kind))
		flow_break(f);
}

/* The answer to what is under way, or to an earlier one. */
static void flow_answered(struct flow *f, uint64_t number)
{
	uint64_t took = now_ms() - f->since;

	if (number != f->number) {
		tally.late++;
		tally.lost--;
		return;
	}
	if (!f->waits)
		return;
	f->waits = false;
	in_flight--;
	tally.answered += f->kind < KINDS;
	tally.loose_answered += f->kind == UDP_LOOSE;
	if (f->kind < KINDS && took > tally.pause)
		tally.pause = took;
}

/* The server of a flow has heard of it by this endpoint. */
static void flow_seen(uint32_t number, const struct sockaddr_in *from)
{
	struct flow *f;

	if (number >= flow_count)
		return;
	f = &flows[number];
	if (!f->seen || f->kind == UDP_LOOSE)
		f->far = *from;
	else if (f->far.sin_addr.s_addr != from->sin_addr.s_addr || f->far.sin_port != from->sin_port)
		tally.wrong++;
	f->seen = true;
}

static void new_close(struct flow *f)
{
	struct linger at_once = { .l_onoff = 1 };

	if (is_tcp(f->kind))
		setsockopt(f->end.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(f->end.fd);
	f->end.fd = -1;
}

static void new_ends(struct flow *f, bool good)
{
	tally.new ++;
	tally.new_lost += !good;
	new_close(f);
}

static void client_hear(struct end *end, const struct message *message)
{
	struct flow *f = (struct flow *)(void *)end;

	if (f->kind >= UDP_NEW)
		new_ends(f, message->number == f->number);
	else if (message->flow == end->flow)
		flow_answered(f, message->number);
	else if (f->kind < KINDS) /* a port of loose ones may change hands with a message under way */
		tally.wrong++;
}

/* A whole message at *end, or nothing. False: the connection is over. */
static bool stream_read(struct end *end, bool *whole)
{
	ssize_t n = recv(end->fd, (uint8_t *)&end->message + end->have, MESSAGE - end->have, MSG_DONTWAIT);

	*whole = false;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	end->have += (uint32_t)n;
	*whole = end->have == MESSAGE;
	if (*whole)
		end->have = 0;
	return true;
}

static void client_read(struct end *end)
{
	struct flow *f = (struct flow *)(void *)end;
	bool whole;

	if (!is_tcp(f->kind)) {
		while (end->fd >= 0 && recv(end->fd, &end->message, MESSAGE, MSG_DONTWAIT) == MESSAGE)
			client_hear(end, &end->message);
		return;
	}
	if (!stream_read(end, &whole)) {
		if (f->kind >= UDP_NEW)
			new_ends(f, false);
		else
			flow_break(f);
	} else if (whole) {
		client_hear(end, &end->message);
	}
}

static void far_read(struct end *end)
{
	struct sockaddr_in peer;
	socklen_t size = sizeof(peer);
	bool whole;

	if (!stream_read(end, &whole)) {
		if (end->flow < flow_count && flows[end->flow].connection == end)
			flows[end->flow].connection = NULL;
		close(end->fd);
		free(end);
		return;
	}
	if (!whole)
		return;
	if (end->flow == NOBODY && end->message.kind < KINDS && end->message.flow < flow_count) {
		end->flow = end->message.flow;
		flows[end->flow].connection = end;
	}
	if (end->flow != NOBODY && !getpeername(end->fd, (struct sockaddr *)&peer, &size))
		flow_seen(end->flow, &peer);
	(void)!send(end->fd, &end->message, MESSAGE, MSG_NOSIGNAL);
}

static void server_read(struct end *end)
{
	struct sockaddr_in peer;
	struct message message;

	for (;;) {
		socklen_t size = sizeof(peer);

		if (recvfrom(end->fd, &message, MESSAGE, MSG_DONTWAIT, (struct sockaddr *)&peer, &size) !=
		    MESSAGE)
			return;
		if (message.kind <= UDP_LOOSE)
			flow_seen(message.flow, &peer);
		(void)!sendto(end->fd, &message, MESSAGE, MSG_DONTWAIT, (struct sockaddr *)&peer,
			      sizeof(peer));
	}
}

static void listener_read(struct end *end)
{
	int fd;

	while ((fd = accept4(end->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		(void)end_new(FAR_END, fd);
}

/*
 * Turns
 */

static void timeouts(uint64_t now)
{
	for (uint32_t i = 0; i < flow_count; i++) {
		struct flow *f = &flows[i];
		uint64_t waits = f->waits ? now - f->since : 0;

		if (waits > HOPELESS * patience && is_tcp(f->kind)) {
			flow_break(f);
		} else if (waits > LOST * patience && !is_tcp(f->kind)) {
			f->waits = false;
			in_flight--;
			tally.lost += f->kind < KINDS;
		}
	}
	for (uint32_t i = 0; i < NEW_AT_ONCE; i++)
		if (news[i].end.fd >= 0 &&
		    now - news[i].since > (is_tcp(news[i].kind) ? HOPELESS : LOST) * patience)
			new_ends(&news[i], false);
}

/* One more session, that sends as soon as it can. */
static void new_begin(uint64_t now)
{
	for (uint32_t i = 0; i < NEW_AT_ONCE; i++) {
		struct flow *f = &news[i];
		struct message message = { .flow = NOBODY };

		if (f->end.fd >= 0)
			continue;
		f->kind = next_new++ % 2 ? TCP_NEW : UDP_NEW;
		f->since = last_new = now;
		enter("h1");
		flow_open(f, next_new * KINDS, 0);
		message.kind = f->kind;
		message.number = ++f->number;
		if (is_tcp(f->kind))
			(void)epoll_ctl(loop, EPOLL_CTL_MOD, f->end.fd,
					&(struct epoll_event){ .events = EPOLLIN | EPOLLOUT,
							       .data.ptr = &f->end });
		else
			(void)!send(f->end.fd, &message, sizeof(message), MSG_NOSIGNAL);
		return;
	}
}

/* A new connection stands. */
static void new_connected(struct flow *f)
{
	struct message message = { .flow = NOBODY, .kind = f->kind, .number = f->number };

	(void)epoll_ctl(loop, EPOLL_CTL_MOD, f->end.fd,
			&(struct epoll_event){ .events = EPOLLIN, .data.ptr = &f->end });
	if (send(f->end.fd, &message, sizeof(message), MSG_NOSIGNAL) != sizeof(message))
		new_ends(f, false);
}

static void flows_send(void)
{
	static uint64_t sent, since;
	uint64_t now = now_ms();

	if (now - since > SECOND_MS) {
		sent = 0;
		since = now;
	}
	for (uint32_t i = 0; i < flow_count && in_flight < IN_FLIGHT; i++) {
		if (rate && sent >= rate * (now - since) / SECOND_MS)
			return;
		struct flow *f = &flows[next_flow++ % flow_count];

		if (!f->waits && !f->broken)
			flow_send(f);
		sent++;
	}
}

/* Receive what there is, at most so many milliseconds from now on. True: there is a command. */
static bool turn(int wait)
{
	struct epoll_event events[EVENTS];
	int count = epoll_wait(loop, events, EVENTS, wait);
	bool command = false;

	for (int i = 0; i < count; i++) {
		struct end *end = events[i].data.ptr;

		if (end->role == COMMANDS)
			command = true;
		else if (end->role == UDP_SERVER)
			server_read(end);
		else if (end->role == LISTENER)
			listener_read(end);
		else if (end->role == FAR_END)
			far_read(end);
		else if (end->fd >= 0 && events[i].events & EPOLLOUT)
			new_connected((struct flow *)(void *)end);
		else if (end->fd >= 0)
			client_read(end);
	}
	return command;
}

static void drain(void)
{
	for (;;) {
		bool quiet = !in_flight;

		for (uint32_t i = 0; i < NEW_AT_ONCE; i++)
			quiet &= news[i].end.fd < 0;
		if (quiet)
			return;
		(void)turn(10);
		timeouts(now_ms());
	}
}

/*
 * What was seen
 */

/* Segments that a socket sent again in vain are none that were lost: its peer says that it had them twice. */
static uint32_t socket_resent(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) ||
	    info.tcpi_total_retrans < info.tcpi_dsack_dups)
		return 0;
	return info.tcpi_total_retrans - info.tcpi_dsack_dups;
}

static void resent_count(void)
{
	for (uint32_t i = 0; i < kept; i++) {
		struct flow *f = &flows[i];
		uint32_t resent;

		if (!is_tcp(f->kind) || f->broken)
			continue;
		resent = socket_resent(f->end.fd) + (f->connection ? socket_resent(f->connection->fd) : 0);
		tally.resent += resent > f->resent ? resent - f->resent : 0;
		f->resent = resent;
	}
}

static int far_order(const void *a, const void *b)
{
	const struct flow *x = *(const struct flow *const *)a, *y = *(const struct flow *const *)b;
	uint64_t p =
		(uint64_t)is_tcp(x->kind) << 48 | (uint64_t)x->far.sin_addr.s_addr << 16 | x->far.sin_port;
	uint64_t q =
		(uint64_t)is_tcp(y->kind) << 48 | (uint64_t)y->far.sin_addr.s_addr << 16 | y->far.sin_port;

	return p < q ? -1 : p > q;
}

/* Outside endpoints that are two flows' at once; and, as JSON, the addresses by which the loose ones came. */
static uint32_t ends_count(FILE *out)
{
	const struct flow **by_end = calloc(flow_count, sizeof(*by_end));
	uint32_t count = 0, shared = 0, address = 0;

	if (!by_end)
		die("memory");
	for (uint32_t i = 0; i < flow_count; i++)
		if (flows[i].seen && flows[i].kind != UDP_IN && flows[i].kind != TCP_IN)
			by_end[count++] = &flows[i];
	qsort(by_end, count, sizeof(*by_end), far_order);
	for (uint32_t i = 1; i < count; i++)
		shared += !far_order(&by_end[i - 1], &by_end[i]);
	fputs("\"loose\":[", out);
	for (uint32_t i = 0; i < count; i++) {
		char text[INET_ADDRSTRLEN];

		if (by_end[i]->kind != UDP_LOOSE || by_end[i]->far.sin_addr.s_addr == address)
			continue;
		fprintf(out, "%s\"%s\"", address ? "," : "",
			inet_ntop(AF_INET, &by_end[i]->far.sin_addr, text, sizeof(text)));
		address = by_end[i]->far.sin_addr.s_addr;
	}
	fputs("],", out);
	free(by_end);
	return shared;
}

static void tell(uint64_t now)
{
	uint32_t shared;

	resent_count();
	putchar('{');
	shared = ends_count(stdout);
	printf("\"seconds\":%.1f,\"flows\":%u,\"messages\":%llu,\"answered\":%llu,\"lost\":%lld,\"late\":%"
	       "llu,"
	       "\"resent\":%llu,\"wrong\":%llu,\"shared\":%u,\"broken\":%llu,\"new\":%llu,\"new_lost\":%llu,"
	       "\"loose_sent\":%llu,\"loose_answered\":%llu,\"pause_ms\":%llu}\n",
	       (double)(now - began) / SECOND_MS, kept, (unsigned long long)tally.sent,
	       (unsigned long long)tally.answered, (long long)tally.lost, (unsigned long long)tally.late,
	       (unsigned long long)tally.resent, (unsigned long long)tally.wrong, shared,
	       (unsigned long long)tally.broken, (unsigned long long)tally.new,
	       (unsigned long long)tally.new_lost, (unsigned long long)tally.loose_sent,
	       (unsigned long long)tally.loose_answered, (unsigned long long)tally.pause);
	fflush(stdout);
	memset(&tally, 0, sizeof(tally));
	for (uint32_t i = kept; i < flow_count; i++)
		flows[i].seen = false;
}

/* *hold: when a hold was asked for; 0: it was not. True: go on. */
static bool command_take(bool *held, uint64_t *hold)
{
	char line[32];

	if (!fgets(line, sizeof(line), stdin))
		return false;
	if (!strcmp(line, "go\n")) {
		*held = false;
		began = now_ms();
	} else if (!strcmp(line, "hold\n")) {
		*hold = now_ms();
	}
	return true;
}

static void run(void)
{
	bool held = false;
	uint64_t hold = 0;

	for (uint64_t looked = began = now_ms();;) {
		uint64_t now = now_ms();

		if (hold && (held || (tally.sent >= kept && tally.new) || now - hold > HOLD_MS * patience)) {
			drain();
			held = true;
			hold = 0;
			tell(now_ms());
		}
		if (!held) {
			flows_send();
			if (now - last_new >= NEW_EACH_MS)
				new_begin(now);
		}
		if (turn(held ? 100 : 1) && !command_take(&held, &hold))
			return;
		if (now - looked > 100) {
			looked = now;
			timeouts(now_ms());
		}
	}
}

/*
 * Begin
 */

/* Each flow is opened, and its first message answered, before others are: no queue is too short for that either. */
static void flows_open(void)
{
	for (uint32_t i = 0; i < flow_count; i++) {
		struct flow *f = &flows[i];

		f->kind = i < kept ? (enum kind)(i % KINDS) : UDP_LOOSE;
		f->end.flow = i;
		enter(f->kind == UDP_IN || f->kind == TCP_IN ? "s2" : "h1");
		flow_open(f, i < kept ? i : (i - kept) * KINDS,
			  i < kept ? FIRST_PORT + i : (uint32_t)LOOSE_PORT + (i - kept) / HOSTS);
	}
	for (uint32_t i = 0; i < flow_count; i++) {
		uint64_t until = now_ms() + HOPELESS * patience;

		while (is_tcp(flows[i].kind) && now_ms() < until) {
			struct tcp_info info = { 0 };
			socklen_t size = sizeof(info);

			(void)turn(0);
			if (!getsockopt(flows[i].end.fd, IPPROTO_TCP, TCP_INFO, &info, &size) &&
			    info.tcpi_state == 1)
				break;
		}
		flow_send(&flows[i]);
		while (flows[i].waits && now_ms() < until)
			(void)turn(1);
		if (i < kept && flows[i].waits) {
			fprintf(stderr, "traffic: flow %u has no answer\n", i);
			exit(1);
		}
	}
	resent_count();
	memset(&tally, 0, sizeof(tally));
}

int main(int argc, char **argv)
{
	struct rlimit files;

	instance = getenv("KN");
	wan = getenv("KN_WAN");
	if (argc != 4 || !instance || !wan) {
		fprintf(stderr, "usage: KN=NAME KN_WAN=ADDRESS traffic FLOWS LOOSE RATE\n");
		return 2;
	}
	if (getenv("SLOW") && atoi(getenv("SLOW")) > 1)
		patience = (uint32_t)atoi(getenv("SLOW"));
	kept = (uint32_t)atoi(argv[1]);
	loose = (uint32_t)atoi(argv[2]);
	rate = (uint32_t)atoi(argv[3]);
	flow_count = kept + loose;
	flows = calloc(flow_count, sizeof(*flows));
	loop = epoll_create1(EPOLL_CLOEXEC);
	if (getrlimit(RLIMIT_NOFILE, &files) || !flows || loop < 0)
		die("start");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files))
		die("descriptors");
	for (uint32_t i = 0; i < NEW_AT_ONCE; i++)
		news[i].end.fd = -1;
	serve("s2", "203.0.113.2", SERVER);
	if (loose)
		serve("s2", "192.0.2.129", SERVER);
	serve("h2", "10.0.1.12", MAPPED);
	flows_open();
	setvbuf(stdin, NULL, _IONBF, 0); /* what was read ahead would not be told by the loop */
	puts("ready");
	fflush(stdout);
	(void)end_new(COMMANDS, STDIN_FILENO);
	run();
	return 0;
}
