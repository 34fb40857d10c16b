// Small pieces that the views are made of.

import { h } from "./dom.js";
import * as format from "./format.js";

let offset = 0; // of the daemon's clock from ours

const now = () => Date.now() + offset;

function relative(element) {
	const ms = now() - Number(element.dataset.ms);
	const form = element.dataset.form;
	if (ms < 0)
		element.textContent = `in ${format.duration(-ms)}`;
	else
		element.textContent = ms < 1000 && form === "% ago" ? "just now" : form.replace("%", format.duration(ms));
}

// Brings all ages on the page up to date.
export function tick(daemonNow) {
	if (daemonNow)
		offset = daemonNow - Date.now();
	for (const element of document.querySelectorAll("time[data-ms]"))
		relative(element);
}

// How long ago (or until when), kept up to date; "–" for never.
export function age(ms, form = "%") {
	if (!ms)
		return "–";
	const element = h("time", { "data-ms": ms, "data-form": form, title: format.moment(ms), datetime: new Date(ms).toISOString() });
	relative(element);
	return element;
}

export const chip = (kind, text, title) => h(`span.chip.${kind}`, { title }, text);

// {name: value} as name=value pills.
export function labels(set, hidden = []) {
	const shown = Object.entries(set || {}).filter(([name]) => !hidden.includes(name));
	return shown.length ? h("span.labels", {}, shown.map(([name, value]) => h("span.label", { title: `${name}="${value}"` }, h("b", {}, name), value))) : null;
}

// A table whose cells carry their column's name, for narrow screens. columns: [name, class, cell(row)]
export function table(rows, columns, key) {
	return h("div.scroll", {}, h("table", {},
		h("thead", {}, h("tr", {}, columns.map(([name, kind]) => h("th", { class: kind || null }, name)))),
		h("tbody", {}, rows.map(row => h("tr", { "data-key": key(row) },
			columns.map(([name, kind, cell]) => h("td", { class: kind || null, "data-label": name }, cell(row))))))));
}

export function section(id, title, note, ...content) {
	return h("section", { id, "data-key": id }, h("h2", {}, title, note ? h("small", {}, note) : null), ...content);
}
