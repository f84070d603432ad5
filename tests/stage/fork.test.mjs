// Two runs side by side: which store holds which run, what differs, what a fork asks for, and where tokens are drawn.

import assert from "node:assert/strict";
import test from "node:test";

import { sideNote } from "../../app/stage/compare.js";
import { comparedSentence, differences, forkOf } from "../../app/stage/differences.js";
import { CORRECTED, KEPT, PENDING, emptyState, fold } from "../../app/stage/fold.js";
import { verdictOf, wishOf } from "../../app/stage/forking.js";
import { mapTokenAt, mapsLayout } from "../../app/stage/maps.js";
import { tokenFacts } from "../../app/stage/readout.js";
import { Sides } from "../../app/stage/sides.js";

const IDLE = { run: null };

// A store that only remembers what it was given.
class FakeStore {
  constructor() {
    this.header = IDLE;
    this.count = 0;
    this.received = [];
  }

  async receive(payload) {
    this.received.push(payload);
    if (payload.keep) return;
    this.header = payload.header || IDLE;
    this.count = payload.count;
  }
}

let sequence = 0;
const half = (run, count = 1) => ({ header: run && { run }, count, first: 0, frames: [], finished: true, baseline: null });
const value = (run, kept = null, more = {}) => ({ sequence: ++sequence, busy: false, keep: false, notice: null, ...half(run),
  kept: kept && half(kept, 9), ...more });

test("a run goes to the left when another comes beside it, and back, without being asked for again", async () => {
  const sides = new Sides(() => new FakeStore());
  const first = sides.right;
  await sides.receive(value("a.1"));
  assert.equal(sides.right, first);
  assert.equal(sides.comparing, false);
  await sides.receive(value("a.2", "a.1"));
  assert.equal(sides.left, first);
  assert.deepEqual(sides.runs, ["a.1", "a.2"]);
  assert.equal(sides.count, 9);
  const second = sides.right;
  await sides.receive(value("a.3", "a.1"));
  assert.deepEqual([sides.left, sides.right], [first, second], "the next run takes the place of the last one");
  await sides.receive(value("a.1"));
  assert.deepEqual([sides.left, sides.right], [null, first]);
});

test("a run that waits for its neighbour is kept on the left", async () => {
  const sides = new Sides(() => new FakeStore());
  await sides.receive(value("a.1"));
  const first = sides.right;
  await sides.receive(value(null, "a.1", { count: 0 }));
  assert.equal(sides.left, first);
  assert.deepEqual(sides.runs, ["a.1", null]);
  await sides.receive({ sequence: ++sequence, keep: true, notice: "a word", header: null, kept: null });
  assert.equal(sides.left, first, "a notice changes nothing");
  assert.equal(sides.right.received.at(-1).notice, "a word");
});

test("a page that missed values knows both runs from the newest, and a late value changes nothing", async () => {
  const sides = new Sides(() => new FakeStore());
  const late = value("a.1");
  await sides.receive(value("a.2", "a.1"));
  assert.deepEqual(sides.runs, ["a.1", "a.2"]);
  await sides.receive(late);
  assert.deepEqual(sides.runs, ["a.1", "a.2"]);
});

const record = (status, ...tokens) => ({ status, tokens: Uint16Array.from(tokens) });

test("tokens differ where both stand and are other codes", () => {
  const one = { scales: [record("judged", 3), record("bonus", 1, 2, 3, 4), record("pending", 5)] };
  const other = { scales: [record("judged", 3), record("judged", 1, 2, 9, 8), record("judged", 6)] };
  const told = differences(one, other);
  assert.deepEqual(told.scales.map((marks) => marks && [...marks]), [[0], [0, 0, 1, 1], null]);
  assert.deepEqual([told.counts, told.differing, told.compared, told.first], [[0, 2, 0], 2, 5, 1]);
  assert.equal(differences(one, one).first, null);
});

test("the sentence tells where they part, how far they are apart, and whether the luck is the same", () => {
  const store = (seed, ...frames) => ({ count: frames.length, frames, header: { settings: { seed } } });
  const left = store(7, {}, {}, {}), right = store(7, {}, { fork: { sentence: "Forked at event 2: so." } }, {});
  const differ = { differing: 2, compared: 5, first: 1 };
  assert.equal(forkOf(right), 1);
  assert.match(comparedSentence({ left, right, cursor: 0, differ }), /both runs are the same; B forks from A at event 2/);
  assert.equal(comparedSentence({ left, right, cursor: 1, differ }),
    "Forked at event 2: so. 2 of 5 tokens that are final in both differ, the first in scale 2.");
  assert.match(comparedSentence({ left, right: left, cursor: 1, differ: { ...differ, differing: 0 } }), /^The same luck, seed 7. All 5 /);
  assert.match(comparedSentence({ left, right: store(8, {}), cursor: 0, differ }), /^Not the same luck: seeds 7 and 8./);
  assert.match(comparedSentence({ left, right: store(7), cursor: 0, differ }), /^Run A is kept/);
});

