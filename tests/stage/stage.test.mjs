// Tests of the stage's modules that need no browser; tests/test_stage.py runs them with node's own test runner.

import assert from "node:assert/strict";
import test from "node:test";

import { Clock } from "../../app/stage/clock.js";
import { counterTexts } from "../../app/stage/counters.js";
import { BONUS, CORRECTED, KEPT, PENDING, THROWN, emptyState, fold } from "../../app/stage/fold.js";
import { bits, decodeFrame, realNumbers, wholeNumbers } from "../../app/stage/frames.js";
import { maskLayout, maskTokenAt } from "../../app/stage/mask.js";
import { Player } from "../../app/stage/player.js";
import { pyramidLayout, tokenAt } from "../../app/stage/pyramid.js";
import { number, tokenFacts } from "../../app/stage/readout.js";
import { reportOf } from "../../app/stage/report.js";
import { eventAt } from "../../app/stage/scrubber.js";
import { Selection, neighbour } from "../../app/stage/selection.js";
import { Sides } from "../../app/stage/sides.js";
import { SCALES, Store } from "../../app/stage/store.js";

const SIDES = [1, 2, 3];
const HEADER = { version: 2, run: "a.1", sides: SIDES, codes: 8, baseline_calls: 3, settings: { rule: "coupled" } };
const COUNTERS = { target_calls: 0 };

const base64 = (view) => Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString("base64");
const whole = (...values) => base64(Uint16Array.from(values));
const real = (...values) => base64(Float32Array.from(values));

let made = 0;
const frame = (kind, round, details) => ({ index: made++, read_from: details.start, kind, round, sentence: kind, counters: COUNTERS, ...details });

// Two guesses; the first is kept, the second loses a token; then the target draws the last scale.
function someRun() {
  made = 0;
  const four = [0.5, 0.25, 0.125, 0.125];
  const numbers = { target_probability: real(...four), draft_probability: real(...four),
    standing_probability: real(...four), total_variation: real(0, 0, 0, 0), entropy: real(1, 1, 1, 1),
    luck: real(NaN, NaN, NaN, NaN) };
  const one = Object.fromEntries(Object.keys(numbers).map((name) => [name, real(0.5)]));
  return [
    frame("drafted", 1, { scale: 0, read_from: 0, milliseconds: 1, tokens: whole(3), probability: real(0.5), entropy: real(1) }),
    frame("drafted", 1, { scale: 1, read_from: 1, milliseconds: 1, tokens: whole(1, 2, 3, 4), probability: real(...four),
      entropy: real(1, 1, 1, 1) }),
    frame("target_call", 1, { number: 1, start: 0, stop: 3, milliseconds: 5 }),
    frame("judged", 1, { scale: 0, tokens: whole(3), drafted: whole(3), kept: "gA==", passed: true, ...one }),
    frame("judged", 1, { scale: 1, tokens: whole(1, 2, 3, 7), drafted: whole(1, 2, 3, 4), kept: "4A==", passed: false,
      ...numbers }),
    frame("round_end", 1, { gamma: 2, committed: 2, discarded: 0, draft_cache: [2, 2], target_cache: [3, 2] }),
    frame("target_call", 2, { number: 2, start: 2, stop: 3, milliseconds: 4 }),
    frame("bonus", 2, { scale: 2, tokens: whole(...Array(9).keys()), probability: real(...Array(9).fill(0.5)),
      entropy: real(...Array(9).fill(1)) }),
    frame("round_end", 2, { gamma: 0, committed: 3, discarded: 0, draft_cache: [2, 2], target_cache: [3, 3] }),
  ];
}

const folded = (frames) => frames.map(decodeFrame).reduce(
  (states, one) => [...states, fold(states[states.length - 1], one)], [emptyState(HEADER)]).slice(1);

