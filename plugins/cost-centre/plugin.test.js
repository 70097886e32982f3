// Tests of the logic, by `node --test`: no WebAssembly, no muster. tests.yaml has those of the component.
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { CHECKS } from "./check.js";
import { Database } from "./muster.js";
import { configure, evaluate } from "./plugin.js";
import { read } from "./tag.js";

const POSITIONS = ["team", "cost-centre", "tier"];
const PAYMENTS = { team: "payments", "cost-centre": "4711", tier: "1" };

beforeEach(() => configure(null));

test("every way to write the same says the same", () => {
  const json = '{"team": "payments", "cc": "4711", "tier": 1}';
  for (const value of [
    json,
    Buffer.from(json).toString("base64"),
    Buffer.from(json).toString("base64url"),
    "team=payments;cc=4711;tier=1",
    "Team: payments, Cost_Center: 4711, tier: 1",
    "team=payments cc=4711 tier=1",
    "team:payments/cc:4711/tier:1",
    "payments:4711:1",
    " payments / 4711 / 1 ",
  ]) {
    assert.deepEqual(read(value, POSITIONS), PAYMENTS, value);
  }
});

test("a single word is what the tag is called", () => {
  assert.deepEqual(read("4711", POSITIONS, "CostCenter"), { "cost-centre": "4711" });
  assert.deepEqual(read("payments", POSITIONS, "billing"), { team: "payments" });
});

test("a text of another script survives base64", () => {
  const value = Buffer.from('{"team": "Größe 東京", "cc": "1"}').toString("base64");
  assert.equal(read(value, POSITIONS).team, "Größe 東京");
});

test("what cannot be understood is not guessed", () => {
  for (const value of ['{"team": ', "team=payments;team=search", "a:b:c:d", "team=\u0007", "what=ever"]) {
    assert.equal(read(value, POSITIONS), undefined, value);
  }
});

test("check digits find what was mistyped", () => {
  for (const [check, right] of [["luhn", "4539 1488 0343 6467"], ["luhn", "79927398713"], ["mod97", "3214282912345698765432161182"]]) {
    assert.ok(CHECKS[check](right), right);
    const digits = right.replaceAll(" ", "");
    for (let place = 0; place < digits.length; place += 1) {
      const wrong = digits.slice(0, place) + ((Number(digits[place]) + 1) % 10) + digits.slice(place + 1);
      assert.ok(!CHECKS[check](wrong), wrong);
    }
  }
  assert.ok(!CHECKS.luhn("none") && !CHECKS.mod97(""));
});

test("a team may not charge another's cost centre", () => {
  configure({ invalid: "skip", teams: { payments: ["4712"] } });
  const verdict = evaluate(Database.of({ tags: { billing: "payments:4711" } }));
  assert.deepEqual(verdict, { tag: "skip", val: "the team payments may not charge 4711" });
});

test("the account says what the tag does not", () => {
  configure({ accounts: { 111122223333: { "cost-centre": "9000", tier: "3" } } });
  const verdict = evaluate(Database.of({ account: "111122223333", tags: { owner: "team=search" } }));
  assert.deepEqual(Object.fromEntries(verdict.val), {
    team: "search", "cost-centre": "9000", tier: "3", "cost-source": "account",
  });
});

test("without its tags nothing is decided", () => {
  assert.equal(evaluate(Database.of({ facts: { unread: "vpc,tags" } })).tag, "undecided");
});

test("all that is wrong with the settings is said at once", () => {
  assert.throws(
    () => configure({ tags: "owner", check: "sum", teams: { payments: "4711" }, accounts: { 1: { centre: "1" } }, x: 1 }),
    (error) => {
      assert.deepEqual(error.problems.map(({ path }) => path).sort(), ["accounts.1.centre", "check", "tags", "teams.payments", "x"]);
      return true;
    },
  );
});
