// Profiles: whom they are of, the newest of each, and its top functions. Asked for less often than the overview.

const INTERVAL_MS = 10000;
const LISTED = 200; // profiles looked through for the newest of each target
const TARGETS_SHOWN = 20;
const API = "api/tocsin/v1/profiles";

const keyOf = labels => JSON.stringify(Object.entries(labels).sort());

let shown = [];
let asked = 0; // when
const tops = new Map(); // by id of the profile: what was profiled does not change any more

// Targets that are fetched from, and those who push: by their labels.
function gather(targets, profiles) {
	const found = new Map();
	for (const target of targets)
		found.set(keyOf(target.labels), { key: keyOf(target.labels), labels: target.labels, target, newest: null });
	for (const profile of profiles) { // the newest first
		const key = keyOf(profile.labels);
		const one = found.get(key) || { key, labels: profile.labels, target: null, newest: null };
		one.newest ??= profile;
		found.set(key, one);
	}
	return [...found.values()].slice(0, TARGETS_SHOWN);
}

async function topOf({ id, profile_types: types }, ask) {
	if (!tops.has(id)) {
		const type = types.includes("cpu") ? "cpu" : types[0];
		const answer = await ask(`${API}/top?${new URLSearchParams({ id, type, limit: 10 })}`);
		tops.set(id, answer.data);
	}
	return tops.get(id);
}

async function look(ask) {
	const [targets, profiles] = await Promise.all([ask(`${API}/targets`), ask(`${API}?limit=${LISTED}`)]);
	const fresh = gather(targets.data, profiles.data);
	for (const one of fresh)
		if (one.newest)
			one.top = await topOf(one.newest, ask).catch(() => null); // it may have expired meanwhile
	const ids = fresh.map(one => one.newest?.id);
	for (const id of [...tops.keys()])
		if (!ids.includes(id))
			tops.delete(id);
	return fresh;
}

// What is known of profiles; looks again when that is old.
export async function refreshProfiles(ask) {
	if (Date.now() - asked >= INTERVAL_MS) {
		asked = Date.now();
		shown = await look(ask);
	}
	return shown;
}
