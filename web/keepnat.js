// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// keepnat.js - the page: which section is seen, the overview, the token, and who asks the daemon when.
//
// Once a second, while the page is seen, counters and status are asked for, whatever section is open, so that the charts have no gaps;
// and what the open section shows, as often as it says (views.js). One question of a kind is under way at a time.
import { Refusal, ask, tokenSet } from "./api.js";
import { Chart, History, bits, plain } from "./charts.js";
import { Table, bar, byId, column, count, duration, make, percent, put, scaled } from "./dom.js";
import { resetAsk } from "./reset.js";
import { views } from "./views.js";

const SECOND = 1000;

/*
 * The overview
 */

const rates = new Map(); // by interface: what it counted when, and how much that is in a second
const histories = new Map([["", new History(2)]]);
const sessionHistory = new History(3);
let charts = null;

const per = (name, key) => rates.get(name)?.rate[key] ?? 0;

const interfaces = new Table(
	byId("interfaces-table"),
	[
		column("Interface", (i) => i.interface, "code"),
		column("Role", (i) => i.role),
		{
			head: "State",
			show(cell, i) {
				const good = i.up && i.hook;
				if (!cell.firstChild) cell.append(make("span"));
				cell.firstChild.className = `pill ${good ? "good" : "bad"}`;
				put(cell.firstChild, good ? "up" : i.ifindex ? (i.up ? "not served" : "down") : "gone");
			},
		},
		column("Out", (i) => (i.role === "outside" ? bits(8 * per(i.interface, "bytes_out")) : ""), "number"),
		column("In", (i) => (i.role === "outside" ? bits(8 * per(i.interface, "bytes_in")) : ""), "number"),
		column("Translated", (i) => (i.role === "outside" ? scaled(i.bytes_translated, "B") : ""), "number"),
		column("Dropped", (i) => count(i.packets_dropped), "number"),
		{
			head: "Fast path",
			show(cell, i) {
				put(cell, i.acceleration);
				cell.title = i.why ?? "";
			},
		},
		{
			head: "",
			show(cell, i) {
				if (i.role !== "outside" || cell.firstChild) return;
				cell.append(make("button", { type: "button", "aria-label": `Reset ${i.interface}`, click: () => resetAsk(i.interface) }, "Reset"));
			},
		},
	],
	(i) => `${i.interface} ${i.role}`,
);

/** What each interface counted in a second, since it was last asked. */
function ratesTake(list) {
	const now = performance.now() / SECOND;
	for (const i of list) {
		const before = rates.get(i.interface);
		const rate = {};
		for (const key of ["bytes_out", "bytes_in", "packets_out", "packets_in", "packets_dropped"]) {
			const difference = before ? i[key] - before.counted[key] : 0;
			rate[key] = before && difference > 0 ? difference / (now - before.time) : 0;
		}
		rates.set(i.interface, { time: now, counted: i, rate, known: Boolean(before) });
	}
}

function interfacesChoose(outside) {
	const select = byId("chart-interface");
	const names = [...select.options].slice(1).map((o) => o.value);
	for (const { interface: name } of outside) {
		if (names.includes(name)) continue;
		histories.set(name, new History(2));
		select.append(make("option", { value: name }, name));
	}
}

function historiesAdd(outside, sum) {
	const now = Date.now() / SECOND;
	if (!outside.every((i) => rates.get(i.interface).known)) return;
	histories.get("").add(now, [8 * sum("bytes_out"), 8 * sum("bytes_in")]);
	for (const { interface: name } of outside) histories.get(name).add(now, [8 * per(name, "bytes_out"), 8 * per(name, "bytes_in")]);
}

async function interfacesRefresh() {
	const { interfaces: list } = await ask("/v1/interfaces");
	const outside = list.filter((i) => i.role === "outside");
	const sum = (key) => outside.reduce((total, i) => total + per(i.interface, key), 0);
	ratesTake(list);
	interfacesChoose(outside);
	historiesAdd(outside, sum);
	interfaces.show(list);
	put(byId("rate-out"), bits(8 * sum("bytes_out")));
	put(byId("rate-in"), bits(8 * sum("bytes_in")));
	put(byId("packets-out"), `${plain(sum("packets_out"))} packets/s`);
	put(byId("packets-in"), `${plain(sum("packets_in"))} packets/s`);
	put(byId("drops"), `${plain(list.reduce((total, i) => total + per(i.interface, "packets_dropped"), 0))}/s`);
	put(byId("drops-of"), `${count(list.reduce((total, i) => total + i.packets_dropped, 0))} packets in all`);
}

