// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// dom.js - elements, tables that are changed in place, and how numbers and times are written.

export const byId = (id) => document.getElementById(id);

/** An element; attributes that are functions are listeners, children are nodes or text. */
export function make(tag, attributes = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) {
		if (typeof value === "function") element.addEventListener(name, value);
		else if (value !== undefined && value !== false) element.setAttribute(name, value);
	}
	element.append(...children);
	return element;
}

/** Change an element's text, but only if it is another one: what is selected stays so. */
export function put(element, text) {
	if (element.textContent !== String(text)) element.textContent = text;
}

/** A bar in `place`: used of capacity. What it shows is also said in words beside it. */
export function bar(place, used, capacity) {
	const share = capacity ? Math.min(1, used / capacity) : 0;
	if (!place.firstChild) place.append(make("div", { class: "bar", "aria-hidden": "true" }, make("i")));
	const box = place.querySelector(".bar");
	box.className = share >= 0.95 ? "bar full" : share >= 0.8 ? "bar high" : "bar";
	box.firstChild.style.width = `${(share * 100).toFixed(2)}%`;
}

/**
 * A table whose rows are known by a key, so that they, and the focus in them, stay while their cells change.
 * columns: {head, kind, show(cell, row)}; kind: a class of the cells.
 */
export class Table {
	constructor(element, columns, key) {
		this.columns = columns;
		this.key = key;
		this.rows = new Map();
		this.body = make("tbody");
		const heads = columns.map((c) => make("th", { scope: "col", class: c.kind }, c.head));
		element.replaceChildren(make("thead", {}, make("tr", {}, ...heads)), this.body);
	}

	/** Show these rows, in this order, and no others. */
	show(rows) {
		const keys = new Set();
		rows.forEach((row, at) => {
			const key = this.key(row);
			keys.add(key);
			let line = this.rows.get(key);
			if (!line) {
				line = make("tr", {}, ...this.columns.map((c) => make("td", { class: c.kind })));
				this.rows.set(key, line);
			}
			this.columns.forEach((column, n) => column.show(line.cells[n], row));
			if (this.body.rows[at] !== line) this.body.insertBefore(line, this.body.rows[at] ?? null);
		});
		for (const [key, line] of this.rows) {
			if (keys.has(key)) continue;
			line.remove();
			this.rows.delete(key);
		}
	}
}

/** A column that shows a text of the row. */
export const column = (head, text, kind) => ({ head, kind, show: (cell, row) => put(cell, text(row)) });

const whole = new Intl.NumberFormat("en");
export const count = (n) => whole.format(n);

const scales = ["", "k", "M", "G", "T", "P"];

/** 12345678, "bit/s": "12.3 Mbit/s". */
export function scaled(n, unit) {
	let at = 0;
	while (n >= 999.5 && at < scales.length - 1) {
		n /= 1000;
		at++;
	}
	const digits = at === 0 ? 0 : n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2;
	return `${n.toFixed(digits)} ${scales[at]}${unit}`;
}

export function percent(used, capacity) {
	const share = capacity ? (100 * used) / capacity : 0;
	return share > 0 && share < 0.1 ? "< 0.1 %" : `${share.toFixed(1)} %`;
}

/** 93784: "1 d 2 h". */
export function duration(seconds) {
	const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
	const at = Math.max(0, units.findIndex(([size]) => seconds >= size));
	if (seconds < 1) return "0 s";
	const [size, name] = units[at];
	const rest = units[at + 1] && Math.floor((seconds % size) / units[at + 1][0]);
	return `${Math.floor(seconds / size)} ${name}${rest ? ` ${rest} ${units[at + 1][1]}` : ""}`;
}

/** A moment in the reader's own time; as UTC in its title. */
export function moment(text) {
	if (!text) return make("span", {}, "–");
	const two = (n) => String(n).padStart(2, "0");
	const when = new Date(text);
	const day = `${when.getFullYear()}-${two(when.getMonth() + 1)}-${two(when.getDate())}`;
	const time = `${two(when.getHours())}:${two(when.getMinutes())}:${two(when.getSeconds())}`;
	return make("time", { datetime: text, title: text }, `${day} ${time}`);
}