test("arrays are read as they were written", () => {
  assert.deepEqual([...wholeNumbers(whole(1, 256, 65535))], [1, 256, 65535]);
  assert.deepEqual([...realNumbers(real(0.5, -2))], [0.5, -2]);
  assert.deepEqual([...bits("oIA=", 9)], [1, 0, 1, 0, 0, 0, 0, 0, 1]);
});

test("folding tells what became of every token", () => {
  const states = folded(someRun());
  assert.deepEqual([...states[1].scales[1].verdicts], Array(4).fill(PENDING));
  const end = states.at(-1);
  assert.deepEqual([...end.scales[0].verdicts], [KEPT]);
  assert.deepEqual([...end.scales[1].verdicts], [KEPT, KEPT, KEPT, CORRECTED]);
  assert.deepEqual([...end.scales[2].verdicts], Array(9).fill(BONUS));
  assert.equal(end.finished, true);
  assert.equal(end.call, 2);
  assert.deepEqual(end.bars.map((bar) => [bar.lane, bar.begin]), [["draft", 0], ["draft", 1], ["target", 2], ["target", 7]]);
});

test("folding never changes a state it was given", () => {
  const frames = someRun().map(decodeFrame);
  const before = folded(someRun().slice(0, 4)).at(-1);
  const copy = structuredClone(before);
  fold(before, frames[4]);
  assert.deepEqual(before, copy);
});

test("caches show growth, rollback and what is held", () => {
  const states = folded(someRun());
  assert.deepEqual(states[2].targetCache, { held: 3, read: [0, 3], catchUp: null, dropped: null });
  assert.deepEqual(states[5].targetCache.dropped, [2, 3]);
  assert.equal(states[5].targetCache.held, 2);
  assert.equal(states[6].targetCache.dropped, null);
});

test("a guess behind a corrected scale is thrown away, and gone in the next round", () => {
  const frames = someRun();
  made = 2;
  const extra = frame("drafted", 1, { scale: 2, read_from: 2, milliseconds: 1, tokens: whole(...Array(9).keys()),
    probability: real(...Array(9).fill(1)), entropy: real(...Array(9).fill(0)) });
  const states = folded([...frames.slice(0, 2), extra, ...frames.slice(2)]);
  assert.deepEqual([...states[5].scales[2].verdicts], Array(9).fill(THROWN));
  assert.equal(states[7].scales[2].status, "empty");
});

test("the clock goes where it is told and stays inside", () => {
  const clock = new Clock();
  clock.goTo(3);
  assert.equal(clock.cursor, -1);
  clock.grow(5);
  assert.equal(clock.cursor, 0);
  clock.goTo(99);
  assert.equal(clock.cursor, 4);
  clock.goTo(-2);
  assert.equal(clock.cursor, 0);
});

test("playing moves at its speed and stops at the end", () => {
  const clock = new Clock();
  clock.grow(3);
  clock.toggle(0);
  assert.equal(clock.tick(100), false);
  assert.equal(clock.tick(460), true);
  clock.nextSpeed();
  assert.equal(clock.speed, 2);
  assert.equal(clock.tick(700), true);
  assert.equal(clock.cursor, 2);
  assert.equal(clock.playing, false);
  clock.toggle(1000);
  assert.equal(clock.cursor, 0);
});

test("following runs after the newest event until the visitor goes elsewhere", () => {
  const clock = new Clock();
  clock.grow(1);
  clock.follow();
  clock.grow(4);
  let now = 0;
  while (clock.moving) clock.tick((now += 50));
  assert.equal(clock.cursor, 3);
  clock.goTo(1);
  clock.grow(9);
  assert.equal(clock.tick(now + 1000), false);
  assert.equal(clock.cursor, 1);
  clock.follow();
  clock.tick(now + 2000, true);
  assert.equal(clock.cursor, 8);
});

test("seeking finds the next event that passes a test", () => {
  const clock = new Clock();
  clock.grow(6);
  assert.equal(clock.seek(1, (index) => index % 2 === 1), 1);
  assert.equal(clock.seek(-1, () => true), null);
});

