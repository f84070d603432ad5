// What the target remembers: the committed state's norm in every layer, now and before, and what was rolled back.

import { number } from "../readout.js";
import { hatch, label, roundedBox } from "../surface.js";
import { font } from "../theme.js";

const NAME = 46, VALUE = 36, LINE = 19, BAR = 9;

export function drawMemory(context, width, height, view) {
  const { state, store, theme } = view, { memory } = state, words = heldWords(memory);
  context.textBaseline = "middle";
  text(context, words.held, 0, 7, theme.ink, font(theme, 13, 600));
  text(context, words.alive, width, 7, theme.muted, font(theme, 11), "right");
  const top = nodesRead(context, 24, width, state, theme);
  if (!memory.norms) {
    context.font = font(theme, 11.5);
    context.fillStyle = theme.muted;
    context.textAlign = "left";
    if (state.kind) label(context, store.header.opened ? "A trace file holds no norms." : "No norms are known.", 0, top + 14, width);
    return;
  }
  const layers = memory.norms.length, most = mostNorm(store, layers);
  legend(context, top + 8, width, view);
  const line = Math.min(LINE, Math.max(8, (height - top - 84) / layers));
  for (let layer = 0; layer < layers; layer += 1) layerLine(context, top + 18 + layer * line, line, width, layer, most, view);
  snapshots(context, top + 26 + layers * line, width, height, view);
}

export function heldWords({ held, before, alive }) {
  const change = before !== null && before !== held ? before + " → " + held : String(held);
  return { held: change + (held === 1 ? " byte" : " bytes"), alive: alive === 1 ? "1 state alive" : alive + " states alive" };
}

// One small box a guess that was read: kept on the path, or hatched where its effect was dropped.
function nodesRead(context, y, width, { tree, memory, kind }, theme) {
  const count = tree ? tree.parents.length - 1 : 0;
  const done = kind === "tree_commit" || (kind === "violation" && tree && tree.path);
  const kept = done && tree.path ? tree.path.length : 0;
  if (!count) return y - 4;
  const wide = Math.min(14, width / count);
  for (let i = 0; i < count; i += 1) {
    const x = i * wide, box = Math.max(1, wide - 1.5);
    context.fillStyle = done && i < kept ? theme.kept : theme.thrown;
    roundedBox(context, x, y, box, 11, 2);
    context.fill();
    if (done && i >= kept) hatch(context, x, y, box, 11, theme.corrected, 4, 1.2);
  }
  const told = done ? kept + " on the path, " + memory.dropped + " rolled back"
    : count + (count === 1 ? " guess waits" : " guesses wait") + " for the walk";
  text(context, told, 0, y + 22, theme.muted, font(theme, 11.5));
  return y + 38;
}

// What the bars and the marks on them mean.
function legend(context, y, width, { state, focus, theme }) {
  const marks = [[theme.kept, "now"]];
  if (state.memory.earlier) marks.push([theme.bonus, "before"]);
  if (nodeNorms(state, focus)) marks.push([theme.ink, focus ? "node " + focus : "root"]);
  text(context, "norm", 0, y, theme.muted, font(theme, 11));
  let x = NAME;
  marks.forEach(([colour, word], i) => {
    context.fillStyle = colour;
    if (i) context.fillRect(x + 3, y - 5, 2, 10);
    else context.fillRect(x, y - 4, 8, 8);
    text(context, word, x + 12, y, theme.muted, font(theme, 11));
    x += 22 + context.measureText(word).width;
  });
}

const nodeNorms = (state, focus) => (state.tree && state.tree.norms && focus !== null ? state.tree.norms[focus] : null);

function layerLine(context, y, tall, width, layer, most, { state, theme, focus }) {
  const { norms, earlier } = state.memory, room = width - NAME - VALUE, middle = y + tall / 2, bar = Math.min(BAR, tall - 3);
  const node = nodeNorms(state, focus);
  text(context, "layer " + (layer + 1), 0, middle, theme.muted, font(theme, 11));
  context.fillStyle = theme.well;
  roundedBox(context, NAME, middle - bar / 2, room, bar, 2);
  context.fill();
  context.fillStyle = theme.kept;
  roundedBox(context, NAME, middle - bar / 2, Math.max(1, (norms[layer] / most) * room), bar, 2);
  context.fill();
  if (earlier) mark(context, NAME + (earlier[layer] / most) * room, middle, bar + 3, theme.bonus, theme);
  if (node) mark(context, NAME + Math.min(1, node[layer] / most) * room, middle, bar + 5, theme.ink, theme);
  text(context, number(node ? node[layer] : norms[layer]), width, middle, theme.ink, font(theme, 11.5, node ? 600 : 400), "right");
}

function mark(context, x, middle, tall, colour, theme) {
  context.fillStyle = theme.card;
  context.fillRect(x - 2, middle - tall / 2, 4, tall);
  context.fillStyle = colour;
  context.fillRect(x - 1, middle - tall / 2, 2, tall);
}

const mean = (norms) => norms.reduce((sum, one) => sum + one, 0) / norms.length;

// The snapshots so far: one after every commit, as high as its mean norm.
function snapshots(context, y, width, height, { state, store, theme }) {
  const tall = Math.min(64, height - y - 18);
  const whole = store.stateAt(store.count - 1).memory.rounds.filter(({ norms }) => norms);
  if (tall < 10 || whole.length < 2) return;
  const most = Math.max(...whole.map(({ norms }) => mean(norms)), 1e-6), wide = width / Math.max(16, whole.length);
  const done = state.memory.rounds.length;
  whole.forEach(({ norms }, i) => {
    const high = Math.max(1, (mean(norms) / most) * tall);
    context.fillStyle = i === done - 1 ? theme.kept : i < done ? theme.accentSoft : theme.well;
    context.fillRect(i * wide, y + tall - high, Math.max(1, wide - 1), high);
  });
  text(context, "a snapshot a commit, by mean norm", 0, y + tall + 10, theme.muted, font(theme, 11));
}

// Of the whole run, so that bars can be compared while scrubbing.
function mostNorm(store, layers) {
  let most = 1e-6;
  for (const { norms } of store.stateAt(store.count - 1).memory.rounds) {
    for (let layer = 0; norms && layer < layers; layer += 1) most = Math.max(most, norms[layer]);
  }
  return 1.12 * most;
}

function text(context, words, x, y, colour, letters, align = "left") {
  context.font = letters;
  context.fillStyle = colour;
  context.textAlign = align;
  context.fillText(words, x, y);
}
