// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// views.js - one part for each section but the overview: how it is filled, and every how many seconds while it is seen.
import { ask } from "./api.js";
import { Table, bar, byId, column, count, duration, make, moment, percent, put, scaled } from "./dom.js";

const PAGE = 200; // rows that are asked for at a time
const SCAN = 5000; // and while a part of an address is looked for

function dialog(title, ...content) {
	byId("detail-title").textContent = title;
	byId("detail").replaceChildren(...content);
	byId("detail-dialog").showModal();
}

/** A cell with a button that is made once. */
const button = (text, name, act) => ({
	head: "",
	show(cell, row) {
		cell.row = row;
		if (!cell.firstChild)
			cell.append(make("button", { type: "button", "aria-label": name(row), click: () => act(cell.row) }, text));
	},
});

/*
 * Hosts
 */

const endpoint = (address, port) => (port ? `${address}:${port}` : address);

async function sessionsShow(host) {
	const address = host.inside_address;
	const { sessions, cursor } = await ask(`/v1/sessions?host=${address}&interface=${encodeURIComponent(host.interface)}&limit=${PAGE}`);
	const table = make("table");
	new Table(
		table,
		[
			column("Protocol", (s) => s.protocol),
			column("Inside", (s) => endpoint(s.inside_address, s.inside_port), "code"),
			column("Outside", (s) => endpoint(s.outside_address, s.outside_port), "code"),
			column("Remote", (s) => endpoint(s.remote_address, s.remote_port), "code"),
			column("State", (s) => s.state),
			column("Idle", (s) => duration(s.idle), "number"),
			column("Out", (s) => scaled(s.bytes_out, "B"), "number"),
			column("In", (s) => scaled(s.bytes_in, "B"), "number"),
		],
		(s) => `${s.protocol} ${s.inside_port} ${s.outside_address}:${s.outside_port} ${s.remote_address}:${s.remote_port}`,
	).show(sessions);
	const said = sessions.length ? (cursor === null ? "" : `the first ${PAGE}`) : "none now";
	dialog(`Sessions of ${address}`, make("p", { class: "faint" }, said), make("div", { class: "scroll", tabindex: "0" }, table));
}

const hosts = {
	seconds: 5,
	rows: [],
	cursor: null,
	search: "",
	run: 0, // which search is the newest: what an older one still finds is not shown

	start() {
		this.table = new Table(
			byId("hosts-table"),
			[
				column("Inside", (h) => h.inside_address, "code"),
				column("Outside", (h) => h.outside_address, "code"),
				column("Interface", (h) => h.interface),
				column("Mappings", (h) => count(h.mappings ?? 0), "number"),
				column("Sessions", (h) => count(h.sessions ?? 0), "number"),
				column("Idle", (h) => duration(h.idle), "number"),
				column("", (h) => [h.own && "the router", h.reserved && "reserved"].filter(Boolean).join(", ")),
				button("Sessions", (h) => `Sessions of ${h.inside_address}`, (h) => sessionsShow(h).catch((e) => this.say(e.words ?? e.message))),
			],
			(h) => `${h.inside_address} ${h.outside_address} ${h.interface}`,
		);
		byId("hosts-form").addEventListener("submit", (event) => {
			event.preventDefault();
			this.search = byId("hosts-search").value.trim();
			this.look().catch((error) => this.say(error.words ?? error.message));
		});
		byId("hosts-search").addEventListener("search", () => byId("hosts-form").requestSubmit());
		byId("hosts-more").addEventListener("click", () => this.more().catch((error) => this.say(error.words ?? error.message)));
	},

	say(text) {
		put(byId("hosts-said"), text);
	},

	show(said) {
		this.table.show(this.rows);
		byId("hosts-more").hidden = this.cursor === null;
		this.say(said);
	},

	/** Now and then: the first page, if that is what is seen. */
	async refresh() {
		if (!this.search && this.rows.length <= PAGE) await this.look();
	},

	async look() {
		const run = ++this.run;
		this.cursor = null;
		if (/^\d+\.\d+\.\d+\.\d+$/.test(this.search)) await this.lookAddress(run);
		else if (this.search) await this.lookPart(run);
		else await this.lookAll(run);
	},

	async lookAll(run) {
		const page = await ask(`/v1/hosts?limit=${PAGE}`);
		if (run !== this.run) return;
		this.rows = page.hosts;
		this.cursor = page.cursor;
		this.show(page.cursor === null ? `${count(this.rows.length)} hosts` : `the first ${count(this.rows.length)} hosts`);
	},

	async lookAddress(run) {
		const of = await Promise.all(["host", "outside"].map((side) => ask(`/v1/hosts?${side}=${this.search}&limit=${PAGE}`)));
		if (run !== this.run) return;
		this.rows = of.flatMap((page) => page.hosts);
		this.show(`${count(this.rows.length)} found`);
	},

	/** Through all hosts, as many at a time as the browser and the daemon take lightly. */
	async lookPart(run) {
		const found = [];
		let seen = 0;
		for (let cursor = 0; cursor !== null && found.length < PAGE; ) {
			const page = await ask(`/v1/hosts?limit=${SCAN}&cursor=${cursor}`);
			if (run !== this.run) return;
			cursor = page.cursor;
			seen += page.hosts.length;
			found.push(...page.hosts.filter((h) => `${h.inside_address} ${h.outside_address}`.includes(this.search)));
			this.rows = found.slice(0, PAGE);
			this.show(`${count(this.rows.length)} found among ${count(seen)} hosts${cursor === null || found.length >= PAGE ? "" : ", looking on"}`);
		}
	},

	async more() {
		const page = await ask(`/v1/hosts?limit=${PAGE}&cursor=${this.cursor}`);
		this.rows.push(...page.hosts);
		this.cursor = page.cursor;
		this.show(`${page.cursor === null ? "" : "the first "}${count(this.rows.length)} hosts`);
	},
};

