// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// reset.js - the reset of an outside interface: asks first, then shows what it did.
import { ask } from "./api.js";
import { byId, count, make } from "./dom.js";

const COUNTS = {
	sessions_ended: "sessions ended",
	sessions_now: "sessions since",
	mappings_kept: "mappings kept",
	mappings_ended: "mappings ended",
	hosts_kept: "hosts kept",
	hosts_ended: "hosts ended",
	hosts_moved: "hosts with another outside address",
	skipped: "entries in use just then",
};
const PATIENCE = 60000;
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
let name = "";

export function resetAsk(interfaceName) {
	name = interfaceName;
	document.querySelectorAll(".reset-name").forEach((place) => (place.textContent = name));
	byId("reset-form").reset();
	byId("reset-form").hidden = false;
	byId("reset-report").hidden = true;
	byId("reset-said").textContent = "";
	byId("reset-form").querySelector(".danger").disabled = false;
	byId("reset-dialog").setAttribute("aria-labelledby", "reset-title");
	byId("reset-dialog").showModal();
}

/** The report, once the sweep has been everywhere. */
async function reported(path, keep) {
	let report = await ask(path, "POST", { keep, wait: true });
	for (const end = Date.now() + PATIENCE; !report.complete && Date.now() < end; ) {
		await pause(200);
		report = await ask(path);
	}
	return report;
}

function show(report) {
	byId("reset-done").textContent = report.complete
		? `${name} was reset, keeping ${report.keep === "none" ? "nothing" : report.keep}`
		: `${name} was reset; the sweep has not ended yet`;
	const rows = Object.entries(COUNTS).filter(([key]) => key in report);
	byId("reset-counts").replaceChildren(
		...rows.flatMap(([key, text]) => [make("dt", {}, text), make("dd", { "data-count": key }, count(report[key]))]),
	);
	byId("reset-form").hidden = true;
	byId("reset-report").hidden = false;
	byId("reset-dialog").setAttribute("aria-labelledby", "reset-done");
	byId("reset-report").querySelector(".close").focus();
}

byId("reset-form").addEventListener("submit", async (event) => {
	event.preventDefault();
	const form = event.target;
	const button = form.querySelector(".danger");
	button.disabled = true;
	byId("reset-said").textContent = "";
	try {
		show(await reported(`/v1/interfaces/${encodeURIComponent(name)}/reset`, form.elements.keep.value));
	} catch (error) {
		byId("reset-said").textContent = error.words ?? `No answer: ${error.message}`;
		button.disabled = false;
	}
});