test("a wish names only what is chosen otherwise", () => {
  const now = { rule: "topk", gamma: 3, options: { k: 50 } };
  const none = { rule: null, options: null, gamma: null, token: null };
  const verdict = { event: 4, scale: 2, index: 7, kept: true };
  assert.deepEqual(wishOf(9, verdict, now, { ...now, overturn: false }), { event: 9, ...none });
  assert.deepEqual(wishOf(9, verdict, now, { ...now, overturn: true }), { ...none, event: 4, token: 7 });
  assert.deepEqual(wishOf(9, null, now, { ...now, overturn: true, gamma: 1 }), { ...none, event: 9, gamma: 1 });
  assert.deepEqual(wishOf(9, null, now, { ...now, options: { k: 5 }, overturn: false }), { ...none, event: 9, options: { k: 5 } });
  assert.deepEqual(wishOf(9, null, now, { rule: "token", gamma: 3, options: {}, overturn: false }), { ...none, event: 9, rule: "token" });
});

test("only a verdict of a rule can be overturned", () => {
  const state = { scales: [{ status: "judged", source: 5, verdicts: [KEPT, CORRECTED] }, { status: "pending", verdicts: [PENDING] }] };
  assert.deepEqual(verdictOf(state, { scale: 0, index: 0 }), { event: 5, scale: 0, index: 0, kept: true });
  assert.equal(verdictOf(state, { scale: 0, index: 1 }).kept, false);
  assert.equal(verdictOf(state, { scale: 1, index: 0 }), null);
  assert.equal(verdictOf(state, null), null);
});

test("after a fork its rule speaks, and what was overturned is told", () => {
  const header = { sides: [1], settings: { rule: "coupled" } };
  const judged = { index: 1, kind: "judged", round: 1, sentence: "", counters: {}, scale: 0, tokens: [4], drafted: [4], kept: [1],
    passed: true, target_probability: [0.5], draft_probability: [0.5], standing_probability: [0.5], luck: [0.2] };
  const after = (fork) => tokenFacts(fold(emptyState(header), { ...judged, fork }), header, { scale: 0, index: 0 }).sentence;
  assert.match(after(undefined), /With the same luck/);
  assert.match(after({ rule: "token", by_hand: [] }), /u 0.200 is below/);
  assert.match(after({ rule: "token", by_hand: [0] }), /it was kept by hand/);
});

test("a side says what makes it another than its neighbour", () => {
  const settings = { rule: "token", gamma: 3, seed: 7, forks: [] };
  const header = { run: "a.1", settings, exact: true };
  assert.equal(sideNote(header, header), "token · γ 3 · exact");
  assert.equal(sideNote(header, { run: "a.2", settings: { ...settings, seed: 8 } }), "token · γ 3 · seed 7 · exact");
  const fork = { rule: "topk", gamma: null, token: 1 };
  assert.equal(sideNote({ ...header, exact: false, settings: { ...settings, forks: [fork] } }, header),
    "token · γ 3 · then topk · not exact: a verdict was overturned by hand");
  assert.equal(sideNote({ run: null }, header), "the next run comes here");
});

test("every token of a map is found where it is drawn, and maps never overlap", () => {
  for (const sides of [[1, 2, 3, 4, 5, 6, 8, 10, 13, 16], [1, 2], [1]]) {
    for (const [width, height] of [[534, 260], [330, 190], [900, 500]]) {
      const layout = mapsLayout(width, height, sides);
      layout.forEach(({ map, top, side }, scale) => {
        assert.ok(map >= 0 && map + side <= width && top + side <= height + 1, "it is inside");
        const cell = side / sides[scale];
        for (const index of [0, sides[scale] ** 2 - 1]) {
          const x = map + ((index % sides[scale]) + 0.5) * cell, y = top + (Math.floor(index / sides[scale]) + 0.5) * cell;
          assert.deepEqual(mapTokenAt(x, y, width, height, sides), { scale, index });
        }
      });
    }
  }
  assert.equal(mapTokenAt(0, 0, 534, 260, [1, 2, 3]), null);
});
