// Numbers and times for people.

const plain = new Intl.NumberFormat("en", { maximumSignificantDigits: 6, useGrouping: "min2" });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

// A sample value: a number, or the text of what JSON has no number for.
export function value(v) {
	const n = typeof v === "number" ? v : Number(v);
	if (typeof v === "string" && Number.isNaN(n))
		return v;
	if (!Number.isFinite(n))
		return String(v);
	const size = Math.abs(n);
	return n !== 0 && (size < 1e-4 || size >= 1e12) ? n.toExponential(3) : plain.format(n);
}

export const count = n => whole.format(n);
export const compact = n => n < 10000 ? whole.format(n) : short.format(n);

export function bytes(n) {
	const units = ["B", "KiB", "MiB", "GiB", "TiB"];
	let unit = 0;
	for (; n >= 1024 && unit < units.length - 1; unit++)
		n /= 1024;
	return `${n.toFixed(unit && n < 10 ? 1 : 0)} ${units[unit]}`;
}

// 45 s, 3 m 20 s, 2 h 5 m, 4 d 3 h
export function duration(ms) {
	const s = Math.max(0, Math.round(ms / 1000));
	if (ms > 0 && ms < 950)
		return `${Math.round(ms)} ms`;
	const parts = [[Math.floor(s / 86400), "d"], [Math.floor(s / 3600) % 24, "h"], [Math.floor(s / 60) % 60, "m"], [s % 60, "s"]];
	const first = parts.findIndex(([n]) => n > 0);
	if (first < 0)
		return "0 s";
	return parts.slice(first, first + 2).filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`).join(" ");
}

export function moment(ms) {
	const date = new Date(ms);
	const today = date.toDateString() === new Date().toDateString();
	const time = date.toLocaleTimeString([], { hour12: false });
	return today ? time : `${date.toLocaleDateString([], { month: "short", day: "numeric" })} ${time}`;
}