test("arrow keys walk through the pyramid", () => {
  assert.deepEqual(neighbour({ scale: 1, index: 0 }, "ArrowRight", SIDES), { scale: 1, index: 1 });
  assert.deepEqual(neighbour({ scale: 1, index: 1 }, "ArrowRight", SIDES), { scale: 2, index: 0 });
  assert.deepEqual(neighbour({ scale: 1, index: 0 }, "ArrowLeft", SIDES), { scale: 0, index: 0 });
  assert.deepEqual(neighbour({ scale: 2, index: 1 }, "ArrowDown", SIDES), { scale: 2, index: 4 });
  assert.deepEqual(neighbour({ scale: 2, index: 8 }, "ArrowRight", SIDES), { scale: 2, index: 8 });
});

test("choosing a token again lets it go; pointing does not forget what was chosen", () => {
  const selection = new Selection();
  selection.choose({ scale: 1, index: 2 });
  selection.hover({ scale: 2, index: 0 });
  assert.deepEqual(selection.token, { scale: 2, index: 0 });
  selection.hover(null);
  assert.deepEqual(selection.token, { scale: 1, index: 2 });
  selection.choose({ scale: 1, index: 2 });
  assert.equal(selection.token, null);
});

const payload = (frames, details) => ({ sequence: 1, header: HEADER, count: frames.length, first: 0, frames, busy: false,
  finished: false, baseline: null, notice: null, keep: false, stream: false, ...details });

test("the store asks for the frames it missed, in pieces, and takes none twice", async () => {
  const frames = someRun(), asked = [];
  const ask = async (run, first, stop) => {
    asked.push([run, first, stop]);
    return { frames: frames.slice(first, Math.min(stop, first + 2)) };
  };
  const store = new Store({ ...HEADER, run: null }, ask, () => {});
  await store.receive(payload(frames.slice(5), { first: 5 }));
  assert.deepEqual(asked, [["a.1", 0, 5], ["a.1", 2, 5], ["a.1", 4, 5]]);
  assert.equal(store.count, frames.length);
  await store.receive(payload(frames));
  assert.equal(store.count, frames.length);
  assert.deepEqual([0, 1, 2, 3, 4].filter((index) => store.isRejection(index)), [4]);
});

test("a notice leaves the run as it is; another run and a reset begin anew", async () => {
  const store = new Store({ ...HEADER, run: null }, null, () => {});
  await store.receive(payload(someRun()));
  await store.receive(payload([], { keep: true, header: null, notice: "No." }));
  assert.equal(store.count, 9);
  assert.equal(store.notice, "No.");
  await store.receive(payload(someRun().slice(0, 1), { header: { ...HEADER, run: "a.2" } }));
  assert.equal(store.count, 1);
  await store.receive(payload([], { header: null }));
  assert.equal(store.count, 0);
});

test("a value that comes late changes nothing", async () => {
  const store = new Store({ ...HEADER, run: null }, null, () => {});
  await store.receive(payload(someRun(), { sequence: 5, finished: true }));
  await store.receive(payload([], { sequence: 7, header: null }));
  await store.receive(payload(someRun(), { sequence: 6, finished: true }));
  assert.equal(store.count, 0);
  assert.equal(store.finished, false);
});

