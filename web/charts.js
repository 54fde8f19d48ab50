// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// charts.js - the last five minutes, by uPlot.
/* global uPlot */
import { byId, count, scaled } from "./dom.js";

const SECONDS = 300;
const dark = matchMedia("(prefers-color-scheme: dark)");
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Numbers by time, for so many seconds; a gap is drawn where the page was not looking. */
export class History {
	constructor(lines) {
		this.data = Array.from({ length: lines + 1 }, () => []);
	}

	add(time, values) {
		const [times] = this.data;
		if (times.length && time - times.at(-1) > 10) this.push(times.at(-1) + 1, values.map(() => null));
		this.push(time, values);
		while (times.length && times[0] < time - SECONDS) this.data.forEach((line) => line.shift());
	}

	push(time, values) {
		this.data[0].push(time);
		values.forEach((value, n) => this.data[n + 1].push(value));
	}
}

/** A chart in an element. names: of the lines, which are those of their colours, too. */
export class Chart {
	constructor(id, names, words) {
		this.place = byId(id);
		this.names = names;
		this.words = words;
		this.label = this.place.getAttribute("aria-label");
		this.data = [[], ...names.map(() => [])];
		this.draw();
		dark.addEventListener("change", () => this.draw());
		new ResizeObserver(() => this.fit()).observe(this.place);
	}

	size() {
		return { width: Math.max(200, this.place.clientWidth), height: 200 };
	}

	fit() {
		const size = this.size();
		if (size.width !== this.plot.width) this.plot.setSize(size);
	}

	draw() {
		this.plot?.destroy();
		const axis = { stroke: colour("faint"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
		this.plot = new uPlot(
			{
				...this.size(),
				legend: { show: false },
				cursor: { show: false },
				scales: {
					x: { range: (u, low, high) => [(high ?? Date.now() / 1000) - SECONDS, high ?? Date.now() / 1000] },
					y: { range: (u, low, high) => [0, Math.max(10, (high ?? 0) * 1.1)] },
				},
				axes: [
					{ ...axis, size: 28, values: (u, ticks) => ticks.map((t) => this.ago(t)), splits: () => this.splits() },
					{ ...axis, size: 84, values: (u, ticks) => ticks.map((t) => this.words(t)) },
				],
				series: [
					{},
					...this.names.map((name) => ({
						stroke: colour(name),
						fill: `${colour(name)}1f`,
						width: 2,
						points: { show: false },
					})),
				],
			},
			this.data,
			this.place,
		);
	}

	splits() {
		const end = this.data[0].at(-1) ?? Date.now() / 1000;
		return [-240, -180, -120, -60, 0].map((t) => end + t);
	}

	ago(time) {
		const end = this.data[0].at(-1) ?? Date.now() / 1000;
		const minutes = Math.round((end - time) / 60);
		return minutes ? `−${minutes} min` : "now";
	}

	show(history) {
		this.data = history.data;
		this.plot.setData(this.data);
		const now = this.names.map((name, n) => `${name} ${this.words(this.data[n + 1].at(-1) ?? 0)}`);
		this.place.setAttribute("aria-label", `${this.label}; now ${now.join(", ")}`);
	}
}

export const bits = (n) => scaled(n, "bit/s");
export const plain = (n) => (n >= 100000 ? scaled(n, "") : count(Math.round(n)));