function used(id, of) {
	put(byId(id), count(of.used));
	put(byId(`${id}-of`), `${percent(of.used, of.capacity)} of ${count(of.capacity)}`);
	bar(byId(`${id}-bar`), of.used, of.capacity);
}

function warningsShow(list) {
	const place = byId("warnings");
	const same = [...place.children].map((li) => li.textContent).join("\n") === list.join("\n");
	if (!same) place.replaceChildren(...list.map((text) => make("li", {}, text)));
	place.hidden = !list.length;
}

async function statusRefresh() {
	const status = await ask("/v1/status");
	const { unread } = status.recoveries;
	put(byId("instance"), status.instance);
	put(byId("version"), `${status.version}, for ${duration(status.uptime)}`);
	byId("state").className = `pill ${status.ready ? "good" : "warn"}`;
	put(byId("state"), status.ready ? "ready" : "not ready");
	put(byId("unread"), unread);
	byId("unread").hidden = !unread;
	byId("unread").title = `${unread} that nobody has read about`;
	used("sessions", status.sessions);
	used("mappings", status.mappings);
	used("host-count", status.hosts);
	warningsShow(status.warnings);
	const { tcp, udp, icmp, other } = status.sessions;
	sessionHistory.add(Date.now() / SECOND, [tcp, udp, icmp + other]);
	document.title = `keepnat ${status.instance}`;
}

function chartsShow() {
	charts ??= [new Chart("chart-throughput", ["out", "in"], bits), new Chart("chart-sessions", ["tcp", "udp", "rest"], plain)];
	charts[0].show(histories.get(byId("chart-interface").value));
	charts[1].show(sessionHistory);
}

/*
 * Who asks when
 */

let open = "overview";
let busy = false;
let due = 0; // when the open section is asked next, in milliseconds

function troubleShow(error) {
	const place = byId("trouble");
	if (error instanceof Refusal && error.status === 401) {
		tokenAsk();
		return;
	}
	put(place, error instanceof Refusal ? error.words : "The daemon does not answer; trying again. Packets may go on without it.");
	place.hidden = false;
	if (!(error instanceof Refusal)) {
		byId("state").className = "pill bad";
		put(byId("state"), "no answer");
	}
}

async function beat() {
	if (busy || document.hidden || byId("token-dialog").open) return;
	busy = true;
	try {
		await Promise.all([interfacesRefresh(), statusRefresh()]);
		if (open === "overview") chartsShow();
		else if (performance.now() >= due) {
			due = performance.now() + views[open].seconds * SECOND;
			await views[open].refresh();
		}
		byId("trouble").hidden = true;
	} catch (error) {
		troubleShow(error);
	} finally {
		busy = false;
	}
}

function sectionOpen() {
	const wanted = location.hash.slice(1);
	if (wanted === "main") return;
	open = wanted in views ? wanted : "overview";
	for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== open;
	for (const link of document.querySelectorAll("nav a")) {
		if (link.hash !== `#${open}`) {
			link.removeAttribute("aria-current");
			continue;
		}
		link.setAttribute("aria-current", "page");
		link.scrollIntoView({ block: "nearest", inline: "nearest" });
	}
	due = 0;
	scrollTo(0, 0);
	beat();
}

/*
 * The token
 */

function tokenAsk() {
	const dialog = byId("token-dialog");
	if (dialog.open) return;
	byId("token").value = "";
	dialog.showModal();
}

byId("token-dialog").addEventListener("cancel", (event) => event.preventDefault());
byId("token-form").addEventListener("submit", async (event) => {
	event.preventDefault();
	tokenSet(byId("token").value.trim());
	try {
		await ask("/v1/status");
		put(byId("token-said"), "");
		byId("token-dialog").close();
		beat();
	} catch (error) {
		put(byId("token-said"), error instanceof Refusal && error.status === 401 ? "That is not the token." : (error.words ?? error.message));
		byId("token").select();
	}
});

document.querySelectorAll("dialog .close").forEach((button) => button.addEventListener("click", () => button.closest("dialog").close()));
document.addEventListener("visibilitychange", beat);
addEventListener("hashchange", sectionOpen);
byId("chart-interface").addEventListener("change", chartsShow);
Object.values(views).forEach((view) => view.start());
sectionOpen();
setInterval(beat, SECOND);
