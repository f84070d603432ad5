// The modules of the tree stage that need no browser.

import assert from "node:assert/strict";
import test from "node:test";

import { queryOf } from "../../app/stage/address.js";
import { Clock } from "../../app/stage/clock.js";
import { Player } from "../../app/stage/player.js";
import { Selection } from "../../app/stage/selection.js";
import { treeTab } from "../../app/stage/tree/address.js";
import { masksLayout, rowAt, wrongCells } from "../../app/stage/tree/ancestors.js";
import { line, nameOf, pieces, signOf } from "../../app/stage/tree/bytes.js";
import { counterTexts } from "../../app/stage/tree/counters.js";
import { ACCEPTED, BONUS, CORRECTION, DRAFT, DROPPED, PENDING, PROMPT, REJECTED, ROOT, bestPath, emptyState, fold, pathTo,
  windowByIndex, windowOf } from "../../app/stage/tree/fold.js";
import { decodeFrame, nodeNumbers } from "../../app/stage/tree/frames.js";
import { nodeAt, step, treeLayout } from "../../app/stage/tree/layout.js";
import { runNote } from "../../app/stage/tree/narration.js";
import { markedRows, nodeFacts } from "../../app/stage/tree/node.js";
import { reportOf } from "../../app/stage/tree/report.js";
import { bytesShown, runs } from "../../app/stage/tree/text.js";
import { windowCells } from "../../app/stage/tree/window.js";

const base64 = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64");
const bytes = (...values) => base64(Uint8Array.from(values));
const nodes = (...values) => base64(Int16Array.from(values));
const reals = (...values) => base64(Float32Array.from(values));
const codes = (text) => Array.from(Buffer.from(text));

const HEADER = { version: 1, run: "a.1", prompt: bytes(...codes("ab")), window: 3, baseline_calls: 6, fault: null, exact: true,
  settings: { length: 6, temperature: 0, children: "likeliest", topk: 2, steps: 2, expansion: "full", nodes: 0, seed: 1 } };

// The root b; children c and d; c has e and f, d has g. c is accepted, then e is rejected and f accepted; a bonus.
//   0 ─ 1 c ─ 3 e
//     │     └ 4 f
//     └ 2 d ─ 5 g
function someRun() {
  const judged = (node, parent, token, accepted) => ({ kind: "child_judged", round: 1, node, parent, position: 2, token, accepted,
    chance: accepted ? 1 : 0, target_probability: accepted ? 1 : 0, draft_probability: 1, luck: 0.5 });
  const frames = [
    { kind: "prompt_read", round: 0, tokens: bytes(97, 98), milliseconds: 1, norms: reals(1, 2) },
    { kind: "tree_drafted", round: 1, tokens: bytes(98, 99, 100, 101, 102, 103), parents: nodes(-1, 0, 0, 1, 1, 2), calls: 2,
      scores: reals(0, -0.5, -1, -1.5, -0.7, -2), probability: reals(NaN, 0.6, 0.4, 0.3, 0.5, 0.2), milliseconds: 2, steps: 2 },
    { kind: "tree_call", round: 1, number: 1, probability: reals(NaN, 0.7, 0.1, 0.2, 0.6, 0.3), entropy: reals(1, 1, 1, 1, 1, 1),
      likeliest: bytes(99, 102, 103, 104, 105, 106), states: 1, milliseconds: 3, norms: reals(...Array(12).keys()) },
    judged(1, 0, 99, true), judged(3, 1, 101, false), judged(4, 1, 102, true),
    { kind: "bonus_token", round: 1, node: 4, position: 4, token: 105, probability: 1 },
    { kind: "tree_commit", round: 1, path: nodes(1, 4), tokens: bytes(99, 102, 105), text: 5, state: [1, 4], rolled_back: 3,
      milliseconds: 1, norms: reals(3, 4) },
    { kind: "violation", round: 1, invariant: "counts" },
    { kind: "tree_drafted", round: 2, tokens: bytes(105, 120), parents: nodes(-1, 0), scores: reals(0, -1), calls: 1,
      probability: reals(NaN, 0.4), milliseconds: 1, steps: 1 },
    { kind: "tree_call", round: 2, number: 2, probability: reals(NaN, 0.1), entropy: reals(1, 1), likeliest: bytes(121, 122),
      states: 3, milliseconds: 1 },
    { ...judged(1, 0, 120, false), round: 2 },
    { kind: "bonus_token", round: 2, node: 0, position: 5, token: 121, probability: 1 },
  ];
  return frames.map((frame, index) => ({ index, sentence: frame.kind + ".", counters: {}, ...frame }));
}

