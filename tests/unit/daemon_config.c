// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * keepnat.yaml: what is refused (line, what, mend), what is only warned about, defaults, and that what is printed
 * reads back to the same settings.
 */
#include "tests/unit/settings.h"

#include <unistd.h>

#include "daemon/config_keys.h"
#include "native/trail.h"

/* What line 2 says after the name and role of wan0. */
#define WAN(rest)                                     \
	"interfaces:\n"                               \
	"  - {name: wan0, role: outside, " rest "}\n" \
	"  - {name: lan0, role: inside}\n"

#define LAN(rest)                           \
	"interfaces:\n"                     \
	"  - {name: wan0, role: outside}\n" \
	"  - {name: lan0, role: inside, " rest "}\n"

#define NAT(rest) BASE "nat:\n  " rest "\n"
#define TIMER(rest) BASE "nat:\n  timers:\n    " rest "\n"

static const struct refusal refusals[] = {
	/* The file as a whole. */
	{ "", 1, "the file is empty", "outside and an inside interface" },
	{ "# nothing but a comment\n", 1, "the file is empty", "keepnat.yaml(5)" },
	{ "---\n", 1, "the file is empty", "keepnat.yaml(5)" },
	{ "just a word\n", 1, "a single value where keys are expected", "KEY: VALUE" },
	{ "- a\n- b\n", 1, "a list where keys are expected", "KEY: VALUE" },
	{ BASE "---\n" BASE, 4, "a second document", "delete the \"---\"" },
	{ BASE "nat:\n\thairpin: true\n", 5, "not YAML", "spaces, not tabs" },
	{ BASE "nat: [\n", 5, "not YAML", "brackets" },
	{ BASE "nat: {hairpin: \"true}\n", 5, "not YAML", "quotes" },
	{ BASE "nat: [", 4, "not YAML", "brackets" },
	{ "nat: 1\rinterfaces: [\r\n\xc2\x85 \xe2\x80\xa8 }", 5, "not YAML", "brackets" },
	{ BASE "nat: {hairpin: true\x01}\n", 4, "not YAML", "control characters" },
	{ BASE "nat: {hairpin: true\xff}\n", 4, "not YAML", "UTF-8" },
	{ BASE "nat: {hairpin: !!bool true}\n", 4, "a tag", "delete the tag" },
	{ BASE "nat: !section {hairpin: true}\n", 4, "a tag", "delete the tag" },
	{ BASE "nat: {hairpin: &x true, ports: {preserve: *x}}\n", 4, "an alias", "write the value out" },
	{ BASE "nat: {[a]: true}\n", 4, "a list or a section where the name of a key", "a word as KEY" },
	{ BASE "nat: {\"hair\\0pin\": true}\n", 4, "a zero byte", "delete" },
	{ "[[[[[[[[[[1]]]]]]]]]]\n", 1, "too many levels", "brackets" },

	/* Keys. */
	{ BASE "nta: {}\n", 4, "unknown key \"nta\"", "did you mean \"nat\"" },
	{ BASE "interface: []\n", 4, "unknown key \"interface\"", "did you mean \"interfaces\"" },
	{ NAT("haripin: true"), 5, "nat: unknown key \"haripin\"", "did you mean \"hairpin\"" },
	{ TIMER("udp_timout: 300"), 6, "nat.timers: unknown key \"udp_timout\"",
	  "did you mean \"udp_timeout\"" },
	{ NAT("udp_timeout: 300"), 5, "nat: unknown key \"udp_timeout\"", "belongs under nat.timers" },
	{ BASE "hairpin: true\n", 4, "unknown key \"hairpin\"", "belongs under nat" },
	{ BASE "pool: [192.0.2.1]\n", 4, "unknown key \"pool\"", "an item of the list under interfaces" },
	{ NAT("zzzzzz: 1"), 5, "unknown key \"zzzzzz\"", "the keys here are: mapping_type, filtering_type" },
	{ BASE "\"esc\\e[31m\\n\": 1\n", 4, "unknown key \"esc?[31m?\"", "the keys here are" },
	{ WAN("pol: [192.0.2.1]"), 2, "interfaces: unknown key \"pol\"", "did you mean \"pool\"" },
	{ NAT("hairpin: true\n  hairpin: false"), 6, "\"hairpin\" a second time; the first is on line 5",
	  "keep one" },
	{ BASE "interfaces: []\n", 4, "\"interfaces\" a second time; the first is on line 1", "keep one" },

	/* Interfaces. */
	{ "interfaces: wan0\n", 1, "interfaces: \"wan0\" is not a list", "- {name: eth0, role: outside}" },
	{ "interfaces: {name: wan0}\n", 1, "interfaces: a section where a list is expected", "write a list" },
	{ "interfaces:\n  - {name: lan0, role: inside}\n", 1, "no outside interface", "role: outside" },
	{ "# first\ninterfaces:\n  - {name: wan0, role: outside}\n", 2, "no inside interface",
	  "role: inside" },
	{ BASE "  - wan1\n", 4, "interfaces: a single value where keys", "KEY: VALUE" },
	{ BASE "  - {role: inside}\n", 4, "\"name\" is missing", "the name of a network interface" },
	{ BASE "  - {name: lan1}\n", 4, "\"role\" is missing", "outside, inside" },
	{ BASE "  - {name: lan1, role: insid}\n", 4, "interfaces.role: \"insid\"",
	  "did you mean \"inside\"" },
	{ BASE "  - {name: lan1, role: dmz}\n", 4, "interfaces.role: \"dmz\"", "one of: outside, inside" },
	{ BASE "  - {name: [lan1], role: inside}\n", 4, "interfaces.name: a list where a single value",
	  "eth0" },
	{ BASE "  - {name: , role: inside}\n", 4, "interfaces.name: it has no value", "eth0" },
	{ BASE "  - {name: a/b, role: inside}\n", 4, "\"a/b\" cannot be the name", "`ip link`" },
	{ BASE "  - {name: \"a b\", role: inside}\n", 4, "\"a b\" cannot be the name", "`ip link`" },
	{ BASE "  - {name: \"..\", role: inside}\n", 4, "\"..\" cannot be the name", "`ip link`" },
	{ BASE "  - {name: \"\", role: inside}\n", 4, "\"\" cannot be the name", "`ip link`" },
	{ BASE "  - {name: sixteen_letters_, role: inside}\n", 4, "\"sixteen_letters_\" cannot be",
	  "1 to 15" },
	{ BASE "  - {name: lan0, role: inside}\n", 4, "\"lan0\" is there already on line 3", "one entry" },
	{ BASE "  - {name: wan0, role: inside}\n", 4, "\"wan0\" is there already on line 2", "one role" },
	{ LAN("pool: [192.0.2.1]"), 3, "lan0: an inside interface has no pool", "outside interface" },
	{ WAN("mode: addressonly, pool: [192.0.2.1]"), 2,
	  "interfaces.mode: \"addressonly\" is not known here", "did you mean \"address_only\"" },
	{ WAN("mode: private"), 2, "interfaces.mode: \"private\" is not known here",
	  "write one of: address_and_port, address_only" },
	{ WAN("mode: address_only"), 2, "wan0: address_only needs a pool", "add a pool" },
	{ LAN("mode: address_only"), 3, "lan0: an inside interface is not address_only",
	  "outside interface" },
	{ WAN("networks: [10.0.0.0/8]"), 2, "wan0: an outside interface has no networks",
	  "inside interface" },

	/* Pools. */
	{ WAN("pool: 192.0.2.1"), 2, "interfaces.pool: \"192.0.2.1\" is not a list", "write a list: [" },
	{ WAN("pool: [[192.0.2.1]]"), 2, "interfaces.pool: an item that is not one address",
	  "write a list: [" },
	{ WAN("pool: [192.0.2.1, ]\n    , pool: []"), 3, "\"pool\" a second time", "keep one" },
	{ WAN("pool: [192.0.2]"), 2, "\"192.0.2\" is not an address", "198.51.100.1-198.51.100.4" },
	{ WAN("pool: [192.0.2.010]"), 2, "\"192.0.2.010\" is not an address", "198.51.100.8/30" },
	{ WAN("pool: [192.0.2.256]"), 2, "is not an address", "198.51.100.1" },
	{ WAN("pool: [192.0.2.1-9]"), 2, "is not an address", "198.51.100.1-" },
	{ WAN("pool: [192.0.2.0/33]"), 2, "is not an address", "198.51.100.8/30" },
	{ WAN("pool: [192.0.2.0/]"), 2, "is not an address", "198.51.100.8/30" },
	{ WAN("pool: [192.0.2.0/024]"), 2, "is not an address", "198.51.100.8/30" },
	{ WAN("pool: [\"2001:db8::1\"]"), 2, "is not an address", "198.51.100.1" },
	{ WAN("pool: [192.0.2.1/30]"), 2, "bits set beyond the length", "write 192.0.2.0/30" },
	{ WAN("pool: [192.0.2.9-192.0.2.1]"), 2, "ends before it begins", "write 192.0.2.1-192.0.2.9" },
	{ WAN("pool: [127.0.0.1]"), 2, "no host can have", "127.0.0.0/8" },
	{ WAN("pool: [0.0.0.0]"), 2, "no host can have", "0.0.0.0/8" },
	{ WAN("pool: [255.255.255.255]"), 2, "no host can have", "224 or more" },
	{ WAN("pool: [223.255.255.255-224.0.0.0]"), 2, "no host can have", "224 or more" },
	{ WAN("pool: [10.0.0.0/19]"), 2, "pools hold 8192 addresses", "4096" },
	{ WAN("pool: [0.0.0.0/0]"), 2, "no host can have", "127.0.0.0/8" },
	{ WAN("pool: [10.0.0.0/20,\n  192.0.2.1]"), 3, "with this one, pools hold 4097 addresses", "4096" },
	{ WAN("pool: [192.0.2.1,\n  192.0.2.1]"), 3,
	  "pool of wan0: 192.0.2.1 overlaps 192.0.2.1 of wan0 on line 2", "one pool, once" },
	{ WAN("pool: [192.0.2.0/30,\n  192.0.2.3-192.0.2.9]"), 3,
	  "192.0.2.3-192.0.2.9 overlaps 192.0.2.0-192.0.2.3 of wan0 on line 2", "one pool, once" },
	{ WAN("pool: [192.0.2.9,\n  192.0.2.1-192.0.2.20]"), 3,
	  "192.0.2.1-192.0.2.20 overlaps 192.0.2.9 of wan0 on line 2", "one pool, once" },
	/* The one that ends furthest is not the one just before. */
	{ WAN("pool: [192.0.2.1-192.0.2.20]") "  - {name: wan1, role: outside, pool: [192.0.2.30, "
					      "192.0.2.15]}\n",
	  4, "pool of wan1: 192.0.2.15 overlaps 192.0.2.1-192.0.2.20 of wan0 on line 2", "one pool, once" },

	/* Networks. */
	{ LAN("networks: 10.0.0.0/8"), 3, "interfaces.networks: \"10.0.0.0/8\" is not a list",
	  "write a list: [" },
	{ LAN("networks: [10.0.0.1/8]"), 3, "bits set beyond the length", "write 10.0.0.0/8" },
	{ LAN("networks: [10.0.0.1]"), 3, "is not an address, a range or a network", "10.0.0.0/16" },
	{ LAN("networks: [10.0.0.1-10.0.0.9]"), 3, "is not an address", "10.0.0.0/16" },
	{ LAN("networks: [0.0.0.0/0]"), 3, "no host can have", "127.0.0.0/8" },
	{ LAN("networks: [10.0.0.0/8,\n 10.0.0.0/8]"), 4, "10.0.0.0/8 is there already, for lan0 on line 3",
	  "once" },
	{ "interfaces:\n"
	  "  - {name: wan0, role: outside, pool: [192.0.2.1, 10.0.0.9]}\n"
	  "  - {name: lan0, role: inside, networks: [10.0.0.0/8]}\n",
	  2, "pool of wan0: 10.0.0.9 lies in the inside network 10.0.0.0/8 of lan0 on line 3",
	  "inside or outside" },

	/* Sections and single values. */
	{ BASE "nat: 5\n", 4, "nat: a single value where keys", "KEY: VALUE" },
	{ BASE "nat: [1]\n", 4, "nat: a list where keys", "KEY: VALUE" },
	{ NAT("filtering_type: eif"), 5, "nat.filtering_type: a single value where keys", "KEY: VALUE" },
	{ NAT("filtering_type: {udp: apdf}"), 5, "nat.filtering_type.udp: \"apdf\"", "did you mean \"adf\"" },
	{ NAT("filtering_type: {tcp: none}"), 5, "nat.filtering_type.tcp: \"none\"", "eif, adf, edf" },
	{ NAT("filtering_type: {icmp: eif}"), 5, "unknown key \"icmp\"", "udp, tcp" },
	{ NAT("hairpin: maybe"), 5, "nat.hairpin: \"maybe\" is neither true nor false", "true or false" },
	{ NAT("hairpin: 1"), 5, "nat.hairpin: \"1\" is neither", "true or false" },
	{ NAT("hairpin: \"true\""), 5, "text in quotes", "without quotes" },
	{ NAT("hairpin:"), 5, "nat.hairpin: it has no value", "true or false" },
	{ NAT("hairpin: {}"), 5, "nat.hairpin: a section where a single value", "true or false" },
	{ NAT("ports: {range: 5000}"), 5, "nat.ports.range: \"5000\" is not a range of ports", "FIRST-LAST" },
	{ NAT("ports: {range: 0-1023}"), 5, "has port 0 in it", "1 to 65535" },
	{ NAT("ports: {range: 1024-65536}"), 5, "goes beyond port 65535", "1 to 65535" },
	{ NAT("ports: {range: 2000-1000}"), 5, "ends before it begins", "write 1000-2000" },
	{ NAT("ports: {range: 1024-}"), 5, "is not a range of ports", "FIRST-LAST" },
	{ NAT("ports: {range: -1024}"), 5, "is not a range of ports", "FIRST-LAST" },
	{ NAT("ports: {range: 01024-2000}"), 5, "is not a range of ports", "FIRST-LAST" },
	{ NAT("ports: {range: [1024, 2000]}"), 5, "a list where a single value", "FIRST-LAST" },
	{ NAT("unsolicited_syn: held"), 5, "nat.unsolicited_syn: \"held\" is not known here",
	  "did you mean \"hold\"" },
	{ NAT("unsolicited_syn: reject"), 5, "nat.unsolicited_syn: \"reject\" is not known here",
	  "drop, hold" },
	{ NAT("unsolicited_syn: true"), 5, "nat.unsolicited_syn: \"true\" is not known here", "drop, hold" },
	{ NAT("accelerate: fast"), 5, "nat.accelerate: \"fast\" is not known here", "auto, off" },

	/* Numbers. */
	{ TIMER("udp_timeout: 0"), 6, "nat.timers.udp_timeout: \"0\" is out of range", "the default is 300" },
	{ TIMER("tcp_idle_timeout: 500001"), 6, "\"500001\" is out of range", "from 1 to 500000 seconds" },
	{ TIMER("tcp_trans_open_timeout: -1"), 6, "\"-1\" is not a whole number", "the default is 240" },
	{ TIMER("tcp_trans_close_timeout: 4m"), 6, "\"4m\" is not a whole number", "the default is 240" },
	{ TIMER("tcp_in_syn_timeout: 6.0"), 6, "\"6.0\" is not a whole number", "the default is 6" },
	{ TIMER("icmp_timeout: 060"), 6, "\"060\" is a number with a leading zero", "the default is 60" },
	{ TIMER("fragment_min_timeout: 0x2"), 6, "\"0x2\" is not a whole number", "the default is 2" },
	{ TIMER("hold_down_timeout: \"120\""), 6, "text in quotes, not a number", "the default is 120" },
	{ TIMER("host_retention_timeout: 1d"), 6, "\"1d\" is not a whole number", "the default is 86400" },
	{ TIMER("udp_timeout: 99999999999999999999999"), 6, "is not a whole number", "500000" },
	{ TIMER("udp_timeout: 4294967596"), 6, "is out of range", "500000" },
	{ TIMER("udp_timeout:"), 6, "it has no value", "500000" },
	{ BASE "capacity: {sessions: 1023}\n", 4, "capacity.sessions: \"1023\" is out of range",
	  "auto, or a whole number from 1024 to 67108864" },
	{ BASE "capacity: {sessions: 67108865}\n", 4, "is out of range", "67108864" },
	{ BASE "capacity: {sessions: many}\n", 4, "\"many\" is not a whole number", "auto, or" },
	{ BASE "snapshot: {interval: 86401}\n", 4, "snapshot.interval: \"86401\" is out of range", "86400" },
	{ BASE "snapshot: {interval: off}\n", 4, "\"off\" is not a whole number", "from 0 to 86400" },
	{ BASE "snapshot: {intervall: 1}\n", 4, "snapshot: unknown key", "interval" },
	{ BASE "capacity: {hosts: 15}\n", 4, "capacity.hosts: \"15\" is out of range",
	  "from 16 to 16777216" },

	/* Ports that are shared out. */
	{ NAT("blocks: {size: 63}"), 5, "nat.blocks.size: \"63\" is out of range",
	  "0, or a whole number from 64 to 32768" },
	{ NAT("blocks: {size: 32769}"), 5, "out of range", "32768" },
	{ NAT("blocks: {size: 256, max: 17}"), 5, "nat.blocks.max: \"17\" is out of range", "from 1 to 16" },
	{ NAT("ports: {range: 5000-8000}\n  blocks: {size: 4096}"), 6,
	  "nat.blocks.size: no block of 4096 ports fits into ports 5000-8000", "smaller" },
	{ WAN("deterministic: {inside: 10.0.0.0/24}"), 2, "wan0: deterministic needs a pool",
	  "that has a pool" },
	{ WAN("pool: [192.0.2.1], mode: address_only, deterministic: {inside: 10.0.0.0/24}"), 2,
	  "wan0: deterministic needs a mode that shares", "no mode" },
	{ LAN("deterministic: {inside: 10.0.0.0/24}"), 3, "lan0: deterministic needs an outside interface",
	  "move it" },
	{ WAN("pool: [192.0.2.1], deterministic: {algorithm: staggered}"), 2,
	  "interfaces.deterministic: \"inside\" is missing", "ADDRESS/LENGTH" },
	{ WAN("pool: [192.0.2.1], deterministic: {inside: 10.0.0.1/24}"), 2,
	  "interfaces.deterministic.inside: \"10.0.0.1/24\" has bits set beyond", "write 10.0.0.0/24" },
	{ WAN("pool: [192.0.2.1], deterministic: {inside: 10.0.0.0/24, algorithm: random}"), 2,
	  "\"random\" is not known here", "sequential, staggered, round_robin, interlaced" },
	{ WAN("pool: [192.0.2.1], deterministic: {inside: 10.0.0.0/24, ratio: 253}"), 2,
	  "wan0: 254 hosts share 1 outside addresses, more than 253 each", "a ratio of 254 or more" },
	{ WAN("pool: [192.0.2.1], deterministic: {inside: 10.0.0.0/15}"), 2,
	  "wan0: 1 outside addresses have not a port for each of 131070 hosts", "a larger pool" },
	{ WAN("pool: [192.0.2.0/27], deterministic: {inside: 10.0.0.0/24, algorithm: interlaced}"), 2,
	  "ports of 32 outside addresses", "16 is the most" },
	{ WAN("pool: [192.0.2.1], deterministic: {inside: 10.0.0.0/24, dynamic: 1}"), 2,
	  "wan0: dynamic leaves ports for blocks", "set nat.blocks.size, less than" },
	{ WAN("pool: [192.0.2.1], deterministic: {inside: 10.0.0.0/24}") "reservations: [{inside: 10.0.0.9, "
									 "outside: 192.0.2.1}]\n",
	  4, "reservations: the ports of 192.0.2.1 are shared out", "another interface" },

	/* Right, but later. */
	{ NAT("mapping_type: adm"), 5, "nat.mapping_type: \"adm\" is not yet in this version", "write eim" },
	{ NAT("mapping_type: edm"), 5, "not yet in this version", "write eim" },
	{ NAT("limits: {mappings_per_host: 65536}"), 5,
	  "nat.limits.mappings_per_host: \"65536\" is out of range", "from 0 to 65535" },
	{ NAT("limits: {tcp_sessions_per_host: none}"), 5, "\"none\" is not a whole number",
	  "from 0 to 65535" },
	{ NAT("limits: {gre_mappings_per_host: 1}"), 5, "unknown key \"gre_mappings_per_host\"",
	  "did you mean" },
	{ NAT("on_exhaustion: icpm"), 5, "nat.on_exhaustion: \"icpm\" is not known",
	  "did you mean \"icmp\"" },
	{ NAT("mss_clamp: 535"), 5, "nat.mss_clamp: \"535\" is out of range", "off, auto, or" },
	{ NAT("mss_clamp: 65496"), 5, "nat.mss_clamp: \"65496\" is out of range", "from 536 to 65495" },
	{ NAT("mss_clamp: 0"), 5, "nat.mss_clamp: \"0\" is out of range", "off, auto, or" },
	{ NAT("mss_clamp: atuo"), 5, "nat.mss_clamp: \"atuo\" is not a whole number", "off, auto, or" },
	{ NAT("mss_clamp: \"1452\""), 5, "nat.mss_clamp: \"1452\" is text in quotes", "off, auto, or" },
	{ NAT("mss_clamp: [1452]"), 5, "nat.mss_clamp: a list where a single value", "off, auto, or" },
	{ NAT("mss_clamp:"), 5, "nat.mss_clamp: it has no value", "off, auto, or" },
	{ BASE "pass_through: [192.0.2.1/24]\n", 4, "pass_through: \"192.0.2.1/24\" has bits set beyond",
	  "write 192.0.2.0/24" },
	{ BASE "pass_through:\n  - 192.0.2.0/24\n  - 192.0.2.1-192.0.2.9\n", 6,
	  "pass_through: \"192.0.2.1-192.0.2.9\" is not", "write ADDRESS/LENGTH" },
	{ BASE "pass_through: [0.0.0.0/0]\n", 4, "pass_through: \"0.0.0.0/0\" holds addresses that no host",
	  "leave out" },
	{ BASE "pass_through: [[192.0.2.0/24]]\n", 4, "pass_through: an item that is not", "write a list" },
	{ BASE "pass_through:\n  - 192.0.2.0/24\n  - 10.0.0.0/8\n  - 192.0.2.0/24\n", 7,
	  "pass_through: 192.0.2.0/24 is there already on line 5", "once" },
	{ BASE "pass_through: 192.0.2.0/24\n", 4, "pass_through: \"192.0.2.0/24\" is not a list", "a list" },
	{ BASE "recovery: {restart: maybe}\n", 4, "recovery.restart: \"maybe\"", "true or false" },
	{ BASE "recovery: {backoff: 3601}\n", 4, "recovery.backoff: \"3601\" is out of range",
	  "from 0 to 3600" },
	{ BASE "recovery: {keep: 0}\n", 4, "recovery.keep: \"0\" is out of range", "from 1 to 1000" },
	{ BASE "recovery: {dump: state}\n", 4, "recovery.dump: \"state\" is not yet in this version",
	  "write none" },
	{ BASE "recovery: {dump: samll}\n", 4, "recovery.dump: \"samll\" is not known",
	  "did you mean \"small\"" },
	{ BASE "recovery:\n  alert: mail root\n", 5,
	  "recovery.alert: \"mail root\" does not begin with a whole path", "no shell reads it" },
	{ BASE "recovery: {alert: \"/bin/a\\tb\"}\n", 4, "has a character that cannot be printed",
	  "by its whole path" },
	{ BASE "recovery: {alert: [/bin/true]}\n", 4, "recovery.alert: a list", "by its whole path" },
	{ BASE "api:\n  listen: \"192.0.2.1:8080\"\n", 5, "api.listen: there is no api.token_file",
	  "token_file: /etc/keepnat/token" },
	{ BASE "api: {listen: \"192.0.2.1\"}\n", 4, "api.listen: \"192.0.2.1\" is not an address and a port",
	  "127.0.0.1:9109" },
	{ BASE "api: {listen: \"192.0.2.1:65536\"}\n", 4, "is not an address and a port", "ADDRESS:PORT" },
	{ BASE "api: {listen: \"wan0:80\"}\n", 4, "is not an address and a port", "ADDRESS:PORT" },
	{ BASE "log: {json: nat.log}\n", 4, "log.json: \"nat.log\" is no place for a log",
	  "/var/log/keepnat/nat.log" },
	{ BASE "log: {json: \"udp:192.0.2.1\"}\n", 4, "is no place for a log", "udp:192.0.2.9:4739" },
	{ BASE "log: {json: \"tcp:192.0.2.1:0\"}\n", 4, "is no place for a log", "tcp:192.0.2.9:4739" },
	{ BASE "log: {json: \"unix:socket\"}\n", 4, "is no place for a log", "unix:/" },
	{ BASE "log: {ipfix: /var/log/nat}\n", 4, "is no place for a log of this kind",
	  "udp:192.0.2.9:4739" },
	{ BASE "log: {mappings: some}\n", 4, "log.mappings: \"some\" is not known here",
	  "off, by_need, all" },
	{ BASE "log: {queue: 15}\n", 4, "log.queue: \"15\" is out of range", "16 to 16777216" },
	{ BASE "api: {token_file: token}\n", 4, "api.token_file: \"token\" is not the whole path",
	  "begins with /" },
};