/*
 * Pools
 */

const ports = (head, kind) => ({
	head,
	kind: "ports",
	show(cell, row) {
		const used = row.ports_used[kind];
		const all = used + row.ports_free[kind];
		if (!cell.firstChild) cell.append(make("span"), make("div"));
		put(cell.firstChild, `${count(used)} used, ${count(row.ports_free[kind])} free`);
		cell.firstChild.title = percent(used, all);
		bar(cell.lastChild, used, all);
	},
});

const pools = {
	seconds: 5,
	rows: [],
	pages: 1,

	start() {
		const kinds = { pool: "pool", local: "the interface's own", reserved: "reserved", full_nat: "for clients" };
		this.table = new Table(
			byId("pools-table"),
			[
				column("Address", (p) => p.address, "code"),
				column("Interface", (p) => p.interface),
				column("Kind", (p) => Object.keys(kinds).filter((k) => p[k]).map((k) => kinds[k]).join(", ")),
				ports("UDP", "udp"),
				ports("TCP", "tcp"),
				ports("ICMP", "icmp"),
				ports("Others", "other"),
			],
			(p) => `${p.address} ${p.interface}`,
		);
		byId("pools-more").addEventListener("click", () => {
			this.pages++;
			this.refresh().catch(() => this.pages--);
		});
	},

	async refresh() {
		const rows = [];
		let cursor = 0;
		for (let n = 0; n < this.pages && cursor !== null; n++) {
			const page = await ask(`/v1/pools?limit=${PAGE}&cursor=${cursor}`);
			rows.push(...page.pools);
			cursor = page.cursor;
		}
		this.table.show(rows);
		byId("pools-more").hidden = cursor === null;
		put(byId("pools-said"), `${cursor === null ? "" : "the first "}${count(rows.length)} addresses`);
	},
};

/*
 * Reasons
 */

const verdictKind = { drop: "bad", answer: "warn", translate: "good" };