function states() {
  return someRun().map(decodeFrame).reduce((all, frame) => [...all, fold(all[all.length - 1], frame)], [emptyState(HEADER)]).slice(1);
}

test("arrays are read as they were written", () => {
  assert.deepEqual([...nodeNumbers(nodes(-1, 0, 511))], [-1, 0, 511]);
  assert.equal(decodeFrame({ probability: 0.5 }).probability, 0.5);
});

test("a walk lights its path, and drops what it did not come to", () => {
  const all = states(), at = (index) => [...all[index].tree.status];
  assert.deepEqual(at(1), [ROOT, PENDING, PENDING, PENDING, PENDING, PENDING]);
  assert.deepEqual(at(3), [ROOT, ACCEPTED, DROPPED, PENDING, PENDING, DROPPED]);
  assert.deepEqual(at(4), [ROOT, ACCEPTED, DROPPED, REJECTED, PENDING, DROPPED]);
  assert.deepEqual(at(7), [ROOT, ACCEPTED, DROPPED, REJECTED, ACCEPTED, DROPPED]);
  assert.deepEqual(at(1), [ROOT, PENDING, PENDING, PENDING, PENDING, PENDING], "earlier states stay as they were");
});

test("every byte of the text knows where it comes from", () => {
  const all = states(), origins = (index) => all[index].text.map(({ origin }) => origin);
  assert.deepEqual(origins(0), [PROMPT, PROMPT]);
  assert.deepEqual(origins(5), [PROMPT, PROMPT, DRAFT, DRAFT]);
  assert.deepEqual(origins(7), [PROMPT, PROMPT, DRAFT, DRAFT, BONUS]);
  assert.deepEqual(origins(12), [PROMPT, PROMPT, DRAFT, DRAFT, BONUS, CORRECTION]);
  assert.deepEqual(all[7].text.map(({ event }) => event), [0, 0, 3, 5, 6]);
  assert.equal(String.fromCharCode(...all[12].text.map(({ token }) => token)), "abcfiy");
});

test("the state before and after, and what was rolled back", () => {
  const { memory } = states()[7];
  assert.deepEqual([memory.before, memory.held, memory.dropped], [1, 4, 3]);
  assert.deepEqual([[...memory.earlier], [...memory.norms]], [[1, 2], [3, 4]]);
  assert.equal(memory.rounds.length, 2);
  assert.equal(states()[10].memory.alive, 3);
});

test("a violation changes nothing but what is told", () => {
  const all = states();
  assert.equal(all[8].tree, all[7].tree);
  assert.deepEqual(all[8].violations, [{ index: 8, invariant: "counts", sentence: "violation." }]);
});

test("paths and windows", () => {
  const { tree } = states()[2];
  assert.deepEqual(pathTo(tree, 4), [0, 1, 4]);
  assert.deepEqual(bestPath(tree), [1, 4]);
  assert.deepEqual(windowOf(tree, 5, 3), [{ place: 1 }, { node: 2 }, { node: 5 }]);
  assert.deepEqual(windowByIndex(tree, 5, 3), [{ node: 3 }, { node: 4 }, { node: 5 }]);
  assert.deepEqual(windowOf(tree, 0, 4), [{ place: -2 }, { place: -1 }, { place: 0 }, { place: 1 }]);
  const [own, chain] = windowCells(states()[2], 5, 3);
  assert.deepEqual(own.map(({ from }) => from), ["text", "node 2", "node 5"]);
  assert.deepEqual(chain.map(({ same }) => same), [false, false, true]);
  assert.equal(windowCells(states()[2], 0, 4)[0][0].token, null);
});

test("masks: cells that a chain opens and a tree must not", () => {
  const { tree } = states()[2], { size, lefts, top } = masksLayout(300, 150);
  assert.equal(wrongCells(tree), 0 + 0 + 1 + 1 + 2 + 3);
  const cell = Math.min(20, size / 6);
  assert.equal(rowAt(lefts[1] + 2, top + 3.5 * cell, 300, 150, tree), 3);
  assert.equal(rowAt(lefts[1] + 2, top + 6.5 * cell, 300, 150, tree), null);
});

