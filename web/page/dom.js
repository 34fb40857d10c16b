// Elements from calls, and a page brought up to date without losing what its reader has open, selected or typed.

// h("p.note", {title: "…"}, "text", child, [more]): text is text, never markup; null and false are left out.
export function h(name, attributes, ...children) {
	const [tag, ...classes] = name.split(".");
	const element = document.createElement(tag || "div");
	if (classes.length)
		element.className = classes.join(" ");
	for (const [key, value] of Object.entries(attributes || {})) {
		if (value === null || value === undefined || value === false)
			continue;
		if (key.startsWith("on"))
			element[key] = value;
		else
			element.setAttribute(key, value === true ? "" : value);
	}
	for (const child of children.flat(Infinity))
		if (child !== null && child !== undefined && child !== false && child !== "")
			element.append(child);
	return element;
}

const keyOf = node => node.nodeType === Node.ELEMENT_NODE ? node.dataset.key : undefined;

function isAlike(a, b) {
	return a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);
}

function updateAttributes(old, fresh) {
	for (const { name } of [...old.attributes])
		if (!fresh.hasAttribute(name) && name !== "open") // what the reader opened stays open
			old.removeAttribute(name);
	for (const { name, value } of fresh.attributes)
		if (old.getAttribute(name) !== value && !(name === "open" && old.nodeName === "DETAILS"))
			old.setAttribute(name, value);
	for (const handler of ["onclick", "onsubmit"])
		old[handler] = fresh[handler];
}

// The old children of a node that have a key, to be found again in another place.
function keyed(node) {
	const found = new Map();
	for (const child of node.childNodes)
		if (keyOf(child))
			found.set(keyOf(child), child);
	return found;
}

function updateChildren(old, fresh) {
	const byKey = keyed(old);
	let at = old.firstChild;
	for (const child of [...fresh.childNodes]) {
		const key = keyOf(child);
		const same = key ? byKey.get(key) : at && isAlike(at, child) ? at : null;
		if (same && isAlike(same, child)) {
			if (same === at)
				at = at.nextSibling;
			else
				old.insertBefore(same, at);
			update(same, child);
		} else {
			old.insertBefore(child, at);
		}
	}
	while (at) {
		const next = at.nextSibling;
		at.remove();
		at = next;
	}
}

// Makes `old` look like `fresh`, touching only what differs.
export function update(old, fresh) {
	if (old.nodeType === Node.TEXT_NODE) {
		if (old.data !== fresh.data)
			old.data = fresh.data;
		return;
	}
	if (old.dataset && "keep" in old.dataset && "keep" in fresh.dataset)
		return; // a form somebody is filling in
	updateAttributes(old, fresh);
	updateChildren(old, fresh);
}

// Replaces the content of an element.
export function show(element, ...children) {
	const fresh = element.cloneNode(false);
	fresh.append(...children.flat(Infinity).filter(Boolean));
	update(element, fresh);
}