/* Texts that are taken: neutral values of what comes later, and other ways to write things. */
static const char *const accepted[] = {
	BASE,
	"---\n" BASE "...\n",
	"\xef\xbb\xbf" BASE,
	BASE "nat:\ncapacity:\nrecovery:\napi:\nreservations:\nport_mappings: ~\npass_through: []\n",
	BASE "nat: {}\ncapacity: {}\nrecovery: {}\napi: {listen: \"\", token_file: }\n",
	BASE "api: {listen: \"127.0.0.1:9109\", token_file: /etc/keepnat/token}\n",
	NAT("{mapping_type: eim, accelerate: off, blocks: {size: 0, max: 4}, on_exhaustion: silent, "
	    "mss_clamp: off}"),
	NAT("{accelerate: \"auto\", limits: {mappings_per_host: 0, sessions_per_host: 0, "
	    "new_mappings_per_second: 0}}"),
	NAT("{hairpin: no, ports: {preserve: Off, parity: YES}}"),
	NAT("accelerate: all"),
	NAT("mss_clamp: auto"),
	NAT("mss_clamp: \"off\""),
	NAT("mss_clamp: 536"),
	NAT("mss_clamp: 65495"),
	BASE "capacity: {sessions: 67108864, hosts: 16}\n",
	BASE "snapshot: {interval: 0}\n",
	BASE "recovery: {restart: no, backoff: 0, give_up_after: 0, watchdog: 0, dump: core, keep: 1000, "
	     "log: no}\n",
	BASE "log: {json: \"unix:/run/collector\", mappings: all, blocks: no, rate: 10000000, queue: 16}\n",
	BASE "log: {json: /var/log/nat}\n",
	BASE "recovery: {alert: }\n",
	BASE "recovery: {alert: '/bin/a \"b\" \\c $(d); #'}\n",
	BASE "nat: {hairpin: &anchor true}\n",
	WAN("pool: [10.0.0.0/20]"),
	WAN("pool: []"),
	WAN("mode: address_only, pool: [192.0.2.0/30]"),
	WAN("mode: address_and_port"),
	NAT("blocks: {size: 256, max: 16}"),
	WAN("pool: [192.0.2.1], deterministic: {inside: 10.0.0.0/24}"),
	WAN("pool: [192.0.2.0/29], deterministic: {inside: 10.0.0.0/20, algorithm: round_robin, ratio: 2000, "
	    "dynamic: "
	    "7}") "nat: {blocks: {size: 64}}\n",
	WAN("pool: [192.0.2.1, 192.0.2.2, 192.0.2.4-192.0.2.7, 192.0.2.3, 192.0.2.0]"),
	LAN("networks: [10.0.0.0/8, 10.1.0.0/16]"),
	BASE "pass_through: [192.0.2.0/24, 10.0.0.0/8, 203.0.113.7/32]\n",
	/* JSON is YAML: what the API takes and gives. */
	"{\"interfaces\": [{\"name\": \"wan0\", \"role\": \"outside\", \"pool\": [\"192.0.2.0/30\"]},"
	"{\"name\": \"lan0\", \"role\": \"inside\"}], \"nat\": {\"hairpin\": false, \"timers\": "
	"{\"udp_timeout\": 200}}}",
};

