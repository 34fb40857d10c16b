// What the page shows, from the overview's JSON to elements.

import { h } from "./dom.js";
import * as format from "./format.js";
import { inputsSection } from "./inputs.js";
import { age, chip, labels, section, table } from "./parts.js";

const ALERTS_SHOWN = 100; // at first
const RULES_SHOWN = 200; // with more, only groups with something to say are open at first

// What the reader opened or closed, by key; asks for a new look when it changes.
const opened = new Map();

function fold(key, otherwise, redraw) {
	const open = opened.get(key) ?? otherwise;
	return { open, toggle: () => { opened.set(key, !open); redraw(); } };
}

const SEVERITIES = [
	["bad", ["critical", "page", "emergency", "fatal", "disaster"]],
	["high", ["error", "high", "major"]],
	["warn", ["warning", "warn", "medium", "ticket"]],
	["info", ["info", "notice", "low", "minor", "none"]],
];

function severity(set) {
	const word = (set.severity || set.level || "").toLowerCase();
	const found = SEVERITIES.findIndex(([, words]) => words.includes(word));
	return found < 0 ? { rank: 2, kind: "warn" } : { rank: found, kind: SEVERITIES[found][0] };
}

const plural = (n, one, many = `${one}s`) => `${format.count(n)} ${n === 1 ? one : many}`;

// ---- the numbers on top ----

export function totals({ totals: all, alerts, groups }) {
	const silenced = alerts.filter(alert => alert.silencedBy).length;
	const rules = groups.flatMap(group => group.rules);
	const ill = rules.filter(rule => rule.health === "err").length;
	const warming = rules.filter(rule => rule.health === "warming").length;
	const figure = (name, n, kind, note) => h("div", { "data-key": name, class: `figure ${n ? kind : "none"}` },
		h("strong", {}, format.compact(n)), h("span", {}, n === 1 ? name.replace(/([^ei])s$/, "$1") : name), note ? h("small", {}, note) : null);
	return [
		figure("firing", all.firing, "bad", silenced ? `${silenced} silenced` : ""),
		figure("pending", all.pending, "warn"),
		figure("rules", all.rules, "plain", ill ? plural(ill, "error") : warming ? `${warming} warming` : ""),
		figure("series", all.series, "plain", all.ignored ? `${format.compact(all.ignored)} not wanted` : ""),
		figure("senders", all.senders, "plain", all.sendersSilent ? `${all.sendersSilent} silent` : ""),
		figure("delivered", all.notifications, "plain", all.dead ? `${all.dead} given up` : all.outbox ? `${all.outbox} waiting` : ""),
		figure("runs", all.runs, "plain", all.runsActive ? `${all.runsActive} active` : ""),
	];
}

// ---- alerts ----

function byUrgency(a, b) {
	return Boolean(a.silencedBy) - Boolean(b.silencedBy) || (a.state === "pending") - (b.state === "pending") ||
		severity(a.labels).rank - severity(b.labels).rank || (b.fired || b.active) - (a.fired || a.active);
}

function heldBecause(alert) {
	return alert.heldBy !== "resolve_when" ? "its sender is silent: kept as it was"
		: alert.noDataSince ? "resolve_when has no data" : "until resolve_when matches";
}

function alertState(alert) {
	return [
		alert.state === "firing" ? chip("bad", "firing") : chip("warn", "pending", `the condition must hold for ${format.duration(alert.for)}`),
		alert.held ? chip("info", "held", heldBecause(alert)) : null,
		alert.keepSince ? chip("info", "kept firing", "the condition is over, keep_firing_for is not") : null,
		alert.silencedBy ? chip("mute", "silenced", alert.silencedBy) : null,
	];
}

function silenceForm(alert, actions) {
	const form = h("form.silence", { "data-keep": true },
		h("label", {}, "for ", h("select", { name: "duration" }, ["1h", "4h", "1d", "1w"].map(text => h("option", {}, text)))),
		h("label", {}, "by ", h("input", { name: "createdBy", required: true, placeholder: "your name", value: localStorage.getItem("name") || "" })),
		h("label.wide", {}, "because ", h("input", { name: "comment", required: true, placeholder: "of what" })),
		h("button", {}, "Silence"), h("output", {}));
	form.onsubmit = event => {
		const given = Object.fromEntries(new FormData(form));
		event.preventDefault();
		localStorage.setItem("name", given.createdBy);
		actions.silence(alert.labels, given).then(
			() => { form.closest("details").open = false; form.reset(); },
			error => { form.querySelector("output").textContent = error.message; });
	};
	return h("details.more", {}, h("summary", {}, "Silence"), form);
}

