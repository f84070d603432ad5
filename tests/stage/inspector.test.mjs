// The token inspector: what it asks, when, and how rows are marked.

import assert from "node:assert/strict";
import test from "node:test";

import { codeRows, told } from "../../app/stage/codes.js";
import { Inspector, questionOf } from "../../app/stage/inspector.js";

const settle = () => new Promise((done) => setImmediate(done));

// An inspector whose timers are fired by hand.
function rig(answers = {}) {
  const asked = [], timers = new Map();
  let next = 1, changes = 0;
  const ask = (kind) => async (...question) => {
    asked.push([kind, ...question]);
    return kind in answers ? answers[kind] : kind === "token" ? { rows: [{ code: 3, p: 1 }] } : { swatches: { 3: "data:," } };
  };
  const inspector = new Inspector({ token: ask("token"), swatches: ask("swatches") }, () => { changes += 1; },
    (run) => { timers.set(next, run); return next++; }, (handle) => timers.delete(handle));
  const rest = async () => {
    const due = [...timers.values()];
    timers.clear();
    due.forEach((run) => run());
    await settle();
  };
  return { inspector, asked, rest, timers, changes: () => changes };
}

const at = (index) => ({ run: "a.1", event: 4, index });

test("a token that the pointer only passes is not asked for", async () => {
  const { inspector, asked, rest, timers } = rig();
  for (let index = 0; index < 50; index += 1) inspector.show(at(index));
  assert.equal(timers.size, 1);
  await rest();
  assert.deepEqual(asked, [["token", "a.1", 4, 49]]);
  inspector.show(null);
  await rest();
  assert.equal(asked.length, 1);
});

test("numbers come first, swatches after them, and nothing is asked twice", async () => {
  const { inspector, asked, rest, changes } = rig();
  assert.equal(inspector.show(at(1)), null);
  await rest();
  assert.deepEqual(inspector.show(at(1)), { rows: [{ code: 3, p: 1 }] });
  await rest();
  assert.deepEqual(inspector.show(at(1)).swatches, { 3: "data:," });
  inspector.show(at(2));
  inspector.show(at(1));
  await rest();
  assert.deepEqual(asked.map(([kind]) => kind), ["token", "swatches"]);
  assert.equal(changes(), 2);
});

test("a notice is kept and not asked for again; a new run forgets", async () => {
  const { inspector, asked, rest } = rig({ token: { notice: "Gone." } });
  inspector.show(at(1));
  await rest();
  inspector.show(null);
  assert.deepEqual(inspector.show(at(1)), { notice: "Gone." });
  await rest();
  assert.equal(asked.length, 1);
  inspector.clear();
  assert.equal(inspector.show(at(1)), null);
});

test("what is asked about is the event that p and q belong to", () => {
  const state = { scales: [{ source: 7 }, { source: null }] };
  assert.deepEqual(questionOf(state, { run: "a.1" }, { scale: 0, index: 3 }), { run: "a.1", event: 7, index: 3 });
  assert.equal(questionOf(state, { run: "a.1" }, { scale: 1, index: 0 }), null);
  assert.equal(questionOf(state, { run: null }, { scale: 0, index: 0 }), null);
  assert.equal(questionOf(state, { run: "a.1" }, null), null);
});

test("rows are marked: guessed and gone, standing, both", () => {
  const answer = { rows: [{ code: 5, p: 0.5, q: 0.2 }, { code: 6, p: 0.3, q: 0.4 }, { code: 7, p: 0.1, q: 0.1 }],
    swatches: { 5: "data:5" } };
  const facts = { drafted: 6, standing: 5, codes: [{ code: 6, p: 0.3, q: 0.4 }, { code: 5, p: 0.5 }] };
  assert.deepEqual(codeRows(facts, answer).map((row) => row.mark), ["stands", "guessed", ""]);
  assert.equal(codeRows(facts, answer)[0].swatch, "data:5");
  assert.deepEqual(codeRows({ ...facts, standing: 6 }, answer).map((row) => row.mark), ["", "both", ""]);
  assert.deepEqual(codeRows(facts, null).map((row) => [row.code, row.mark]), [[6, "guessed"], [5, "stands"]]);
  assert.deepEqual(codeRows(facts, { notice: "Gone." }).length, 2);
});

test("a row in words", () => {
  assert.equal(told({ code: 6, p: 0.25, q: 0.5, redraw: 0, mark: "guessed" }, false),
    "Code 6, guessed, does not stand, p 0.250, q 0.500, redrawn with 0");
  assert.equal(told({ code: 6, q: 0.5, mark: "both" }, true), "Code 6, guessed, q 0.500");
  assert.equal(told({ code: 6, p: 0.5, mark: "" }, false), "Code 6, p 0.500");
});