static void refusals_name_line_and_mend(void **state)
{
	(void)state;
	assert_refusals(refusals, ARRAY_SIZE(refusals));
}

static void printed_reads_back_to_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(accepted); i++)
		assert_round_trip(accepted[i]);
}

/* Every field away from its default, and names that YAML would take for something else. */
static const char unusual[] =
	"interfaces:\n"
	"  - {name: \"null\", role: outside, mode: address_only, pool: [198.51.100.101-198.51.100.104, "
	"198.51.100.120/30]}\n"
	"  - {name: \"12\", role: inside, networks: [10.0.0.0/16, 192.168.0.0/24]}\n"
	"  - {name: on, role: inside}\n"
	"  - {name: '1e3', role: inside}\n"
	"  - {name: '\"\\#{', role: inside}\n"
	"  - {name: -, role: inside}\n"
	"  - {name: eth0.5, role: outside}\n"
	"nat:\n"
	"  filtering_type: {udp: adf, tcp: edf}\n"
	"  accelerate: off\n"
	"  ports: {range: 2000-3000, preserve: false, parity: false}\n"
	"  blocks: {size: 100, max: 3}\n"
	"  hairpin: false\n"
	"  on_exhaustion: silent\n"
	"  mss_clamp: 1452\n"
	"  unsolicited_syn: drop\n"
	"  alg: {pptp: false}\n"
	"  limits: {mappings_per_host: 1, tcp_mappings_per_host: 2, udp_mappings_per_host: 3,\n"
	"    icmp_mappings_per_host: 4, sessions_per_host: 5, tcp_sessions_per_host: 6,\n"
	"    udp_sessions_per_host: 7, icmp_sessions_per_host: 8, new_mappings_per_second: 9}\n"
	"  timers: {udp_timeout: 301, tcp_idle_timeout: 7441, tcp_trans_open_timeout: 241,\n"
	"    tcp_trans_close_timeout: 242, tcp_in_syn_timeout: 7, icmp_timeout: 61,\n"
	"    fragment_min_timeout: 3, hold_down_timeout: 121, hold_down_max: 9000,\n"
	"    host_retention_timeout: 3600}\n"
	"pass_through: [192.0.2.0/24, 203.0.113.7/32]\n"
	"capacity: {sessions: 4096, mappings: 2048, hosts: 64}\n"
	"snapshot: {interval: 61}\n"
	"log: {mappings: off, blocks: false, sessions: true, bindings: true, limits: false, json: "
	"/var/log/nat.log,\n"
	"      syslog: \"udp:192.0.2.9:514\", ipfix: "
	"\"tcp:192.0.2.9:4739\", rate: 12, queue: 17}\n"
	"recovery: {log: false, restart: false, backoff: 7, give_up_after: 8, watchdog: 9, dump: core, "
	"keep: 11,\n"
	"           alert: /bin/page me}\n";

