// The state of a text run after each event: fold(state, frame) returns the next state and never changes the last one.

import { bytesOf } from "../frames.js";

// What became of a node.
export const ROOT = 0;
export const PENDING = 1;
export const ACCEPTED = 2;
export const REJECTED = 3;
export const DROPPED = 4; // never tried: beside the path, or below a rejected node

// Where a byte of the text comes from.
export const PROMPT = 0;
export const DRAFT = 1; // a guess that was accepted
export const CORRECTION = 2; // the target's own, where guesses were rejected
export const BONUS = 3; // the target's own, after the last guess of a path

export function emptyState(header) {
  return {
    index: -1, kind: null, round: 0, sentence: "", counters: null,
    text: header.run ? Array.from(bytesOf(header.prompt), (token) => ({ token, origin: PROMPT, event: 0 })) : [],
    tree: null, // of the last round
    bonus: null, // { node, token, probability, position, origin }
    node: null, // that the event is about
    memory: { held: 0, before: null, dropped: 0, alive: 1, norms: null, earlier: null, rounds: [] },
    bars: [], elapsed: 0, // milliseconds inside the models
    violations: [], // { index, invariant, sentence }
    call: 0, finished: false, goal: header.run ? header.settings.length : 0, written: 0,
  };
}

export function fold(state, frame) {
  const { index, kind, round, sentence, counters } = frame;
  if (kind === "violation") { // it speaks about the event before it: all else stays
    const violations = [...state.violations, { index, invariant: frame.invariant, sentence }];
    return { ...state, index, kind, round, sentence, counters, violations };
  }
  const next = { ...state, index, kind, round, sentence, counters, node: null };
  FOLDS[kind](next, frame);
  return next;
}

const FOLDS = {
  prompt_read(state, frame) {
    state.memory = remembered(state.memory, frame, 0, frame.tokens.length - 1, 0);
    addBar(state, frame, "target", ["prompt"]);
  },

  tree_drafted(state, frame) {
    state.tree = treeOf(frame, state.text.length);
    state.bonus = null;
    state.node = 0;
    state.memory = { ...state.memory, before: null, dropped: 0, alive: 1 };
    addBar(state, frame, "draft", [String(frame.tokens.length - 1)]);
  },

  tree_call(state, frame) {
    const { probability, entropy, likeliest, states } = frame;
    state.call = frame.number;
    state.node = 0;
    state.tree = { ...state.tree, source: frame.index, p: probability, entropy, likeliest, norms: rowsOf(frame) };
    state.memory = { ...state.memory, alive: states };
    addBar(state, frame, "target", ["call " + frame.number, String(frame.number)]);
  },

  child_judged(state, frame) {
    const { node, token, accepted, chance, target_probability: p, draft_probability: q, luck } = frame;
    const tree = { ...state.tree, status: state.tree.status.slice(), judged: new Map(state.tree.judged) };
    tree.judged.set(node, { accepted, chance, p, q, luck });
    tree.status[node] = accepted ? ACCEPTED : REJECTED;
    if (accepted) {
      tree.children[frame.parent].filter((child) => child > node).forEach((child) => drop(tree, child));
      state.text = [...state.text, { token, origin: DRAFT, event: frame.index }];
    } else tree.children[node].forEach((child) => drop(tree, child));
    state.tree = tree;
    state.node = node;
  },

  bonus_token(state, { index, node, token, probability, position }) {
    const tried = state.tree.children[node].length > 0;
    const origin = tried ? CORRECTION : BONUS;
    state.bonus = { node, token, probability, position, origin };
    state.text = [...state.text, { token, origin, event: index }];
    state.node = node;
  },

  tree_commit(state, frame) {
    const before = state.tree.start, origins = state.text.slice(before);
    // What is committed has the last word, whatever a fault made of the walk.
    state.text = [...state.text.slice(0, before), ...Array.from(frame.tokens,
      (token, i) => origins[i] || { token, origin: BONUS, event: frame.index })];
    const tree = { ...state.tree, status: state.tree.status.map((one) => (one === PENDING ? DROPPED : one)) };
    state.tree = { ...tree, path: Array.from(frame.path) };
    state.node = frame.path.length ? frame.path[frame.path.length - 1] : 0;
    state.memory = remembered(state.memory, frame, frame.state[0], frame.state[1], frame.rolled_back);
    state.elapsed += frame.milliseconds;
    state.written += frame.tokens.length;
    state.finished = state.written >= state.goal;
  },
};

function treeOf(frame, start) {
  const parents = Array.from(frame.parents), count = parents.length;
  const children = parents.map(() => []), depths = [];
  parents.forEach((parent, node) => {
    depths.push(parent < 0 ? 0 : depths[parent] + 1);
    if (parent >= 0) children[parent].push(node);
  });
  const status = new Uint8Array(count).fill(PENDING);
  status[0] = ROOT;
  return { tokens: frame.tokens, parents, children, depths, q: frame.probability, scores: frame.scores, status, start,
    p: null, entropy: null, likeliest: null, norms: null, source: null, judged: new Map(), path: null };
}

function drop(tree, node) {
  tree.status[node] = DROPPED;
  tree.children[node].forEach((child) => drop(tree, child));
}

// The state after a commit, and the one that it took the place of.
function remembered(memory, frame, before, held, dropped) {
  const norms = frame.norms || null;
  return { ...memory, held, before, dropped, norms, earlier: memory.norms, alive: 1,
    rounds: [...memory.rounds, { index: frame.index, held, norms }] };
}

// Norms (node, layer) as one array a node.
function rowsOf({ norms, probability }) {
  if (!norms) return null;
  const layers = norms.length / probability.length;
  return Array.from(probability, (_, node) => norms.subarray(node * layers, (node + 1) * layers));
}

function addBar(state, frame, lane, captions) {
  const bar = { index: frame.index, lane, captions, begin: state.elapsed, milliseconds: frame.milliseconds };
  state.bars = [...state.bars, bar];
  state.elapsed += frame.milliseconds;
}

// The nodes from the root down to a node, both included.
export function pathTo(tree, node) {
  const path = [];
  for (let at = node; at >= 0; at = tree.parents[at]) path.unshift(at);
  return path;
}

// Which rows a node's short convolution reads, the node's own last: { node } or { place }, a place in the text.
export function windowOf(tree, node, width) {
  const rows = [];
  for (let at = node, place = tree.start - 1; rows.length < width;) {
    if (at > 0) rows.unshift({ node: at });
    else rows.unshift({ place: place-- });
    at = at > 0 ? tree.parents[at] : 0;
  }
  return rows;
}

// The same by index, as a chain has it: wrong for all nodes beside the first path.
export function windowByIndex(tree, node, width) {
  return Array.from({ length: width }, (_, i) => {
    const at = node - width + 1 + i;
    return at > 0 ? { node: at } : { place: tree.start - 1 + at };
  });
}

// The path that the draft thinks likeliest: from the root to the best child, again and again.
export function bestPath(tree) {
  const path = [];
  for (let at = 0; tree.children[at].length;) {
    at = tree.children[at].reduce((best, child) => (tree.scores[child] > tree.scores[best] ? child : best));
    path.push(at);
  }
  return path;
}