test("a picture that was not painted ahead is asked for when someone looks, one at a time", async () => {
  globalThis.Image = class { set src(url) { this.complete = true; this.naturalWidth = 1; this.url = url; } };
  const frames = someRun().map((frame) => ({ ...frame, unpainted: frame.kind === "drafted" || frame.kind === "judged" }));
  const asked = [], answers = [];
  const paint = (run, event) => new Promise((done) => { asked.push(event); answers.push(done); });
  const store = new Store({ ...HEADER, run: null }, null, () => {}, { ...SCALES, paint });
  await store.receive(payload(frames, { busy: true }));
  const [one, two] = frames.filter((frame) => frame.unpainted).map((frame) => frame.index);
  assert.equal(store.picture(one), null);
  assert.deepEqual(asked, [], "not while the models are at work");
  await store.receive(payload([], { sequence: 2, first: frames.length, count: frames.length }));
  assert.equal(store.picture(one), null);
  assert.equal(store.picture(two), null);
  assert.equal(store.picture(null), null);
  assert.deepEqual(asked, [one]);
  answers[0]({ picture: "data:one" });
  await new Promise((done) => setTimeout(done));
  assert.equal(store.picture(one).url, "data:one");
  assert.equal(store.picture(two), null);
  assert.deepEqual(asked, [one, two]);
  answers[1]({ notice: "Many ask." });
  await new Promise((done) => setTimeout(done));
  assert.equal(store.picture(two), null);
  assert.deepEqual(asked, [one, two], "what was refused is not asked for again");
  assert.equal(store.frames[two].refused, true);
  delete globalThis.Image;
});

test("a stream whose values come in a lump, twice, is followed to its end", async () => {
  const frames = someRun(), asked = [], clock = new Clock();
  const ask = (run, first, stop) => new Promise((done) => {
    asked.push(first);
    setTimeout(() => done({ frames: frames.slice(first, stop) }), 5);
  });
  let shown = null;
  const sides = new Sides(() => new Store({ ...HEADER, run: null }, ask, () => {
    if (sides.right.header.run !== shown) clock.reset();
    shown = sides.right.header.run;
    clock.grow(sides.count);
  }));
  const player = new Player({ sides, clock, selection: new Selection(), trigger() {}, redraw() {}, begun() {}, help() {} });
  const last = payload(frames.slice(7), { first: 7, count: 9, stream: true, finished: true, sequence: 4 });
  const compared = payload([], { first: 9, count: 9, finished: true, baseline: { equal: true }, sequence: 5 });
  await Promise.all([last, last, compared].map((value) => player.receive(value)));
  assert.deepEqual([sides.count, sides.finished, !!sides.right.baseline], [9, true, true]);
  assert.equal(asked.length, 2, "once for each of the two values");
  clock.tick(1000, true);
  assert.equal(clock.cursor, 8);
});

test("frames that are gone are told in a sentence", async () => {
  const store = new Store({ ...HEADER, run: null }, async () => ({ notice: "Gone." }), () => {});
  await store.receive(payload([], { first: 3 }));
  assert.equal(store.notice, "Gone.");
  assert.equal(store.count, 0);
});

test("places on canvases find their tokens", () => {
  const layout = pyramidLayout(900, 240, SIDES);
  layout.forEach(({ map, top, side }, scale) => {
    const cell = side / SIDES[scale], index = SIDES[scale] ** 2 - 1;
    assert.deepEqual(tokenAt(map + side - cell / 2, top + side - cell / 2, layout, SIDES), { scale, index });
  });
  assert.equal(tokenAt(1, 1, layout, SIDES), null);
  const { edges } = maskLayout(120, 120, SIDES);
  assert.deepEqual(maskTokenAt(1, edges[2] + 0.1, 120, 120, SIDES), { scale: 2, index: 0 });
  assert.equal(maskTokenAt(119, 1, 120, 120, SIDES), null);
  assert.equal(eventAt(0, 200, 11), 0);
  assert.equal(eventAt(100, 200, 11), 5);
  assert.equal(eventAt(999, 200, 11), 10);
});

test("the readout says what the frame says", () => {
  const end = folded(someRun()).at(-1);
  const facts = tokenFacts(end, HEADER, { scale: 1, index: 3 });
  assert.equal(facts.title, "Token 4 of scale 2 — row 2, column 2");
  assert.match(facts.sentence, /draft drew code 4 .* target draws code 7/);
  const tested = tokenFacts({ ...end, scales: end.scales.map((one) => ({ ...one, luck: [0.9, 0.9, 0.9, 0.9] })) },
    { ...HEADER, settings: { rule: "token" } }, { scale: 1, index: 3 });
  assert.match(tested.sentence, /^Code 4 goes: u 0\.900 is not below p\/q 1\.00/);
  assert.match(tokenFacts(end, HEADER, { scale: 2, index: 0 }).sentence, /target drew code 0 itself/);
});