static void every_field_is_read_and_printed(void **state)
{
	struct settings *settings = parsed(unusual);
	const struct settings_nat *nat = &settings->nat;
	const struct settings_interface *interfaces = settings->interfaces;

	(void)state;
	assert_round_trip(unusual);
	assert_int_equal(settings->interface_count, 7);
	assert_string_equal(interfaces[0].name, "null");
	assert_int_equal(interfaces[0].role, ROLE_OUTSIDE);
	assert_int_equal(interfaces[0].line, 2);
	assert_true(interfaces[0].address_only);
	assert_false(interfaces[6].address_only);
	assert_int_equal(interfaces[0].pool_count, 2);
	assert_int_equal(ntohl(interfaces[0].pool[0].range.first.s_addr), 0xc6336465);
	assert_int_equal(ntohl(interfaces[0].pool[0].range.last.s_addr), 0xc6336468);
	assert_int_equal(ntohl(interfaces[0].pool[1].range.first.s_addr), 0xc6336478);
	assert_int_equal(ntohl(interfaces[0].pool[1].range.last.s_addr), 0xc633647b);
	assert_int_equal(interfaces[0].pool[1].line, 2);
	assert_string_equal(interfaces[1].name, "12");
	assert_int_equal(interfaces[1].role, ROLE_INSIDE);
	assert_int_equal(interfaces[1].network_count, 2);
	assert_int_equal(ntohl(interfaces[1].networks[0].prefix.address.s_addr), 0x0a000000);
	assert_int_equal(interfaces[1].networks[0].prefix.length, 16);
	assert_string_equal(interfaces[4].name, "\"\\#{");
	assert_string_equal(interfaces[5].name, "-");
	assert_int_equal(interfaces[6].role, ROLE_OUTSIDE);
	assert_int_equal(nat->filtering_udp, FILTERING_ADF);
	assert_int_equal(nat->filtering_tcp, FILTERING_EDF);
	assert_int_equal(nat->accelerate, SETTINGS_ACCELERATE_OFF);
	assert_int_equal(nat->ports.min, 2000);
	assert_int_equal(nat->ports.max, 3000);
	assert_false(nat->ports_preserve);
	assert_false(nat->ports_parity);
	assert_false(nat->hairpin);
	assert_false(nat->tell);
	assert_int_equal(nat->mss_clamp, 1452);
	assert_false(nat->hold);
	assert_false(nat->alg_pptp);
	assert_int_equal(nat->limits.all.mappings, 1);
	assert_int_equal(nat->limits.by[CLASS_TCP].mappings, 2);
	assert_int_equal(nat->limits.by[CLASS_UDP].mappings, 3);
	assert_int_equal(nat->limits.by[CLASS_ICMP].mappings, 4);
	assert_int_equal(nat->limits.all.sessions, 5);
	assert_int_equal(nat->limits.by[CLASS_TCP].sessions, 6);
	assert_int_equal(nat->limits.by[CLASS_UDP].sessions, 7);
	assert_int_equal(nat->limits.by[CLASS_ICMP].sessions, 8);
	assert_int_equal(nat->limits.new_mappings, 9);
	assert_int_equal(nat->timers.udp_timeout, 301);
	assert_int_equal(nat->timers.tcp_idle_timeout, 7441);
	assert_int_equal(nat->timers.tcp_trans_open_timeout, 241);
	assert_int_equal(nat->timers.tcp_trans_close_timeout, 242);
	assert_int_equal(nat->timers.tcp_in_syn_timeout, 7);
	assert_int_equal(nat->timers.icmp_timeout, 61);
	assert_int_equal(nat->timers.fragment_min_timeout, 3);
	assert_int_equal(nat->timers.hold_down_timeout, 121);
	assert_int_equal(nat->timers.hold_down_max, 9000);
	assert_int_equal(nat->timers.host_retention_timeout, 3600);
	assert_int_equal(settings->pass_through_count, 2);
	assert_int_equal(ntohl(settings->pass_through[1].prefix.address.s_addr), 0xcb007107);
	assert_int_equal(settings->pass_through[1].prefix.length, 32);
	assert_int_equal(settings->capacity.sessions, 4096);
	assert_int_equal(settings->capacity.mappings, 2048);
	assert_int_equal(settings->capacity.hosts, 64);
	assert_int_equal(settings->snapshot_interval, 61);
	assert_false(settings->recovery.log);
	assert_false(settings->recovery.restart);
	assert_int_equal(settings->recovery.backoff, 7);
	assert_int_equal(settings->recovery.give_up_after, 8);
	assert_int_equal(settings->recovery.watchdog, 9);
	assert_int_equal(settings->recovery.dump, SETTINGS_DUMP_CORE);
	assert_int_equal(settings->recovery.keep, 11);
	assert_string_equal(settings->recovery.alert, "/bin/page me");
	assert_int_equal(settings->log.mappings, TRAIL_MAPPINGS_OFF);
	assert_false(settings->log.blocks);
	assert_true(settings->log.sessions);
	assert_true(settings->log.bindings);
	assert_false(settings->log.limits);
	assert_string_equal(settings->log.json, "/var/log/nat.log");
	assert_string_equal(settings->log.syslog, "udp:192.0.2.9:514");
	assert_string_equal(settings->log.ipfix, "tcp:192.0.2.9:4739");
	assert_int_equal(settings->log.rate, 12);
	assert_int_equal(settings->log.queue, 17);
	assert_int_equal(settings->warnings.count, 0);
	settings_free(settings);
}