test("layout: siblings beneath one another, levels beside one another, and every node found again", () => {
  const { tree } = states()[2], layout = treeLayout(tree, null, new Set([0]), 600, 300);
  const { places } = layout;
  assert.ok(places[1].x > places[0].x && places[3].x > places[1].x);
  assert.ok(places[3].y < places[4].y && places[4].y < places[5].y);
  assert.equal(places[1].y, (places[3].y + places[4].y) / 2);
  places.forEach(({ x, y }, node) => assert.equal(nodeAt(x, y, layout), node));
  assert.equal(nodeAt(-40, -40, layout), null);
  const withOwn = treeLayout(tree, { node: 4 }, new Set(), 600, 300);
  assert.ok(withOwn.own.x > withOwn.places[4].x);
  assert.equal(withOwn.own.y, withOwn.places[4].y);
});

test("a crowded tree gives its room to the lit nodes, and stays within its height", () => {
  const count = 200, tree = { parents: [-1, ...Array(count).fill(0)], children: [Array.from({ length: count }, (_, i) => i + 1),
    ...Array.from({ length: count }, () => [])], depths: [0, ...Array(count).fill(1)] };
  const { places } = treeLayout(tree, null, new Set([7]), 500, 300);
  assert.ok(places[7].row > 15 && places[8].row < 3);
  assert.ok(Math.max(...places.map(({ y }) => y)) <= 300.5);
});

test("arrow keys walk the tree", () => {
  const { tree } = states()[2];
  assert.equal(step(tree, 4, "ArrowLeft"), 1);
  assert.equal(step(tree, 1, "ArrowRight"), 3);
  assert.equal(step(tree, 5, "ArrowRight"), 5);
  assert.equal(step(tree, 4, "ArrowDown"), 5);
  assert.equal(step(tree, 3, "ArrowUp"), 3);
  assert.equal(step(tree, 0, "ArrowLeft"), 0);
});

test("bytes as a person reads them", () => {
  assert.deepEqual([97, 32, 10, 9, 0, 0xe9, 7, 127].map(signOf), ["a", "␣", "↵", "⇥", "␀", "E9", "07", "7F"]);
  assert.equal(nameOf(97), "“a”");
  assert.equal(nameOf(200), "byte C8");
  const kinds = (...values) => pieces(values).map(({ text, kind }) => [text, kind]);
  assert.deepEqual(kinds(...codes("é😀")), [["é", "letter"], ["😀", "letter"]]);
  assert.deepEqual(kinds(97, 10), [["a", "letter"], ["↵\n", "line"]]);
  assert.deepEqual(kinds(0xc3), [["C3", "sign"]], "a letter that broke off");
  assert.deepEqual(kinds(0xff, 0x80), [["FF", "sign"], ["80", "sign"]]);
  assert.deepEqual(kinds(0xed, 0xa0, 0x80).map(([, kind]) => kind), ["sign", "sign", "sign"], "a surrogate");
  assert.deepEqual(kinds(...codes("\u202e")), [["E2 80 AE", "sign"]], "it would turn the text around");
  assert.deepEqual(kinds(27), [["1B", "sign"]]);
  assert.equal(line(codes("a\nb")), "a↵b");
});

test("all bytes can be shown, and none is lost", () => {
  const every = Array.from({ length: 256 }, (_, i) => i);
  assert.equal(pieces(every).reduce((sum, { length }) => sum + length, 0), 256);
});

test("the text shows what is guessed behind what stands", () => {
  const all = states(), shown = (index, selected) => bytesShown(all[index], selected).map(({ token, origin }) => [String.fromCharCode(token), origin]);
  assert.deepEqual(shown(2, null).slice(2), [["c", "guess"], ["f", "guess"]]);
  assert.deepEqual(shown(2, 5).slice(2), [["d", "guess"], ["g", "guess"]]);
  assert.deepEqual(shown(5, null).slice(2), [["c", DRAFT], ["f", DRAFT]]);
  const joined = runs(all[0].text);
  assert.deepEqual(joined.map(({ text, origin }) => [text, origin]), [["ab", PROMPT]]);
});

test("verdicts are sentences", () => {
  const all = states(), said = (index, node, more = {}) => nodeFacts(all[index], { ...HEADER.settings, ...more }, node).sentence;
  assert.match(said(1, 1), /guesses “c” with q 0.600. The target has not read it yet/);
  assert.match(said(2, 1), /the target gives it p 0.700. It is not tried yet/);
  assert.match(said(3, 1), /^“c” is what the target would write here itself: it is accepted/);
  assert.match(said(4, 3), /The target would write “f” here, not “e”: it is rejected/);
  assert.match(said(7, 5), /“g” was read but never tried, for above it the walk took its sibling “c”/);
  assert.match(said(4, 3, { temperature: 1 }), /is rejected: luck 0.500 is not below its chance 0 \(p\)/);
  assert.match(said(5, 4, { temperature: 1, children: "sampled" }), /min\(1, p\/q\) of p 1.00 and q 1.00, which is left of it after 1 rejected sibling/);
  assert.match(said(2, 0), /^The last byte of the text, “b”/);
  const facts = nodeFacts(all[2], HEADER.settings, 4);
  assert.deepEqual([facts.title, facts.before, facts.path], ["Node 4 of 5, guess 2", "ab", "cf"]);
});