test("numbers are short and honest", () => {
  assert.deepEqual([0, 0.25, 1.5, 12.34, 123.4, 1e-6, 12345, NaN, Infinity].map(number),
    ["0", "0.250", "1.50", "12.3", "123", "1.0e−6", "12,345", "–", "∞"]);
});

const counters = { target_calls: 2, committed: 3, call_reduction: 1.5, kept: 4, judged: 5, draft_ms: 2,
  target_ms: 9.123, decoder_ms: 0 };

test("counters are those of the frame", () => {
  const texts = counterTexts({ counters, finished: true }, { header: HEADER, baseline: { equal: true } });
  assert.equal(texts.calls, "2");
  assert.equal(texts.kept, "4 of 5");
  assert.equal(texts.against, "identical");
  assert.equal(texts.time, "2.0 · 9.1 · 0 ms");
});

test("a violation leaves everything else as it was", () => {
  const states = folded([...someRun().slice(0, 6), { ...frame("violation", 1, { invariant: "cache length" }), index: 6 }]);
  const { index, kind, sentence, violations, ...rest } = states[6];
  assert.deepEqual(violations, [{ index: 6, invariant: "cache length", sentence: "violation" }]);
  assert.deepEqual(rest.targetCache.dropped, [2, 3]);
  assert.deepEqual(rest.scales, states[5].scales);
  assert.deepEqual(states[5].violations, []);
  assert.deepEqual([index, kind, sentence], [6, "violation", "violation"]);
});

test("the report of a fault tells what fired when, and what it did", () => {
  const header = { ...HEADER, fault: { name: "no rollback", sentence: "It stays.", look: "Ghosts." } };
  const counters = { kept: 3, judged: 4, committed: 1 };
  const last = { ...emptyState(header), counters, violations: [
    { index: 4, invariant: "cache length", sentence: "a" }, { index: 5, invariant: "merged logits", sentence: "b" },
    { index: 8, invariant: "cache length", sentence: "c" }] };
  const store = { header, baseline: null, count: 9, finished: false, stateAt: () => last };
  const report = reportOf(store);
  assert.equal(report.title, "Fault: no rollback");
  assert.deepEqual(report.fired.map(({ invariant, events }) => [invariant, events.map(({ index }) => index)]),
    [["cache length", [4, 8]], ["merged logits", [5]]]);
  assert.deepEqual([report.kept, report.picture, report.none], ["75% so far", "after the run", ""]);
  const baseline = { differing: 2, total: 14, psnr: 20, equal: false, sound: { kept: 9, judged: 10, differing: 0 } };
  const told = reportOf({ ...store, baseline, finished: true });
  assert.equal(told.kept, "75%; the sound engine 90%");
  assert.equal(told.picture, "2 of 14 (20.0 dB); the sound engine's none");
  assert.equal(reportOf({ ...store, finished: true }).picture, "none: the run ended after 1 of 3 scales");
});

test("a sound run has no report; a violation in it has one", () => {
  const state = emptyState(HEADER);
  assert.equal(reportOf({ header: HEADER, baseline: null, count: 1, stateAt: () => state }), null);
  const wrong = { ...state, violations: [{ index: 0, invariant: "luck", sentence: "a" }] };
  const report = reportOf({ header: HEADER, baseline: null, count: 1, stateAt: () => wrong });
  assert.equal(report.title, "An invariant does not hold");
});

test("an opened run knows nothing of the target alone", () => {
  const opened = counterTexts({ counters, finished: true }, { header: { ...HEADER, opened: true }, baseline: null });
  assert.equal(opened.against, "not in the file");
});