function otherAnnotations({ annotations }) {
	const rest = Object.entries(annotations).filter(([name, text]) => name !== "summary" && text);
	const link = text => /^https?:\/\//.test(text) ? h("a", { href: text, rel: "noreferrer" }, text) : text;
	return rest.length ? h("dl", {}, rest.map(([name, text]) => [h("dt", {}, name), h("dd", {}, link(text))])) : null;
}

const percent = ratio => ratio === null ? "?" : `${(100 * ratio).toFixed(1)} %`;

const EVIDENCE_COLUMNS = [
	["function", "name", one => h("code", { title: one.name }, one.name)],
	["profile", "", one => one.profile_type],
	["self", "number", one => percent(one.self_ratio)],
	["total", "number", one => percent(one.total_ratio)],
];

// What was seen beside the alert when it began to fire: the hottest function and the first line at once, the rest when it is opened.
function evidenceOf({ evidence: { lines, functions } }) {
	if (!lines.length && !functions.length)
		return null;
	const more = functions.length + lines.length - Boolean(functions.length) - Boolean(lines.length);
	const [hottest] = functions;
	return h("details.evidence", {},
		h("summary", {}, h("b", {}, "Evidence"), hottest ? h("span", {}, h("code", {}, hottest.name), ` ${percent(hottest.self_ratio)} of ${hottest.profile_type}`) : null,
			lines.length ? h("code.line", {}, lines[0]) : null, more ? h("small", {}, `and ${more} more`) : null),
		functions.length ? table(functions, EVIDENCE_COLUMNS, one => `${one.profile_type} ${one.name}`) : null,
		lines.length ? h("pre", {}, lines.join("\n")) : null);
}

const RUN_KINDS = { recovered: "good", running: "info", queued: "info", suggested: "info", refused: "mute", failed: "bad", unknown: "warn" };
const sameLabels = (a, b) => Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([name, value]) => b[name] === value);

// What was done about the alert: each a link to the run's steps.
function runsOf(alert, runs) {
	return runs.filter(run => sameLabels(run.alert, alert.labels))
		.map(run => h("a", { href: `#run-${run.id}` }, chip(RUN_KINDS[run.state] || "mute", `${run.runbook}: ${run.state}`, run.reason.replaceAll("_", " "))));
}

function alertCard(alert, runs, actions) {
	const { kind } = severity(alert.labels);
	return h("article", { "data-key": JSON.stringify(alert.labels), class: `alert ${kind} ${alert.state}${alert.silencedBy ? " silenced" : ""}` },
		h("header", {}, h("h3", {}, alert.rule), alertState(alert),
			h("span.since", {}, alert.state === "firing" ? ["for ", age(alert.fired || alert.active)] : ["fires ", age(alert.active + alert.for)]),
			h("strong.value", { title: alert.query }, format.value(alert.value))),
		alert.annotations.summary ? h("p", {}, alert.annotations.summary) : null,
		otherAnnotations(alert),
		evidenceOf(alert),
		h("footer", {}, labels(alert.labels, ["alertname"]), runsOf(alert, runs), alert.silencedBy ? null : silenceForm(alert, actions)));
}

function quiet({ totals: all, senders }) {
	if (!senders.length)
		return h("div.card.feed", {}, h("p", {}, "Nobody sends anything yet. Put this into prometheus.yml and reload Prometheus:"),
			h("pre", {}, `remote_write:\n- url: ${new URL("api/v1/write", location.href)}\n  queue_config: {batch_send_deadline: 1s}`));
	return h("p.quiet.calm", {}, `All quiet: ${plural(all.rules, "rule")} over ${plural(all.series, "series", "series")}.`);
}

function alertsSection(overview, actions) {
	const all = fold("alerts", false, actions.redraw);
	const sorted = [...overview.alerts].sort(byUrgency);
	const shown = all.open ? sorted : sorted.slice(0, ALERTS_SHOWN);
	const total = overview.totals.firing + overview.totals.pending;
	return section("alerts", "Alerts", total > shown.length ? `${format.count(shown.length)} of ${format.count(total)}` : "",
		shown.length ? shown.map(alert => alertCard(alert, overview.runs, actions)) : quiet(overview),
		sorted.length > ALERTS_SHOWN ? h("button", { onclick: all.toggle }, all.open ? "Show fewer" : `Show ${format.count(sorted.length)}`) : null);
}

// ---- runs ----

const STEP_KINDS = { ok: "good", running: "info", waiting: "mute", skipped: "mute", failed: "bad", timed_out: "bad", unknown: "warn" };