static void assert_defaults(const struct settings *settings)
{
	const struct settings_nat *nat = &settings->nat;

	assert_int_equal(nat->filtering_udp, FILTERING_EIF);
	assert_int_equal(nat->filtering_tcp, FILTERING_EIF);
	assert_int_equal(nat->accelerate, SETTINGS_ACCELERATE_AUTO);
	assert_int_equal(nat->ports.min, 1024);
	assert_int_equal(nat->ports.max, 65535);
	assert_true(nat->ports_preserve);
	assert_true(nat->ports_parity);
	assert_true(nat->hairpin);
	assert_true(nat->tell);
	assert_int_equal(nat->mss_clamp, SETTINGS_MSS_AUTO);
	assert_true(nat->hold);
	assert_true(nat->alg_pptp);
	assert_memory_equal(&nat->limits, &(struct limits){ 0 }, sizeof(nat->limits));
	assert_int_equal(nat->timers.udp_timeout, 300);
	assert_int_equal(nat->timers.tcp_idle_timeout, 7440);
	assert_int_equal(nat->timers.tcp_trans_open_timeout, 240);
	assert_int_equal(nat->timers.tcp_trans_close_timeout, 240);
	assert_int_equal(nat->timers.tcp_in_syn_timeout, 6);
	assert_int_equal(nat->timers.icmp_timeout, 60);
	assert_int_equal(nat->timers.fragment_min_timeout, 2);
	assert_int_equal(nat->timers.hold_down_timeout, 120);
	assert_int_equal(nat->timers.hold_down_max, 0);
	assert_int_equal(nat->timers.host_retention_timeout, 86400);
	assert_int_equal(settings->capacity.sessions, 0);
	assert_int_equal(settings->capacity.hosts, 0);
	assert_int_equal(settings->snapshot_interval, 60);
	assert_true(settings->recovery.log);
	assert_true(settings->recovery.restart);
	assert_int_equal(settings->recovery.backoff, 1);
	assert_int_equal(settings->recovery.give_up_after, 5);
	assert_int_equal(settings->recovery.watchdog, 60);
	assert_int_equal(settings->recovery.dump, SETTINGS_DUMP_SMALL);
	assert_int_equal(settings->recovery.keep, 10);
	assert_string_equal(settings->recovery.alert, "");
	assert_int_equal(settings->warnings.count, 0);
}

