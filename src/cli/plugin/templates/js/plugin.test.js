// Tests of the logic, by `node --test`: no WebAssembly, no muster. tests.yaml has those of the component.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Database } from "./muster.js";
import { configure, evaluate } from "./plugin.js";

beforeEach(() => configure(null));

test("spellings of one environment are one", () => {
  for (const value of ["prod", "PRD", "Production", "live"]) {
    const verdict = evaluate(Database.of({ name: "orders", tags: { env: value } }));
    assert.equal(verdict.tag, "enroll");
    assert.deepEqual(verdict.val.labels, [["environment", "prod"]]);
  }
});

test("without a tag it is skipped", () => {
  assert.equal(evaluate(Database.of({ name: "orders" })).tag, "skip");
});

test("the settings say which tags count", () => {
  const database = Database.of({ tags: { env: "prod", tier: "dev" } });
  configure({ tags: ["tier"] });
  assert.equal(evaluate(database).val.reason, "the tag tier says dev");
});

test("settings that cannot be used are refused", () => {
  assert.throws(() => configure({ tags: "env" }), /tags: must be a list of texts/);
  assert.throws(() => configure({ tags: [] }), /tags: name at least one/);
});
