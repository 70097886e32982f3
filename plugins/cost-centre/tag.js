// One tag that holds several values, as people write it:
//
//   {"team": "payments", "cc": "4711"}       JSON, where the cloud allows it (Azure)
//   eyJ0ZWFtIjoi...                          the same in base64, where it does not (AWS has no braces and quotes)
//   team=payments;cc=4711, team:payments cc:4711
//   payments:4711:1                          by position

/** How people call the fields. */
const ALIASES = new Map([
  ["team", "team"], ["owner", "team"], ["squad", "team"],
  ["cost-centre", "cost-centre"], ["cost-center", "cost-centre"], ["costcentre", "cost-centre"],
  ["costcenter", "cost-centre"], ["cc", "cost-centre"],
  ["tier", "tier"], ["class", "tier"], ["prio", "tier"],
]);

/** What may become the value of a label. Long enough for a name, and without anything that a report would choke on. */
const VALUE = /^[\p{L}\p{N} _.:/=+@-]{1,64}$/u;

/**
 * The fields of the value; undefined when it cannot be understood. Fields that are not known are left out.
 * A single word is what the tag is called, if that says anything: `cost-centre` = `4711`.
 */
export function read(value, positions, tag = "") {
  const text = value.trim();
  const entries = fromJson(text) ?? fromJson(decoded(text)) ?? fromPairs(text) ?? fromPositions(text, positions, tag);
  if (entries === undefined) return undefined;
  const fields = {};
  for (const [key, given] of entries) {
    const field = fieldOf(key);
    const said = String(given).trim();
    if (field === undefined || said === "") continue;
    // Twice the same is no harm. Two that differ are: nobody knows which is meant.
    if (!VALUE.test(said) || (fields[field] ?? said) !== said) return undefined;
    fields[field] = said;
  }
  return fields;
}

function fieldOf(key) {
  return ALIASES.get(key.trim().toLowerCase().replaceAll("_", "-"));
}

function fromJson(text) {
  if (!text?.startsWith("{")) return undefined;
  try {
    return Object.entries(JSON.parse(text)).filter(([, value]) => ["string", "number"].includes(typeof value));
  } catch {
    return undefined;
  }
}

function fromPairs(text) {
  // A space separates as well, but only where every part is a pair: `team=data platform;cc=4711` has three words.
  for (const separator of [/[;,|]+/, /[/\s]+/]) {
    const parts = text.split(separator).map((part) => part.trim()).filter((part) => part !== "");
    const pairs = parts.map((part) => /^([\p{L}_-]+)\s*[=:]\s*([^=:]*)$/u.exec(part));
    if (pairs.length > 0 && pairs.every((pair) => pair !== null && fieldOf(pair[1]) !== undefined)) {
      return pairs.map(([, key, value]) => [key, value]);
    }
  }
  return undefined;
}

function fromPositions(text, positions, tag) {
  if (/[={}]/.test(text)) return undefined;
  const parts = text.split(/[:;,|/]/);
  if (parts.length === 1 && fieldOf(tag) !== undefined) return [[tag, text]];
  if (parts.length > positions.length) return undefined;
  return parts.map((part, index) => [positions[index], part]).filter(([field]) => field !== "");
}

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** base64 (also of URLs) to text; undefined when it is none. */
function decoded(text) {
  if (!/^[A-Za-z0-9+/_-]{8,}={0,2}$/.test(text)) return undefined;
  let bits = 0, held = 0, percent = "";
  for (const letter of text.replace(/=+$/, "").replaceAll("-", "+").replaceAll("_", "/")) {
    bits = ((bits << 6) | DIGITS.indexOf(letter)) & 0xffff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    percent += `%${((bits >> held) & 0xff).toString(16).padStart(2, "0")}`;
  }
  try {
    return decodeURIComponent(percent);
  } catch {
    return undefined;
  }
}