static void what_is_not_written_has_its_default(void **state)
{
	struct settings *settings = parsed(BASE);

	(void)state;
	assert_defaults(settings);
	assert_int_equal(settings->interface_count, 2);
	assert_int_equal(settings->interfaces[0].pool_count, 0);
	assert_int_equal(settings->interfaces[1].network_count, 0);
	settings_free(settings);
}

static void short_timers_only_warn(void **state)
{
	static const struct {
		const char *text;
		const char *what;
		const char *mend;
	} rows[] = {
		{ TIMER("udp_timeout: 119"), "udp_timeout: 119 seconds is less than RFC 4787 REQ-5",
		  "120 or more" },
		{ TIMER("tcp_idle_timeout: 7439"), "RFC 5382 REQ-5", "7440 or more" },
		{ TIMER("tcp_in_syn_timeout: 5"), "RFC 5382 REQ-4", "6 or more" },
		{ TIMER("icmp_timeout: 59"), "RFC 5508 REQ-2", "60 or more" },
		{ TIMER("fragment_min_timeout: 1"), "RFC 6146", "2 or more" },
		{ TIMER("hold_down_timeout: 119"), "RFC 6888 REQ-8", "120 or more" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct settings *settings = parsed(rows[i].text);

		assert_true(note_is(&settings->warnings, 6, rows[i].what, rows[i].mend));
		settings_free(settings);
	}
	/* RFC 7857 section 2.1 allows less than four minutes there. */
	struct settings *settings =
		parsed(TIMER("{tcp_trans_open_timeout: 1, tcp_trans_close_timeout: 1, udp_timeout: 120, "
			     "host_retention_timeout: 1}"));
	assert_int_equal(settings->warnings.count, 0);
	settings_free(settings);
}

static void all_errors_are_told_in_order(void **state)
{
	static const char text[] = "interfaces:\n"
				   "  - {name: wan0, role: outside, pool: [192.0.2.1/30]}\n"
				   "  - {name: wan0, role: outside, pool: [192.0.2.9]}\n"
				   "  - {name: wan1, role: outside, pool: [192.0.2.9]}\n"
				   "nat: {hairpin: 3, mapping_type: adm}\n"
				   "bogus: 1\n";
	static const unsigned int lines[] = { 1, 2, 3, 4, 5, 5, 6 };
	struct settings_report report;
	struct settings *settings;

	(void)state;
	assert_int_equal(parse(text, &settings, &report), -EINVAL);
	assert_null(settings);
	assert_int_equal(report.count, ARRAY_SIZE(lines));
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		assert_int_equal(report.notes[i].line, lines[i]);
		assert_true(report.notes[i].what[0] && report.notes[i].mend[0]);
	}
	assert_non_null(strstr(report.notes[4].what, "hairpin"));
	assert_non_null(strstr(report.notes[5].what, "mapping_type"));
}

static void too_many_errors_are_counted(void **state)
{
	struct settings_report report;
	struct settings *settings;
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	(void)state;
	assert_non_null(file);
	fputs(BASE "nat:\n", file);
	for (unsigned int i = 0; i < 100; i++)
		fputs("  x: 1\n", file);
	fclose(file);
	assert_int_equal(parse(text, &settings, &report), -EINVAL);
	assert_int_equal(report.count, SETTINGS_NOTES_MAX);
	assert_int_not_equal(report.more, 0);
	free(text);
}

/* `count` interfaces of a role beside one of the other. Freed by the caller. */
static char *many_interfaces(unsigned int count, const char *role, const char *other)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	fprintf(file, "interfaces:\n  - {name: other, role: %s}\n", other);
	for (unsigned int i = 0; i < count; i++)
		fprintf(file, "  - {name: if%u, role: %s}\n", i, role);
	fclose(file);
	return text;
}

static void interfaces_are_bounded(void **state)
{
	static const struct {
		const char *role, *other, *what;
		unsigned int limit;
	} rows[] = {
		{ "outside", "inside", "more than 16 outside interfaces", MAX_OUTSIDE },
		{ "inside", "outside", "more than 64 inside interfaces", MAX_INSIDE },
	};
	struct settings_report report;
	struct settings *settings;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *most = many_interfaces(rows[i].limit, rows[i].role, rows[i].other);
		char *more = many_interfaces(rows[i].limit + 1, rows[i].role, rows[i].other);

		settings_free(parsed(most));
		assert_int_equal(parse(more, &settings, &report), -EINVAL);
		assert_true(note_is(&report, 3 + rows[i].limit, rows[i].what, "is the most"));
		free(most);
		free(more);
	}
	char *flood = many_interfaces(5000, "inside", "outside");
	assert_int_equal(parse(flood, &settings, &report), -EINVAL);
	assert_non_null(strstr(report.notes[1].what, "more than 80"));
	free(flood);
}