function runStep(step) {
	const outputs = [step.output, step.errorOutput].filter(text => text.trim());
	const head = [h(`span.dot.${STEP_KINDS[step.state] || "mute"}`), h("b", {}, step.id), " ", step.state.replace("_", " "),
		step.started && step.finished ? h("small", {}, format.duration(step.finished - step.started)) : null,
		step.attempt > 1 ? h("small", {}, `attempt ${step.attempt}`) : null,
		step.message ? h("small", {}, step.message) : null,
		step.undo ? h("small", {}, `undo ${step.undo.replace("_", " ")}`) : null];
	return h("li", { "data-key": step.id }, outputs.length
		? h("details", {}, h("summary", {}, head), outputs.map(text => h("pre", {}, text)))
		: h("span.plainstep", {}, head));
}

function runCard(run) {
	return h("article.run", { id: `run-${run.id}`, "data-key": run.id },
		h("header", {}, h("h3", {}, run.runbook), chip(RUN_KINDS[run.state] || "mute", run.state),
			h("span.since", {}, run.finished ? `took ${format.duration(run.finished - run.created)}, ` : null, age(run.created, "% ago"))),
		run.reason ? h("p", {}, run.reason.replaceAll("_", " ")) : null,
		h("footer", {}, h("span.label", {}, run.alert.alertname || "alert"), labels(run.target)),
		run.steps.length ? h("ol", {}, run.steps.map(runStep)) : null);
}

function runsSection({ runs }) {
	return section("runs", "Runs", "", runs.length ? runs.map(runCard) : h("p.quiet", {}, "No recovery was needed so far."));
}

// ---- deliveries ----

const DELIVERY_KINDS = { done: "good", sending: "info", waiting: "info", retrying: "warn", superseded: "mute", dead: "bad" };

function deliveryCard(delivery) {
	const alerts = [delivery.firing ? `${delivery.firing} firing` : "", delivery.resolved ? `${delivery.resolved} resolved` : ""].filter(Boolean).join(", ");
	return h("article.delivery", { "data-key": delivery.id },
		h("header", {}, h("h3", {}, delivery.receiver), chip(DELIVERY_KINDS[delivery.state] || "mute", delivery.state),
			h("span.since", {}, age(delivery.finished || delivery.lastAttempt || delivery.created, "% ago"))),
		h("p", {}, [alerts, delivery.reason].filter(Boolean).join(" · ")),
		h("footer", {}, h("small", { title: delivery.id }, delivery.integration, " · ", plural(delivery.attempts, "attempt"), delivery.code ? ` · ${delivery.code}` : "",
			delivery.nextAttempt && delivery.state === "retrying" ? [" · again ", age(delivery.nextAttempt)] : null),
		h("code.group", { title: delivery.groupKey }, delivery.groupKey)),
		delivery.message && delivery.state !== "done" ? h("p.error", {}, delivery.message) : null);
}

function deliveriesSection({ deliveries }) {
	return section("deliveries", "Deliveries", "", deliveries.length ? deliveries.map(deliveryCard) : h("p.quiet", {}, "Nothing was to be told so far."));
}

// ---- rules ----

function health(rule) {
	switch (rule.health) {
	case "ok":
		return h("span", {}, h("span.dot.good"), "ok");
	case "err":
		return h("span", {}, h("span.dot.bad"), "error");
	case "warming":
		return [h("span", {}, h("span.dot.info"), "warming"), rule.warmAt ? h("small", {}, age(rule.warmAt)) : null];
	default:
		return h("span", {}, h("span.dot.mute"), "not yet");
	}
}

function ruleState(rule) {
	if (rule.kind === "record")
		return h("span.mute", {}, "records");
	return [rule.firing ? chip("bad", `${rule.firing} firing`) : null, rule.pending ? chip("warn", `${rule.pending} pending`) : null,
		rule.held ? chip("info", `${rule.held} held`) : null, rule.firing || rule.pending ? null : h("span.mute", {}, "quiet")];
}

const RULE_COLUMNS = [
	["rule", "name wide", rule => [h("b", {}, rule.name), h("code", { title: rule.query }, rule.query),
		rule.resolveWhen ? h("code", { title: rule.resolveWhen }, `resolve_when: ${rule.resolveWhen}`) : null, rule.error || rule.warning ? h("p.error", {}, rule.error || rule.warning) : null]],
	["state", "", ruleState],
	["health", "", health],
	["value", "number", rule => rule.results ? [format.value(rule.value), rule.results > 1 ? h("small", {}, `first of ${format.count(rule.results)}`) : null] : "–"],
	["newest sample", "number", rule => age(rule.newest, "% ago")],
	["series", "number", rule => format.count(rule.series)],
	["evaluated", "number", rule => age(rule.last, "% ago")],
];

