// Tests of what the template brings, by `node --test`: what muster asks for, and what it is told.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Database, SettingsError, component, enroll, pass } from "./muster.js";

const BATCH = {
  texts: ["", "orders", "env", "prod", "Umlaut ä", "env"],
  pairs: [2, 3, 4, 0],
  databases: [
    {
      id: 0, name: 1, provider: 0, kind: 0, protocol: 0, engine: 0, engineVersion: 0, state: 0, account: 0, region: 0,
      role: 0, host: 0, port: 5432, tags: { start: 0, len: 2 }, derived: { start: 1, len: 1 }, labels: { start: 0, len: 2 },
      facts: { start: 0, len: 0 },
    },
  ],
};

/** What muster would get of a matcher that does this, and what would be logged. */
function asked(evaluate, configure) {
  const logged = [];
  const plugin = component(
    { description: { name: "x", version: "1.0.0", settings: { type: "object" } }, evaluate, configure },
    (level, message) => logged.push([level, message]),
  );
  return { plugin, logged };
}

test("a database is what the numbers say", () => {
  let seen;
  asked((database) => ((seen = database), pass())).plugin.evaluate(BATCH);
  assert.equal(seen.name, "orders");
  assert.equal(seen.region, "");
  assert.equal(seen.port, 5432);
  assert.equal(seen.tag("env"), "prod");
  assert.equal(seen.tag("Umlaut ä"), "");
  assert.equal(seen.derived("env"), undefined);
  assert.deepEqual(seen.tags(), [["env", "prod"], ["Umlaut ä", ""]]);
  assert.deepEqual(seen.facts(), []);
});

test("a verdict is texts, whatever a matcher gives", () => {
  const { plugin } = asked(() => enroll({ name: "n", labels: { a: 1, b: true }, reason: 7 }));
  assert.deepEqual(plugin.evaluate(BATCH), [
    { tag: "enroll", val: { name: "n", labels: [["a", "1"], ["b", "true"]], hints: [], reason: "7" } },
  ]);
  assert.equal(asked(() => enroll()).plugin.evaluate(BATCH)[0].val.name, null);
});

test("what is thrown is told first, with where", () => {
  const { plugin, logged } = asked(() => null.name);
  assert.throws(() => plugin.evaluate(BATCH), TypeError);
  assert.equal(logged.length, 1);
  assert.equal(logged[0][0], "warn");
  assert.match(logged[0][1], /TypeError.*\n.*muster\.test\.js/);
});

test("no verdict is a mistake that is told", () => {
  for (const given of [undefined, null, "skip", {}, { tag: "other" }]) {
    const { plugin, logged } = asked(() => given);
    assert.throws(() => plugin.evaluate(BATCH), /no verdict/);
    assert.match(logged[0][1], /no verdict/);
  }
});

test("wrong settings are problems, and other errors are not", () => {
  const refusing = asked(pass, () => { throw new SettingsError({ "a[0].b": "is wrong", c: "too" }); });
  assert.throws(() => refusing.plugin.configure("null"), (problems) => {
    assert.deepEqual(problems, [{ path: "a[0].b", message: "is wrong" }, { path: "c", message: "too" }]);
    return true;
  });
  assert.deepEqual(refusing.logged, []);
  const broken = asked(pass, (settings) => settings.a.b);
  assert.throws(() => broken.plugin.configure("{}"), TypeError);
  assert.match(broken.logged[0][1], /TypeError/);
});

test("a description has all that the contract asks for", () => {
  assert.deepEqual(asked(pass).plugin.describe(), {
    author: "", licence: "", summary: "", name: "x", version: "1.0.0", settingsSchema: '{"type":"object"}', facts: [],
  });
});

test("an example has no fields that a database has not", () => {
  assert.throws(() => Database.of({ nmae: "orders" }), /no nmae/);
});
