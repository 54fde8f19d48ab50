// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The commands, in the order in which help shows them. */
#include <string.h>

#include "cli/cli.h"

const struct command commands[] = {
	{ "run", "--inside IF --outside IF [--pool RANGE]",
	  "translate between two interfaces, without a configuration file",
	  "Runs keepnatd in the foreground; ^C ends it and takes the NAT down. Without --pool the\n"
	  "outside interface's own addresses are used. RANGE is an address, FIRST-LAST or a\n"
	  "prefix, or several of these with commas between them. --state-dir and --pin-dir are\n"
	  "handed to keepnatd.\n",
	  "keepnat run --inside eth1 --outside eth0", "inside outside pool state-dir pin-dir", 0, run_run },
	{ "status", "", "how the NAT is: version, hooks, counts against capacity, warnings",
	  "Counts are those of the last sweep, some seconds ago.\n", "keepnat status", "", 0, status_run },
	{ "interfaces", "[--interface IF]", "interfaces with their hooks and packets", NULL,
	  "keepnat interfaces", "interface", 0, interfaces_run },
	{ "hosts", "[FILTER ...]", "inside addresses, and the outside address that each one keeps",
	  "Filters: --host A, --outside A, --interface IF, --limit N.\n",
	  "keepnat hosts --outside 198.51.100.1", "host outside interface limit", 0, hosts_run },
	{ "mappings", "[FILTER ...]", "inside endpoints, and the outside endpoint of each one",
	  "Filters: --host A, --outside A[:P], --protocol P, --interface IF, --limit N.\n",
	  "keepnat mappings --host 10.0.0.11 --protocol udp", "host outside protocol interface limit", 0,
	  mappings_run },
	{ "sessions", "[FILTER ...]", "mappings with the remote endpoints that they talk to",
	  "Filters: --host A, --outside A[:P], --remote A[:P], --protocol P, --interface IF, --limit N.\n"
	  "LEFT is the time until the session ends if no packet comes. Of ICMP queries, the port is\n"
	  "the identifier.\n",
	  "keepnat sessions --outside 198.51.100.1:40000", "host outside remote protocol interface limit", 0,
	  sessions_run },
	{ "pools", "[--outside A] [--interface IF] [--limit N]",
	  "outside addresses, with the ports that are used and free",
	  "Free are ports of the configured range.\n", "keepnat pools --interface eth0",
	  "outside interface limit", 0, pools_run },
	{ "blocks", "[--host A] [--outside A[:P]] [--interface IF] [--limit N]",
	  "blocks of outside ports, and the hosts that they are lent to", NULL,
	  "keepnat blocks --outside 198.51.100.1:58000", "host outside interface limit", 0, blocks_run },
	{ "lookup", "A[:P] [--config FILE]", "whose an outside port is, or which ports an inside host has",
	  "An inside address: the outside addresses and ports that it has to itself, by deterministic\n"
	  "NAT (RFC 7422). An outside address with a port: the inside host that has it. Both are worked\n"
	  "out from the configuration, /etc/keepnat/keepnat.yaml without --config; keepnatd need not\n"
	  "run. What is lent in blocks it alone knows, and is asked.\n",
	  "keepnat lookup 198.51.100.1:5056", "config", 1, lookup_run },
	{ "reasons", "[--interface IF] [--all]", "why packets ended as they did, with counts",
	  "Reasons that have not occurred are left out; --all shows them too.\n",
	  "keepnat reasons --interface eth0", "interface all", 0, reasons_run },
	{ "drops", "[--reason R] [--host A] [--protocol P] [--interface IF] [--limit N]",
	  "the last packets that were dropped, or refused by an answer",
	  "The newest first; of each reason some: a flood of one hides no other, and is not kept whole. A\n"
	  "host is either end. With --json each has its first bytes, and what to ask `explain` about it.\n",
	  "keepnat drops --reason no_mapping", "reason host protocol interface limit", 0, drops_run },
	{ "explain", "out|in PROTO SRC[:P] DST[:P] [--interface IF] [--tcp-flags F]",
	  "what would become of a packet, step by step, and why; changes nothing",
	  "out: from an inside host, or from the router; in: from outside. PROTO is udp, tcp, icmp, gre or "
	  "the\n"
	  "like, or a number; UDP and TCP need ports, of ICMP P is the identifier. keepnatd decides as it\n"
	  "does for packets, by the tables and the kernel's routes of this moment. IF is by where it comes,\n"
	  "without it as routes say. F: syn (which it is without), ack, fin, rst, or some with + between "
	  "them.\n"
	  "Firewalls are not asked.\n"
	  "  keepnat explain in tcp 203.0.113.9:50000 198.51.100.1:443\n"
	  "  keepnat explain in icmp 203.0.113.9 198.51.100.1\n"
	  "  keepnat explain out tcp 10.0.0.11:5000 203.0.113.9:443 --tcp-flags ack\n",
	  "keepnat explain out udp 10.0.0.11:5000 203.0.113.9:53", "interface tcp-flags", 4, explain_run },
	{ "events", "[--severity S] [--event NAME] [--limit N]", "what happened that somebody should know",
	  "The last ones, the oldest first. --severity error, warning, notice or info: those, and what is\n"
	  "worse. doc/events.md has what each means and what to do; so has --json.\n",
	  "keepnat events --severity warning", "severity event limit", 0, events_run },
	{ "monitor", "[--all] [--severity S] [--event NAME] [--limit N]", "events as they come",
	  "Until ^C, or until N came. --all begins with those that `keepnat events` lists. With --json each\n"
	  "is a line. When keepnatd is started anew, this goes on where it was.\n",
	  "keepnat monitor --severity warning", "all severity event limit", 0, monitor_run },
	{ "top", "[--once] [--limit N]",
	  "a live view: packets, bytes and drops a second by interface, sessions, the busiest hosts",
	  "Anew each second, until q or ^C. --once: what a second brought, once, as for programs with "
	  "--json.\n"
	  "--limit: so many hosts and reasons.\n",
	  "keepnat top", "once limit", 0, top_run },
	{ "reset", "IF [--keep mappings|hosts|none] [--wait]",
	  "end the sessions of an outside interface, in the same instant and at any load",
	  "Hosts keep their outside addresses and endpoints their outside ports: the next packet of a\n"
	  "flow goes on with the same outside endpoint. --keep hosts chooses ports anew, --keep none\n"
	  "addresses, too. --wait reports what it ended and kept, once the sweep has counted.\n",
	  "keepnat reset eth0 --wait", "keep wait", 1, reset_run },
	{ "kill", "session|mapping SELECTOR ... | host ADDRESS [--interface IF]",
	  "end just those sessions or mappings, or all of a host",
	  "Selectors: --host A, --outside A[:P], --protocol P, --interface IF; of sessions --remote A[:P],\n"
	  "too. With a mapping its sessions end, with a host its mappings, sessions and entry. Nothing is\n"
	  "forbidden: who goes on sending has a new session with the next packet, by the same outside port\n"
	  "if that rests. Port mappings and reservations are the configuration's, and stay.\n",
	  "keepnat kill session --host 10.0.0.11 --remote 203.0.113.5:443",
	  "host outside remote protocol interface", -2, kill_run },
	{ "crash", "list | show [CRASH] | ack", "recoveries from serious errors",
	  "keepnatd writes a report when its worker crashed and was started again; packets went on\n"
	  "meanwhile. 'show' prints the newest one, or the one that is named; 'ack' says that all have\n"
	  "been read. Nothing is sent anywhere.\n",
	  "keepnat crash show", "", -2, crash_run },
	{ "check", "FILE", "say what is wrong with a configuration file",
	  "Needs no daemon and no privileges. Exit status 0 if keepnatd would take it; an interface that\n"
	  "this machine does not have is a warning.\n",
	  "keepnat check /etc/keepnat/keepnat.yaml", "", 1, check_run },
	{ "show", "config", "print the running configuration, so that it can be loaded again", NULL,
	  "keepnat show config >keepnat.yaml", "", 1, show_run },
	{ "reload", "[FILE]", "another configuration, or keepnatd's own file once more, while the NAT runs",
	  "Sessions go on if the new configuration still allows them. One that is refused changes\n"
	  "nothing, and is told with line and mend as by check. FILE holds until keepnatd ends: a\n"
	  "start reads its own file.\n",
	  "keepnat reload /etc/keepnat/keepnat.yaml", "", -1, reload_run },
	{ "snapshot", "", "save sessions, mappings and hosts now, for the next start",
	  "It is done every minute anyway (snapshot.interval), and at a clean stop. After a reboot\n"
	  "keepnatd restores what is not older than its timeout.\n",
	  "keepnat snapshot", "", 0, snapshot_run },
	{ "import", "netsh|nft|iptables FILE [--rename OLD=NEW,...] [--inside IF] [--outside IF]",
	  "print the YAML for another system's NAT, and what could not be carried over",
	  "FILE has what `netsh routing ip nat dump` of Windows, `nft list ruleset` or `iptables-save`\n"
	  "printed; - is standard input. What cannot be carried over is told line by line on standard\n"
	  "error, and in comments of the YAML, with what to do instead; then the exit status is 1.\n"
	  "What is printed always passes 'keepnat check'. --rename says what interfaces of Windows are\n"
	  "called on this machine, --inside and --outside where rules name none.\n",
	  "keepnat import netsh nat.txt --rename 'Local Area Connection=eth0' >keepnat.yaml",
	  "rename inside outside", 2, import_run },
	{ "replay", "IN.pcap -o OUT.pcap [--config FILE] [--pool RANGE]",
	  "what the NAT would make of a capture, in the capture's own time",
	  "Needs no daemon and no privileges. A packet whose source is in an inside network goes out,\n"
	  "any other one came in by the outside interface that has its destination. OUT.pcap has what\n"
	  "would leave; what happened is told by reason. --pool: the addresses of an outside interface\n"
	  "that has no pool in FILE, /etc/keepnat/keepnat.yaml by default. The same capture gives the\n"
	  "same, each time.\n",
	  "keepnat replay lan.pcap -o wan.pcap --config keepnat.yaml", "o config pool", 1, replay_run },
	{ "upgrade", "", "have the version of keepnatd that is installed now take over",
	  "The one that runs tries the program that is in its place: would it read the configuration,\n"
	  "take over the sessions, is it taken by the kernel? If so it takes over, without a packet lost.\n"
	  "If it does not start after all, or crashes within a minute, the former one is back.\n"
	  "Exit status 1 says that nothing has changed in the end.\n",
	  "keepnat upgrade", "", 0, upgrade_run },
	{ "stop", "[--detach]", "end keepnatd, and wait for its end",
	  "The NAT is taken down cleanly. With --detach it is left in the kernel: packets go on being\n"
	  "translated, and the next keepnatd takes it over.\n",
	  "keepnat stop --detach", "detach", 0, stop_run },
	{ "help", "[COMMAND]", "this, or what one command does", NULL, "keepnat help sessions", "", -1,
	  help_run },
	{ NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL },
};

const struct command *command_find(const char *name)
{
	for (const struct command *command = commands; command->name; command++)
		if (!strcmp(command->name, name))
			return command;
	return NULL;
}