static void networks_are_bounded(void **state)
{
	struct settings_report report;
	struct settings *settings;
	char *text = NULL;
	size_t size;

	(void)state;
	for (unsigned int count = MAX_NETWORKS; count <= MAX_NETWORKS + 1; count++) {
		FILE *file = open_memstream(&text, &size);

		assert_non_null(file);
		fprintf(file, "interfaces:\n  - {name: wan0, role: outside}\n  - name: lan0\n    role: "
			      "inside\n    networks:\n");
		for (unsigned int i = 0; i < count; i++)
			fprintf(file, "      - 10.%u.0.0/16\n", i);
		fclose(file);
		if (count == MAX_NETWORKS) {
			settings_free(parsed(text));
		} else {
			assert_int_equal(parse(text, &settings, &report), -EINVAL);
			assert_true(note_is(&report, 5 + count, "more than 64 networks", "fewer"));
		}
		free(text);
	}
}

static void pass_through_is_bounded(void **state)
{
	struct settings_report report;
	struct settings *settings;
	char *text = NULL;
	size_t size;

	(void)state;
	for (unsigned int count = MAX_PASS_THROUGH; count <= MAX_PASS_THROUGH + 1; count++) {
		FILE *file = open_memstream(&text, &size);

		assert_non_null(file);
		fprintf(file, "%spass_through:\n", BASE);
		for (unsigned int i = 0; i < count; i++)
			fprintf(file, "  - 10.%u.0.0/16\n", i);
		fclose(file);
		if (count == MAX_PASS_THROUGH) {
			settings_free(parsed(text));
		} else {
			assert_int_equal(parse(text, &settings, &report), -EINVAL);
			assert_true(note_is(&report, 4 + count, "more than 32 networks", "fewer"));
		}
		free(text);
	}
}

/* Nesting, on which libyaml's own loader spends quadratic time, is refused at once; so are other floods. */
static void hostile_texts_end_soon(void **state)
{
	static const char *const units[] = { "[",  "{",	  "- ",	    "? ",    "{a: ", "[a,", "a,",
					     "\"", "&a ", "a: b\n", "{a: [", "'",    "|" };
	enum { SIZE = 1 << 20 };
	char *text = malloc(SIZE);
	struct settings_report report;
	struct settings *settings;

	(void)state;
	assert_non_null(text);
	alarm(30);
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		size_t size = strlen(units[i]);

		for (size_t at = 0; at < SIZE; at++)
			text[at] = units[i][at % size];
		assert_int_equal(settings_parse(text, SIZE, "hostile", &settings, &report), -EINVAL);
		assert_true(report.count >= 1);
	}
	alarm(0);
	free(text);
}

static void texts_are_bounded(void **state)
{
	char *text = malloc(SETTINGS_TEXT_MAX + 1);
	struct settings_report report;
	struct settings *settings;

	(void)state;
	assert_non_null(text);
	memset(text, '\n', SETTINGS_TEXT_MAX + 1);
	memcpy(text, BASE, sizeof(BASE) - 1);
	assert_int_equal(settings_parse(text, SETTINGS_TEXT_MAX, "long", &settings, &report), 0);
	settings_free(settings);
	assert_int_equal(settings_parse(text, SETTINGS_TEXT_MAX + 1, "long", &settings, &report), -EFBIG);
	assert_true(note_is(&report, 0, "more than 33554432 bytes", "no other file"));
	for (size_t at = 0; at < 5 << 20; at++)
		text[at] = "- a\n"[at % 4];
	assert_int_equal(settings_parse(text, 5 << 20, "long", &settings, &report), -EINVAL);
	assert_true(note_is(&report, 1 << 20, "too many values", "no other file"));
	free(text);
}

static void settings_come_from_a_command_line(void **state)
{
	struct settings_report report;
	struct settings *settings;

	(void)state;
	assert_int_equal(settings_simple("eth1", "eth0", NULL, &settings, &report), 0);
	assert_defaults(settings);
	assert_int_equal(settings->interface_count, 2);
	assert_string_equal(settings->interfaces[0].name, "eth0");
	assert_int_equal(settings->interfaces[0].role, ROLE_OUTSIDE);
	assert_string_equal(settings->interfaces[1].name, "eth1");
	assert_int_equal(settings->interfaces[1].role, ROLE_INSIDE);
	settings_free(settings);

	assert_int_equal(settings_simple("eth1", "eth0", "192.0.2.1,192.0.2.8/30", &settings, &report), 0);
	assert_int_equal(settings->interfaces[0].pool_count, 2);
	assert_int_equal(address_range_count(&settings->interfaces[0].pool[1].range), 4);
	char *text = printed(settings);
	assert_round_trip(text);
	free(text);
	settings_free(settings);
}

static void command_lines_are_checked(void **state)
{
	static const struct {
		const char *inside, *outside, *pool, *what, *mend;
	} rows[] = {
		{ "eth0", "eth0", NULL, "\"eth0\" is there already", "one role" },
		{ "", "eth0", NULL, "--inside: \"\" cannot be the name", "`ip link`" },
		{ "eth1", "e/0", NULL, "--outside: \"e/0\" cannot be the name", "`ip link`" },
		{ "eth1", "eth0", "", "--pool: \"\" is not an address", "198.51.100.1" },
		{ "eth1", "eth0", "192.0.2.1,", "--pool: \"\" is not an address", "198.51.100.1" },
		{ "eth1", "eth0", "192.0.2.9/30", "bits set beyond", "write 192.0.2.8/30" },
		{ "eth1", "eth0", "192.0.2.9,192.0.2.8/30", "overlaps", "one pool" },
	};
	struct settings_report report;
	struct settings *settings;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(settings_simple(rows[i].inside, rows[i].outside, rows[i].pool, &settings,
						 &report),
				 -EINVAL);
		assert_null(settings);
		if (!note_is(&report, 0, rows[i].what, rows[i].mend)) {
			settings_report_print(stdout, "error", &report);
			fail_msg("row %zu", i);
		}
	}
}

static void files_are_read(void **state)
{
	char path[] = "/tmp/keepnat-config-XXXXXX";
	struct settings_report report;
	struct settings *settings;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, BASE, sizeof(BASE) - 1), sizeof(BASE) - 1);
	assert_int_equal(settings_load(path, &settings, &report), 0);
	settings_free(settings);
	assert_int_equal(write(fd, "x: 1\n", 5), 5);
	assert_int_equal(settings_load(path, &settings, &report), -EINVAL);
	assert_true(note_is(&report, 4, "unknown key", "keys here"));
	assert_string_equal(report.name, path);
	close(fd);
	unlink(path);
	assert_int_equal(settings_load(path, &settings, &report), -ENOENT);
	assert_true(note_is(&report, 0, "cannot read it: No such file", "check the path"));
	assert_int_equal(settings_load("/tmp", &settings, &report), -EISDIR);
	assert_true(note_is(&report, 0, "cannot read it: Is a directory", "path of a file"));
	assert_null(settings);
}

static int probe_only_wan0(void *context, const struct settings_interface *interface)
{
	(*(unsigned int *)context)++;
	return strcmp(interface->name, "wan0") ? -ENODEV : 0;
}

static void missing_interfaces_are_told(void **state)
{
	struct settings *settings = parsed(BASE);
	struct settings_report report;
	unsigned int asked = 0;

	(void)state;
	assert_int_equal(settings_probe(settings, "test.yaml", probe_only_wan0, &asked, &report), -ENODEV);
	assert_int_equal(asked, 2);
	assert_true(note_is(&report, 3, "there is no interface \"lan0\"", "`ip link`"));
	settings_free(settings);
}

