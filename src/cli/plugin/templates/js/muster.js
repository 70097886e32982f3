// What a matcher in JavaScript needs of muster: a database to ask, verdicts to give, a log.
//
// It hides the contract in wit/, where texts cross once a batch and everything else is the place of a text.
// It belongs to the template and not to you: a newer muster may bring a newer one.

/** One database as a scanner saw it. What is not known is the empty text, `undefined` in a lookup, or 0. */
export class Database {
  constructor(batch, record) {
    this._texts = batch.texts;
    this._pairs = batch.pairs;
    this._record = record;
  }

  /** The cloud's own id (ARN, ARM id), `#`, and the endpoint's role. */
  get id() { return this._texts[this._record.id]; }
  /** What a person called it: the cloud's identifier. */
  get name() { return this._texts[this._record.name]; }
  /** aws, azure */
  get provider() { return this._texts[this._record.provider]; }
  /** The product: rds, aurora, docdb, elasticache, azure-postgresql, ... */
  get kind() { return this._texts[this._record.kind]; }
  /** postgres, mysql, mongodb, redis */
  get protocol() { return this._texts[this._record.protocol]; }
  /** The cloud's name of the engine: postgres, aurora-mysql, valkey, ... */
  get engine() { return this._texts[this._record.engine]; }
  get engineVersion() { return this._texts[this._record.engineVersion]; }
  /** As the cloud spells it; the fact `availability` says what it means. */
  get state() { return this._texts[this._record.state]; }
  /** Account number or subscription id. */
  get account() { return this._texts[this._record.account]; }
  get region() { return this._texts[this._record.region]; }
  /** Of the endpoint: instance, primary, reader, custom:NAME, cluster, configuration, serverless, server */
  get role() { return this._texts[this._record.role]; }
  /** Of the endpoint. Empty while it is stopped or being made. */
  get host() { return this._texts[this._record.host]; }
  get port() { return this._record.port; }

  /** Set by the owner of the cloud account: not to be trusted. */
  tag(key) { return this._value(this._record.tags, key); }
  /** A label that muster derived itself: `region`, `account-id`, ... */
  derived(key) { return this._value(this._record.derived, key); }
  /** The labels so far: derived ones, tags, and what the steps before this one made of them. */
  label(key) { return this._value(this._record.labels, key); }
  /** Everything else that is known: `public`, `tls`, `availability`, ... */
  fact(key) { return this._value(this._record.facts, key); }

  /** All of them, as `[key, value]`, in no order that means anything. */
  tags() { return this._all(this._record.tags); }
  allDerived() { return this._all(this._record.derived); }
  labels() { return this._all(this._record.labels); }
  facts() { return this._all(this._record.facts); }

  _value({ start, len }, key) {
    const texts = this._texts, pairs = this._pairs;
    for (let at = 2 * start, end = at + 2 * len; at < end; at += 2) {
      if (texts[pairs[at]] === key) return texts[pairs[at + 1]];
    }
    return undefined;
  }

  _all({ start, len }) {
    const all = [];
    for (let at = 2 * start, end = at + 2 * len; at < end; at += 2) {
      all.push([this._texts[this._pairs[at]], this._texts[this._pairs[at + 1]]]);
    }
    return all;
  }

  /** For tests: a database made of plain values, such as `{ name: "orders", tags: { env: "prod" }, port: 5432 }`. */
  static of({ tags = {}, derived = {}, labels, facts = {}, port = 0, ...rest } = {}) {
    const texts = [""], pairs = [], record = { port };
    const place = (text) => texts.push(String(text)) - 1;
    const span = (values) => {
      const start = pairs.length / 2;
      for (const [key, value] of Object.entries(values)) pairs.push(place(key), place(value));
      return { start, len: pairs.length / 2 - start };
    };
    for (const field of FIELDS) record[field] = field in rest ? place(rest[field]) : 0;
    for (const field of Object.keys(rest)) {
      if (!FIELDS.includes(field)) throw new TypeError(`a database has no ${field}`);
    }
    record.tags = span(tags);
    record.derived = span(derived);
    record.labels = span(labels ?? { ...tags, ...derived });
    record.facts = span(facts);
    return new Database({ texts, pairs }, record);
  }
}

const FIELDS = [
  "id", "name", "provider", "kind", "protocol", "engine", "engineVersion", "state", "account", "region", "role", "host",
];

/** To be enrolled. Without a name muster names it. Labels are added to those so far, or replace them. */
export function enroll({ name = null, labels = {}, hints = {}, reason = "" } = {}) {
  return {
    tag: "enroll",
    val: { name: name === null ? null : String(name), labels: list(labels), hints: list(hints), reason: String(reason) },
  };
}

/** Not to be enrolled, and why. */
export function skip(reason) {
  return { tag: "skip", val: String(reason) };
}

/** No opinion: labels to be added, and the next step is asked. */
export function pass(labels = {}) {
  return { tag: "pass", val: list(labels) };
}

/**
 * It cannot be said this time, and why: what is needed could not be read, or contradicts itself. What is enrolled stays,
 * what is not is not added, and no step after this one is asked.
 */
export function undecided(reason) {
  return { tag: "undecided", val: String(reason) };
}

/** What is wrong with the settings: `throw new SettingsError({ "tags[0]": "is no text" })`, all of it at once. */
export class SettingsError extends Error {
  constructor(problems) {
    super(Object.entries(problems).map(([path, message]) => `${path}: ${message}`).join("; "));
    this.problems = Object.entries(problems).map(([path, message]) => ({ path, message }));
  }
}

let write = () => {};

/** Lines for whoever runs the matcher; in native tests they go nowhere. muster keeps 64 of 1 KiB a batch. */
export const log = {
  debug: (message) => write("debug", String(message)),
  info: (message) => write("info", String(message)),
  warn: (message) => write("warn", String(message)),
};

/** Turns a matcher into what muster asks for. Called by component.js. */
export function component(matcher, host) {
  write = host;
  return {
    describe() {
      const { settings, facts = {}, ...description } = matcher.description;
      return {
        author: "", licence: "", summary: "", ...description,
        settingsSchema: settings === undefined ? "" : JSON.stringify(settings),
        facts: list(facts),
      };
    },
    configure(settings) {
      try {
        matcher.configure?.(JSON.parse(settings));
      } catch (error) {
        if (error instanceof SettingsError) throw error.problems;
        throw told(error);
      }
    },
    evaluate(batch) {
      return batch.databases.map((record) => {
        try {
          return verdict(matcher.evaluate(new Database(batch, record)));
        } catch (error) {
          throw told(error);
        }
      });
    },
  };
}

/** One of the four; what else a matcher returns is a mistake that nobody would find later. */
function verdict(given) {
  if (["enroll", "skip", "pass", "undecided"].includes(given?.tag)) return given;
  throw new TypeError(`evaluate gave no verdict, but ${given}`);
}

/** What is thrown ends the batch, and its message with it: so it is logged first. */
function told(error) {
  log.warn(error instanceof Error ? `${error}\n${error.stack}` : `thrown: ${error}`);
  return error;
}

function list(pairs) {
  return Object.entries(pairs).map(([key, value]) => [key, String(value)]);
}