function groupSummary(group) {
	const count = (field, kind, name) => {
		const n = group.rules.reduce((sum, rule) => sum + rule[field], 0);
		return n ? chip(kind, `${format.count(n)} ${name}`) : null;
	};
	const ill = group.rules.filter(rule => rule.health === "err").length;
	return [plural(group.rules.length, "rule"), count("firing", "bad", "firing"), count("pending", "warn", "pending"),
		ill ? chip("bad", plural(ill, "error")) : null];
}

function groupBlock(group, many, actions) {
	const key = `${group.file} ${group.name}`;
	const loud = group.rules.some(rule => rule.firing || rule.pending || rule.health === "err");
	const { open, toggle } = fold(key, !many || loud, actions.redraw);
	return h("div.card.rules", { "data-key": key },
		h("header", { onclick: toggle }, h("h3", {}, h("button.plain", { "aria-expanded": String(open) }, group.name)),
			h("small", { title: group.file }, group.file.split("/").pop()), h("small", {}, `every ${format.duration(group.interval)}`),
			group.missed ? chip("warn", `${group.missed} missed`, "evaluations skipped because one took too long") : null,
			open ? null : h("span.since", {}, groupSummary(group))),
		open ? table(group.rules, RULE_COLUMNS, rule => `${rule.kind} ${rule.name} ${rule.query}`) : null);
}

// Samples that are not there yet when groups are due.
function lateness({ sender, longest, groups }) {
	return groups ? h("p.note", {}, `Samples of ${sender} come up to ${format.duration(longest)} after their time, and ${plural(groups, "group")} ${groups > 1 ? "look" : "looks"} back less: `,
		h("code", {}, "query_offset"), " of a group, or ", h("code", {}, "rule_query_offset"), ", makes them wait for it.") : null;
}

function rulesSection({ groups, totals: all, lag }, actions) {
	const shown = groups.filter(group => group.rules.length);
	const n = shown.reduce((sum, group) => sum + group.rules.length, 0);
	return section("rules", "Rules", n < all.rules ? `${n} of ${all.rules}` : "", lateness(lag),
		shown.length ? shown.map(group => groupBlock(group, n > RULES_SHOWN, actions)) : h("p.quiet", {}, "No rules are loaded."));
}

// ---- silences ----

const matcherText = m => `${m.name}${m.isEqual ? (m.isRegex ? "=~" : "=") : m.isRegex ? "!~" : "!="}"${m.value}"`;

function silenceCard(silence, actions) {
	return h("article.run", { "data-key": silence.id },
		h("header", {}, h("span.labels", {}, silence.matchers.map(m => h("span.label", {}, matcherText(m)))),
			chip(silence.status.state === "active" ? "info" : "mute", silence.status.state),
			h("span.since", {}, silence.status.state === "pending" ? ["begins ", age(Date.parse(silence.startsAt))] : ["ends ", age(Date.parse(silence.endsAt))])),
		h("footer", {}, h("small", {}, `${silence.createdBy}: ${silence.comment}`),
			h("button.more", { onclick: () => actions.expire(silence.id).catch(error => alert(error.message)) }, "End")));
}

function silencesSection({ silences }, actions) {
	const shown = silences.filter(silence => silence.status.state !== "expired");
	return section("silences", "Silences", "", shown.length ? shown.map(silence => silenceCard(silence, actions)) : h("p.quiet", {}, "Nothing is silenced."));
}

// ---- all ----

export function sections(overview, profiles, actions) {
	return [
		alertsSection(overview, actions),
		h("div.pair", { "data-key": "pair" }, runsSection(overview), deliveriesSection(overview)),
		rulesSection(overview, actions),
		inputsSection(overview, profiles),
		silencesSection(overview, actions),
	];
}

// ---- the result of a query ----

export function result(answer) {
	const { resultType, result: rows } = answer.data;
	const list = resultType === "vector" || resultType === "matrix" ? rows : [{ metric: {}, value: rows }];
	const newest = row => row.values ? row.values[row.values.length - 1] : row.value;
	const columns = [
		["series", "name", row => [h("b", {}, row.metric.__name__ || ""), labels(row.metric, ["__name__"]) || (row.metric.__name__ ? "" : "{}")]],
		["value", "number", row => [resultType === "string" ? row.value[1] : format.value(newest(row)[1]),
			row.values ? h("small", {}, `newest of ${format.count(row.values.length)}`) : null]],
	];
	return h("div.card", {}, (answer.warnings || []).map(text => h("p.note", {}, text)),
		list.length ? table(list, columns, row => JSON.stringify(row.metric)) : h("p.note", {}, "No series. Only what the rules ask for is kept."));
}