static void reports_print_one_line_a_note(void **state)
{
	struct settings_report report;
	struct settings *settings;
	char *text = NULL;
	size_t size;
	FILE *file;

	(void)state;
	assert_int_equal(parse(NAT("hairpin: 1\n  \"a\\nb\": 2"), &settings, &report), -EINVAL);
	file = open_memstream(&text, &size);
	assert_non_null(file);
	settings_report_print(file, "error", &report);
	fclose(file);
	assert_string_equal(text,
			    "test.yaml:5: error: nat.hairpin: \"1\" is neither true nor false; "
			    "write true or false, without quotes\n"
			    "test.yaml:6: error: nat: unknown key \"a?b\"; the keys here are: mapping_type, "
			    "filtering_type, accelerate, ports, blocks, limits, on_exhaustion, "
			    "unsolicited_syn, alg, hairpin, mss_clamp, timers\n");
	free(text);
}

/* The commented example is what people start from. */
static void the_example_is_taken(void **state)
{
	const char *source = getenv("KEEPNAT_SOURCE");
	struct settings_report report;
	struct settings *settings;
	char path[4096];

	(void)state;
	snprintf(path, sizeof(path), "%s/packaging/keepnat.yaml", source ? source : ".");
	if (settings_load(path, &settings, &report)) {
		settings_report_print(stdout, "error", &report);
		fail();
	}
	assert_defaults(settings);
	settings_free(settings);
}

/* A file of the source tree, to be freed. */
static char *source_text(const char *name)
{
	const char *source = getenv("KEEPNAT_SOURCE");
	char *text = NULL, path[4096], line[1024];
	FILE *in, *out;
	size_t size;

	snprintf(path, sizeof(path), "%s/%s", source ? source : ".", name);
	in = fopen(path, "r");
	out = open_memstream(&text, &size);
	if (!in || !out)
		fail_msg("cannot read %s", path);
	while (fgets(line, sizeof(line), in))
		fputs(line, out);
	fclose(in);
	fclose(out);
	return text;
}

/* Where the manual first names a key. */
static const char *manual_find(const char *manual, const char *name)
{
	char word[64];
	size_t size = (size_t)snprintf(word, sizeof(word), "Ic %s", name);
	const char *at = strstr(manual, word);

	while (at && (at[size] == '_' || (at[size] >= 'a' && at[size] <= 'z')))
		at = strstr(at + 1, word);
	if (!at)
		fail_msg("keepnat.yaml(5) does not name %s", name);
	return at;
}

/* The manual names each key, the bounds of each number that is kept, and the default of each timer in its table. */
static void keys_are_in_manual(const char *manual, const struct config_key *keys)
{
	for (; keys->name; keys++) {
		const char *at = manual_find(manual, keys->name);
		char row[128], most[32];

		snprintf(most, sizeof(most), "%u", keys->max);
		snprintf(row, sizeof(row), "Ic %s Ta %u Ta %s%.0u", keys->name, keys->initial,
			 keys->advice ? "" : "none", keys->advice);
		if (keys->type == CONFIG_NUMBER && keys->size && !strstr(manual, most))
			fail_msg("keepnat.yaml(5) does not say that %s goes up to %s", keys->name, most);
		if (keys->unit && keys->size && strncmp(at, row, strlen(row)) != 0)
			fail_msg("keepnat.yaml(5) has no row \"%s\"", row);
		if (keys->keys && !config_later_find(keys->name))
			keys_are_in_manual(manual, keys->keys);
	}
}

/* Literal blocks that begin with the interfaces are whole configurations. */
static void the_manual_is_true(void **state)
{
	static const char begin[] = ".Bd -literal -offset indent\ninterfaces:";
	char *manual = source_text("man/keepnat.yaml.5");
	unsigned int examples = 0;

	(void)state;
	keys_are_in_manual(manual, config_keys);
	for (char *at = strstr(manual, begin); at; at = strstr(at, begin)) {
		char *text = strchr(at, '\n') + 1, *end = strstr(text, ".Ed");

		assert_non_null(end);
		*end = '\0';
		settings_free(parsed(text));
		at = end + 1;
		examples++;
	}
	assert_int_equal(examples, 2);
	free(manual);
}

static void addresses_are_strict(void **state)
{
	static const char *const bad[] = { "",
					   "1",
					   "1.2.3",
					   "1.2.3.4.5",
					   "01.2.3.4",
					   "1.2.3.4 ",
					   " 1.2.3.4",
					   "1.2.3.-4",
					   "1.2.3.4-",
					   "-1.2.3.4",
					   "1.2.3.4/",
					   "/8",
					   "1.2.3.4/+8",
					   "1.2.3.4-1.2.3.5-1.2.3.6",
					   "1.2.3.0/24-1.2.4.0/24",
					   "1.2.3.4/8/8" };
	struct address_range range;
	char text[ADDRESS_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (address_range_parse(bad[i], &range) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	assert_int_equal(address_range_parse("0.0.0.0/0", &range), 0);
	assert_true(address_range_count(&range) == 1ULL << 32);
	assert_string_equal(address_range_format(text, &range), "0.0.0.0-255.255.255.255");
	assert_int_equal(address_range_parse("255.255.255.255/32", &range), 0);
	assert_true(address_range_count(&range) == 1);
	assert_string_equal(address_range_format(text, &range), "255.255.255.255");
}

static void endpoints_are_strict(void **state)
{
	static const char *const bad[] = {
		"",	     ":80",	    "1.2.3:80",	     "1.2.3.4:",       "1.2.3.4: 80", "1.2.3.4:+80",
		"1.2.3.4:x", "1.2.3.4:80x", "1.2.3.4:65536", "1.2.3.4:000080", "1.2.3.4:1:2"
	};
	struct in_addr address;
	int port;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (address_endpoint_parse(bad[i], &address, &port) != -EINVAL)
			fail_msg("\"%s\" was taken", bad[i]);
	assert_int_equal(address_endpoint_parse("1.2.3.4", &address, &port), 0);
	assert_int_equal(port, -1);
	assert_int_equal(address_endpoint_parse("1.2.3.4:0", &address, &port), 0);
	assert_int_equal(port, 0);
	assert_int_equal(address_endpoint_parse("255.255.255.255:65535", &address, &port), 0);
	assert_int_equal(port, 65535);
	assert_int_equal(ntohl(address.s_addr), 0xffffffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_name_line_and_mend),
		cmocka_unit_test(printed_reads_back_to_the_same),
		cmocka_unit_test(every_field_is_read_and_printed),
		cmocka_unit_test(what_is_not_written_has_its_default),
		cmocka_unit_test(short_timers_only_warn),
		cmocka_unit_test(all_errors_are_told_in_order),
		cmocka_unit_test(too_many_errors_are_counted),
		cmocka_unit_test(interfaces_are_bounded),
		cmocka_unit_test(networks_are_bounded),
		cmocka_unit_test(pass_through_is_bounded),
		cmocka_unit_test(hostile_texts_end_soon),
		cmocka_unit_test(texts_are_bounded),
		cmocka_unit_test(settings_come_from_a_command_line),
		cmocka_unit_test(command_lines_are_checked),
		cmocka_unit_test(files_are_read),
		cmocka_unit_test(missing_interfaces_are_told),
		cmocka_unit_test(reports_print_one_line_a_note),
		cmocka_unit_test(the_example_is_taken),
		cmocka_unit_test(the_manual_is_true),
		cmocka_unit_test(addresses_are_strict),
		cmocka_unit_test(endpoints_are_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
