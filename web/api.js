// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// api.js - the API that this page came from, with the token if it wants one.

const PATIENCE = 15000;
const KEY = "keepnat-token";
let token = null;

try {
	token = sessionStorage.getItem(KEY);
} catch {
	// A browser that keeps nothing asks again after a reload.
}

/** What the daemon said against a request: error, mend and at, and the status. */
export class Refusal extends Error {
	constructor(status, said) {
		super(said.error ?? `the answer was ${status}`);
		this.status = status;
		this.mend = said.mend ?? "";
		this.at = said.at ?? "";
	}

	get words() {
		return this.mend ? `${this.message}: ${this.mend}` : this.message;
	}
}

export function tokenSet(text) {
	token = text;
	try {
		sessionStorage.setItem(KEY, text);
	} catch {
		// as above
	}
}

/** The JSON of an answer. Throws a Refusal, or what fetch() throws if nobody answers. */
export async function ask(path, method = "GET", body = undefined) {
	const headers = { Accept: "application/json" };
	if (token) headers.Authorization = `Bearer ${token}`;
	const reply = await fetch(path, {
		method,
		headers,
		body: body === undefined ? undefined : JSON.stringify(body),
		cache: "no-store",
		credentials: "omit",
		signal: AbortSignal.timeout(PATIENCE),
	});
	let said;
	try {
		said = await reply.json();
	} catch {
		said = {};
	}
	if (!reply.ok) throw new Refusal(reply.status, said);
	return said;
}