const reasons = {
	seconds: 2,
	before: null,

	start() {
		this.table = new Table(
			byId("reasons-table"),
			[
				{
					head: "Verdict",
					show(cell, row) {
						if (!cell.firstChild) cell.append(make("span", { class: `pill ${verdictKind[row.verdict] ?? ""}` }, row.verdict));
					},
				},
				column("Reason", (r) => r.reason, "code"),
				column("Packets", (r) => count(r.packets), "number"),
				column("Now", (r) => (r.rate === undefined ? "" : scaled(r.rate, "/s")), "number"),
				column("Bytes", (r) => scaled(r.bytes, "B"), "number"),
				column("Meaning", (r) => r.text, "wide"),
			],
			(r) => r.reason,
		);
		byId("reasons-all").addEventListener("change", () => this.refresh().catch(() => {}));
	},

	async refresh() {
		const now = performance.now() / 1000;
		const { reasons: rows } = await ask("/v1/reasons");
		const before = this.before;
		for (const row of rows) {
			const old = before?.packets.get(row.reason);
			if (old !== undefined && now > before.time) row.rate = Math.max(0, (row.packets - old) / (now - before.time));
		}
		this.before = { time: now, packets: new Map(rows.map((r) => [r.reason, r.packets])) };
		this.table.show(rows.filter((r) => r.packets || byId("reasons-all").checked));
	},
};

/*
 * Events
 */

const severities = ["error", "warning", "notice", "info"];
const severityKind = { error: "bad", warning: "warn", notice: "good", info: "" };

const events = {
	seconds: 2,
	last: 0,
	all: [],

	start() {
		byId("events-severity").addEventListener("change", () => this.show());
	},

	async refresh() {
		let cursor = this.last;
		const fresh = [];
		while (cursor !== null) {
			const page = await ask(`/v1/events?cursor=${cursor}`);
			fresh.push(...page.events);
			cursor = page.cursor;
			this.last = page.last;
		}
		if (!fresh.length && this.shown) return;
		this.all = [...this.all, ...fresh].slice(-512);
		this.show();
	},

	show() {
		const most = Number(byId("events-severity").value);
		const seen = this.all.filter((e) => severities.indexOf(e.severity) <= most).reverse();
		byId("events-list").replaceChildren(...seen.map((e) => this.line(e)));
		put(byId("events-said"), seen.length ? "" : "none");
		this.shown = true;
	},

	line(e) {
		const text = e.dropped ? `${e.text} (and ${count(e.dropped)} more of its kind before)` : e.text;
		const mend = e.mend ? ` What to do: ${e.mend}.` : "";
		return make(
			"li",
			{},
			moment(e.time),
			make("span", { class: `pill ${severityKind[e.severity]}` }, e.severity),
			make(
				"div",
				{ class: "what" },
				make("b", {}, e.subject ? `${e.event} ${e.subject}` : e.event),
				` ${text}`,
				make("p", { class: "faint" }, `${e.meaning}.${mend}`),
			),
		);
	},
};

/*
 * Recoveries
 */

async function crashShow(name) {
	const crash = await ask(`/v1/crashes/${encodeURIComponent(name)}`);
	dialog(`Recovery ${name}`, make("pre", { tabindex: "0" }, crash.report));
}

const recoveries = {
	seconds: 5,

	start() {
		this.table = new Table(
			byId("recoveries-table"),
			[
				{ head: "Time", show: (cell, row) => cell.firstChild ?? cell.append(moment(row.time)) },
				column("Error", (c) => c.error ?? "–", "wide"),
				column("Signature", (c) => c.signature ?? "–", "code"),
				column("", (c) => (c.unread ? "unread" : "")),
				button("Report", (c) => `Report of ${c.crash}`, (c) => crashShow(c.crash).catch((e) => put(byId("recoveries-said"), e.words ?? e.message))),
			],
			(c) => c.crash,
		);
		byId("recoveries-ack").addEventListener("click", async () => {
			try {
				await ask("/v1/crashes/ack", "POST");
				await this.refresh();
			} catch (error) {
				put(byId("recoveries-said"), error.words ?? error.message);
			}
		});
	},

	async refresh() {
		const { crashes } = await ask("/v1/crashes");
		this.table.show(crashes);
		byId("recoveries-ack").hidden = !crashes.some((c) => c.unread);
		put(byId("recoveries-said"), crashes.length ? `${count(crashes.length)} reports` : "There were none.");
	},
};

export const views = { hosts, pools, reasons, events, recoveries };