test("rows are marked by what became of each byte", () => {
  const all = states(), marks = (index, node, rows) => markedRows(all[index], node, rows).map(({ name, mark }) => [name, mark]);
  assert.deepEqual(marks(7, 3, [{ code: 101 }, { code: 102 }, { code: 32 }]), [["e", "guessed"], ["f", "both"], ["␣", ""]]);
  assert.deepEqual(marks(12, 1, [{ code: 120 }, { code: 121 }]), [["x", "guessed"], ["y", "stands"]]);
});

test("counters at the start and with a baseline", () => {
  const store = { header: HEADER, baseline: null };
  assert.equal(counterTexts(emptyState(HEADER), store).calls, "0");
  const counters = { target_calls: 2, written: 6, call_reduction: 3, drafted: 12, accepted: 4, levels: 4, mean_accepted_length: 2,
    mean_length_with_bonus: 3, draft_ms: 1, target_ms: 2, commit_ms: 0 };
  const texts = (baseline) => counterTexts({ counters, finished: true }, { ...store, baseline });
  assert.deepEqual([texts(null).reduction, texts(null).accepted, texts(null).path, texts(null).length],
    ["3.00×", "4 of 12 · 33%", "100%", "2.00 · 3.00"]);
  assert.equal(texts({ differs: null, comparable: true }).against, "identical");
  assert.equal(texts({ differs: 3, comparable: true }).against, "differs from byte 4");
  assert.equal(texts({ differs: 3, comparable: false }).against, "another draw");
});

test("a report names what fired, and where the text went astray", () => {
  const all = states(), store = { header: { ...HEADER, fault: { name: "rain", sentence: "It rains.", look: "Wet." } }, baseline: null,
    finished: false, count: all.length, stateAt: (index) => all[index] };
  assert.deepEqual(reportOf(store).fired, [{ invariant: "counts", events: [{ index: 8, sentence: "violation." }] }]);
  const baseline = { sound: { accepted: 1, drafted: 4, differs: 2 } };
  assert.equal(reportOf({ ...store, baseline }).text, "unlike the sound engine's from byte 3");
  assert.equal(reportOf({ ...store, header: HEADER, count: 1 }), null);
});

test("what the run is, in a few words", () => {
  assert.equal(runNote({ header: HEADER }), "full tree, topk 2, 2 steps · greedy (exact)");
  const settings = { ...HEADER.settings, steps: 0, temperature: 0.5, verification: "nodes" };
  assert.equal(runNote({ header: { ...HEADER, settings } }), "target alone · temperature 0.5 · seed 1 (exact) · node by node");
});

test("addresses of two tabs do not mix", () => {
  const tree = treeTab(["prompt", "seed"]);
  assert.equal(queryOf("?__theme=dark&world=ocean&seed=7&event=2", { prompt: "a b", seed: 1 }, 3, [], tree),
    "?__theme=dark&tab=tree&prompt=a+b&seed=1&event=3");
  assert.equal(queryOf("?tab=tree&prompt=x&event=2&seed=1", { seed: 7 }, null), "?seed=7");
  assert.equal(queryOf("?tab=tree&prompt=x&seed=1", null, 4, [], tree), "?tab=tree&prompt=x&seed=1&event=4");
});

test("the player asks for one event at the end, once", async () => {
  const asked = [], clock = new Clock();
  const store = { count: 2, finished: false, busy: false, notice: "old", isRejection: (index) => index === 0, receive: async () => {} };
  const sides = { right: store, stores: [store], count: 2, receive: store.receive };
  const player = new Player({ sides, clock, selection: new Selection(), trigger: (name) => asked.push(name), redraw() {}, begun() {}, help() {} });
  clock.grow(2);
  player.actions.forward();
  assert.deepEqual([clock.cursor, store.notice, asked.length], [1, null, 0]);
  player.actions.forward();
  player.actions.forward();
  assert.deepEqual(asked, ["forward"]);
  await player.receive({ stream: false, frames: [{}] });
  player.actions.forward();
  assert.equal(asked.length, 2);
  player.actions.previousRejection();
  assert.equal(clock.cursor, 0);
  await player.receive({ stream: true, busy: true, frames: [] });
  assert.ok(clock.following);
});
