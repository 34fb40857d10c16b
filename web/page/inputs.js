// What the page shows of what comes in, and where it is kept: senders, logs, profiles, Redis.

import { h } from "./dom.js";
import * as format from "./format.js";
import { age, chip, labels, section, table } from "./parts.js";

const SELECTORS_SHOWN = 100;
const FUNCTIONS_SHOWN = 10;

// A card of its own within the section.
const card = (id, title, ...content) => h("div.card.input", { id, "data-key": id }, h("h3", {}, title), ...content);

// A number that asks for attention unless it is none.
const amiss = n => n ? h("span.bad", {}, format.compact(n)) : "0";

// ---- senders ----

const SENDER_COLUMNS = [
	["sender", "name", sender => [h("b", {}, sender.name), sender.silent ? chip("warn", "silent") : null]],
	["last heard", "number", sender => age(sender.last, "% ago")],
	["first heard", "number", sender => age(sender.first, "% ago")],
	["lag", "number", sender => format.duration(sender.lag)],
	["series", "number", sender => format.count(sender.series)],
	["stored", "number", sender => format.compact(sender.stored)],
	["not wanted", "number", sender => format.compact(sender.ignored)],
	["late", "number", sender => format.compact(sender.late)],
	["rejected", "number", sender => amiss(sender.rejected)],
];

function senders({ senders: all }) {
	return card("senders", "Senders",
		all.length ? table(all, SENDER_COLUMNS, sender => sender.name) : h("p.note.quiet", {}, "Nobody was heard so far."));
}

// ---- logs ----

const SOURCE_COLUMNS = [
	["source", "name", source => h("b", {}, source.name)],
	["lines", "number", source => format.compact(source.lines)],
	["bytes", "number", source => format.bytes(source.bytes)],
	["malformed", "number", source => amiss(source.malformed)],
	["cut", "number", source => amiss(source.cut)],
	["dropped", "number", source => amiss(source.dropped)],
	["files", "number", source => source.files ? [format.count(source.files), source.behind ? h("small", {}, `${format.bytes(source.behind)} behind`) : null] : "–"],
];

// Counters exist for each way in; those that nothing came by are not worth a row.
function logSources({ logSources: all = [] }) {
	const used = all.filter(source => source.lines || source.malformed || source.files).sort((a, b) => a.name < b.name ? -1 : 1);
	return used.length ? card("log-sources", "Log sources", table(used, SOURCE_COLUMNS, source => source.name)) : null;
}

const failures = errors => Object.entries(errors).map(([name, n]) => h("small", {}, `${name.replace(/Err$/, "")} ${format.compact(n)}`));

const SELECTOR_COLUMNS = [
	["log selector", "name wide", log => [h("code", { title: log.selector }, log.selector), h("small", {}, log.rules.join(", "))]],
	["seen", "number", log => format.compact(log.seen)],
	["matched", "number", log => format.compact(log.matched)],
	["errors", "number", log => [amiss(Object.values(log.errors).reduce((sum, n) => sum + n, 0)), failures(log.errors)]],
	["limited", "number", log => amiss(log.overSeriesLimit)],
	["gave up", "number", log => amiss(log.cutOff)],
	["series", "number", log => format.count(log.series)],
];

// Rules share selectors: each is shown once, with all who read it.
function selectorsOf(groups) {
	const found = new Map();
	for (const rule of groups.flatMap(group => group.rules))
		for (const log of rule.logs || []) {
			const known = found.get(log.selector) || { ...log, rules: [] };
			if (!known.rules.includes(rule.name))
				known.rules.push(rule.name);
			found.set(log.selector, known);
		}
	return [...found.values()];
}

function logSelectors({ groups }) {
	const all = selectorsOf(groups);
	const more = all.length - SELECTORS_SHOWN;
	return all.length ? card("log-selectors", "Log selectors of rules",
		table(all.slice(0, SELECTORS_SHOWN), SELECTOR_COLUMNS, log => log.selector),
		more > 0 ? h("p.note.quiet", {}, `and ${format.count(more)} more: api/v1/rules has all`) : null) : null;
}

// ---- profiles ----

const TARGET_KINDS = { up: "good", down: "bad", waiting: "mute" };
const percent = ratio => `${(100 * ratio).toFixed(1)} %`;

const FUNCTION_COLUMNS = [
	["function", "name", one => h("code", { title: one.function }, one.function)],
	["self", "number", one => percent(one.self_ratio)],
	["total", "number", one => percent(one.total_ratio)],
];

function topFunctions({ top }) {
	if (!top || !top.functions.length)
		return null;
	return h("details.top", {}, h("summary", {}, `${top.type}: `, h("code", {}, top.functions[0].function), ` ${percent(top.functions[0].self_ratio)}`),
		table(top.functions.slice(0, FUNCTIONS_SHOWN), FUNCTION_COLUMNS, one => one.function));
}

const PROFILE_COLUMNS = [
	["target", "name wide", one => [labels(one.labels) || "{}", one.target ? h("small", {}, one.target.url) : null,
		one.target && one.target.error ? h("p.error", {}, one.target.error) : null, topFunctions(one)]],
	["state", "", one => one.target ? chip(TARGET_KINDS[one.target.state] || "mute", one.target.state) : chip("info", "pushed")],
	["newest profile", "number", one => one.newest ? age(Date.parse(one.newest.end), "% ago") : "–"],
	["types", "number", one => one.newest ? one.newest.profile_types.join(", ") : "–"],
	["size", "number", one => one.newest ? format.bytes(one.newest.size) : "–"],
];

function profileTargets(profiles) {
	return profiles.length ? card("profiles", "Profiles", table(profiles, PROFILE_COLUMNS, one => one.key)) : null;
}

// ---- storage ----

const REDIS_KINDS = { current: "good", behind: "warn", away: "bad", fenced: "bad" };
const REDIS_WORDS = {
	current: "holds the whole state",
	behind: "is there, but something is missing still: a checkpoint brings it",
	away: "does not answer; Tocsin goes on without it",
	fenced: "another Tocsin has taken the log over: this one does nothing any more",
};

function redis({ redis: state }) {
	return state ? card("redis", "Redis", h("p.note", {}, chip(REDIS_KINDS[state.state] || "mute", state.state), " ", REDIS_WORDS[state.state] || ""),
		h("dl.note", {}, h("dt", {}, "lag"), h("dd", {}, format.duration(1000 * state.lagSeconds)),
			h("dt", {}, "waiting"), h("dd", {}, format.bytes(state.waitingBytes)),
			h("dt", {}, "written"), h("dd", {}, `${format.bytes(state.bytes)}, ${format.count(state.checkpoints)} ${state.checkpoints === 1 ? "checkpoint" : "checkpoints"}`),
			h("dt", {}, "dropped"), h("dd", {}, `${format.count(state.dropped)} records`),
			h("dt", {}, "lost connections"), h("dd", {}, format.count(state.errors)),
			h("dt", {}, "epoch"), h("dd", {}, format.count(state.epoch)))) : null;
}

export function inputsSection(overview, profiles) {
	return section("inputs", "Inputs", "", senders(overview), logSources(overview), logSelectors(overview), profileTargets(profiles), redis(overview));
}
