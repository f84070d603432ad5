// The node that is pointed at, chosen, or judged at the cursor: its numbers, and its verdict in one sentence.

import { showRows } from "../codes.js";
import { number, write } from "../readout.js";
import { line, nameOf, signOf } from "./bytes.js";
import { ACCEPTED, CORRECTION, DROPPED, PENDING, REJECTED, ROOT, pathTo } from "./fold.js";

const CONTEXT = 14; // bytes of the text before the path

// What there is to say about a node; settings are those of the run.
export function nodeFacts(state, settings, node) {
  const { tree } = state, status = tree.status[node], judged = tree.judged.get(node);
  const depth = tree.depths[node];
  return {
    node, status,
    title: node ? "Node " + node + " of " + (tree.parents.length - 1) + ", guess " + depth : "Root",
    before: line(state.text.slice(Math.max(0, tree.start - CONTEXT), tree.start).map(({ token }) => token)),
    path: line(pathTo(tree, node).slice(1).map((one) => tree.tokens[one])),
    numbers: [
      ["p", node && tree.p ? number(tree.p[node]) : "–"],
      ["q", node ? number(tree.q[node]) : "–"],
      ["score Σ log q", node ? number(tree.scores[node]).replace("-", "−") : "–"],
      judged ? ["luck u", number(judged.luck)] : ["entropy after", tree.entropy ? number(tree.entropy[node]) + " nats" : "–"],
    ],
    sentence: sentenceOf(tree, node, judged, settings),
    rows: siblingRows(state, node),
  };
}

function sentenceOf(tree, node, judged, { temperature, children }) {
  const name = nameOf(tree.tokens[node]), status = tree.status[node];
  if (status === ROOT) return "The last byte of the text, " + name + ": the target reads it in the same call as the guesses after it.";
  if (judged) return judgedWords(tree, node, judged, name, temperature === 0, children === "sampled");
  if (status === DROPPED) return droppedWords(tree, node, name);
  const guess = "The draft guesses " + name + " with q " + number(tree.q[node]);
  return tree.p ? guess + "; the target gives it p " + number(tree.p[node]) + ". It is not tried yet."
    : guess + ". The target has not read it yet.";
}

function judgedWords(tree, node, { accepted, chance, p, q, luck }, name, greedy, sampled) {
  if (greedy) {
    const likeliest = tree.likeliest ? nameOf(tree.likeliest[tree.parents[node]]) : "another byte";
    return accepted ? capital(name) + " is what the target would write here itself: it is accepted."
      : "The target would write " + likeliest + " here, not " + name + ": it is rejected.";
  }
  const tried = tree.children[tree.parents[node]].indexOf(node);
  const rule = sampled ? "min(1, p/q) of p " + number(p) + " and q " + number(q) : "p";
  const left = tried > 0 ? ", which is left of it after " + tried + (tried === 1 ? " rejected sibling" : " rejected siblings") : "";
  return capital(name) + (accepted ? " is accepted: luck " : " is rejected: luck ") + number(luck)
    + (accepted ? " is below " : " is not below ") + "its chance " + number(chance) + " (" + rule + left + ").";
}

// Why nobody tried it: above it a guess was rejected, or the walk took a sibling.
function droppedWords(tree, node, name) {
  let top = node;
  while (tree.status[tree.parents[top]] === DROPPED) top = tree.parents[top];
  const parent = tree.parents[top];
  const cause = tree.status[parent] === REJECTED ? nameOf(tree.tokens[parent]) + " before it was rejected"
    : "the walk took its sibling " + nameOf(tree.tokens[tree.children[parent].find((one) => tree.status[one] === ACCEPTED)]);
  return capital(name) + " was read but never tried, for " + (top === node || tree.status[parent] === REJECTED ? cause
    : "above it " + cause) + ". Its effect is rolled back.";
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

// The guesses that stand where the node stands, and the target's own token if it stands there too: what the frame knows.
function siblingRows(state, node) {
  const { tree } = state, parent = Math.max(0, tree.parents[node]);
  return tree.children[parent].map((child) => ({ code: tree.tokens[child], q: tree.q[child],
    ...(tree.p ? { p: tree.p[child] } : {}) }));
}

// Rows for the bars, marked by what became of each byte here.
export function markedRows(state, node, rows) {
  const { tree, bonus } = state, parent = Math.max(0, tree.parents[node]);
  const status = new Map(tree.children[parent].map((child) => [tree.tokens[child], tree.status[child]]));
  const own = bonus && bonus.node === parent ? bonus.token : null;
  return rows.map((row) => ({ ...row, name: signOf(row.code), said: capital(nameOf(row.code)),
    mark: row.code === own ? "stands" : MARKS[status.get(row.code)] || "" }));
}

const MARKS = { [ACCEPTED]: "both", [REJECTED]: "guessed", [PENDING]: "open", [DROPPED]: "open" };
const LOOKS = { [ACCEPTED]: "kept", [REJECTED]: "corrected" };

// Which node the card and all views speak of, or null.
export function focusOf(state, selection) {
  const { tree } = state, chosen = selection.token ? selection.token.index : null;
  if (!tree) return null;
  if (chosen !== null && chosen < tree.parents.length) return chosen;
  return state.node;
}

export function showNode(part, view, answer) {
  const { state, store, focus, selection } = view;
  const facts = focus === null ? null : nodeFacts(state, store.header.settings, focus);
  part("readout-intro").hidden = !!facts;
  part("readout-facts").hidden = !facts;
  part("intro-start").hidden = store.count > 0;
  part("intro-point").hidden = store.count === 0;
  if (!facts) {
    showRows(part, [], false, "");
    return;
  }
  part("readout-facts").setAttribute("aria-live", selection.hovered ? "off" : "polite");
  write(part("readout-title"), facts.title);
  write(part("path-before"), facts.before);
  write(part("path-nodes"), facts.path);
  facts.numbers.forEach(([name, value], i) => {
    write(part("number-name-" + i), name);
    write(part("number-value-" + i), value);
  });
  const verdict = part("verdict"), own = state.bonus && !selection.token && state.kind === "bonus_token";
  write(verdict, own ? state.sentence : facts.sentence);
  verdict.className = "verdict " + (own ? (state.bonus.origin === CORRECTION ? "corrected" : "bonus") : LOOKS[facts.status] || "");
  const rows = answer && answer.rows ? answer.rows : facts.rows;
  showRows(part, markedRows(state, focus, rows), false, (answer && answer.notice) || "");
}
