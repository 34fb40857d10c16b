// The page: asks for the overview every two seconds and shows it.

import { h, show } from "./dom.js";
import * as format from "./format.js";
import { refreshProfiles } from "./profiles.js";
import * as views from "./views.js";
import { tick } from "./parts.js";

const INTERVAL_MS = 2000;
const PATIENCE_MS = 10000;

const place = id => document.getElementById(id);
let heard = Date.now();

async function ask(url, options) {
	const response = await fetch(url, { ...options, signal: AbortSignal.timeout(PATIENCE_MS) });
	const text = await response.text();
	let answer = null;
	try {
		answer = JSON.parse(text);
	} catch {
		// no JSON: the text will do
	}
	if (!response.ok)
		throw new Error(answer?.error || (typeof answer === "string" ? answer : text) || `status ${response.status}`);
	return answer;
}

// Changes go through Tocsin's own API, with what no form of another site can send.
function change(method, url, body) {
	return ask(url, {
		method,
		headers: { "Content-Type": "application/json", "X-Tocsin-Request": "1" },
		body: body ? JSON.stringify(body) : undefined,
	}).finally(refresh);
}

let latest = null; // the overview that is shown
let profiles = [];

const actions = {
	redraw: () => showOverview(latest),
	silence: (labels, given) => change("POST", "api/tocsin/v1/silences", { labels, ...given }),
	expire: id => change("DELETE", `api/tocsin/v1/silence/${id}`),
};

// ---- the overview ----

function showOverview(overview) {
	const totals = overview.totals;
	latest = overview;
	document.title = totals.firing ? `(${totals.firing}) Tocsin` : "Tocsin";
	show(place("status"), h(overview.ready ? "span.dot.good" : "span.dot.warn"), overview.ready ? "ready" : "starting");
	show(place("totals"), views.totals(overview));
	show(place("view"), views.sections(overview, profiles, actions));
	show(place("about"), `Tocsin ${overview.version}, up ${format.duration(overview.now - overview.started)}`);
	tick(overview.now);
}

function showLost(error) {
	const lost = place("lost");
	lost.hidden = false;
	show(lost, `No answer from Tocsin for ${format.duration(Date.now() - heard)}: ${error.message}. What is below is old.`);
	show(place("status"), h("span.dot.bad"), "no answer");
	document.body.classList.add("stale");
}

async function refresh() {
	try {
		showOverview(await ask("api/tocsin/v1/overview"));
		heard = Date.now();
		place("lost").hidden = true;
		document.body.classList.remove("stale");
	} catch (error) {
		showLost(error);
		return;
	}
	try {
		profiles = await refreshProfiles(ask);
		actions.redraw();
	} catch {
		// Those known stay; why nothing comes is said above if the whole daemon is away.
	}
}

async function loop() {
	if (!document.hidden)
		await refresh();
	setTimeout(loop, INTERVAL_MS);
}

// ---- queries ----

async function query(expr) {
	try {
		show(place("result"), views.result(await ask("api/v1/query", { method: "POST", body: new URLSearchParams({ query: expr }) })));
	} catch (error) {
		show(place("result"), h("p.error.card", {}, error.message));
	}
}

place("query").onsubmit = event => {
	const expr = place("expr").value.trim();
	event.preventDefault();
	history.replaceState(null, "", expr ? `?${new URLSearchParams({ expr })}` : ".");
	if (expr)
		query(expr);
	else
		show(place("result"));
};

const asked = new URLSearchParams(location.search).get("expr");
if (asked) {
	place("expr").value = asked;
	query(asked);
}
document.addEventListener("visibilitychange", () => document.hidden || refresh());
setInterval(() => tick(), 1000);
loop();
