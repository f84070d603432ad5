// What the target remembers: the committed state's norm in every layer, before and after, and what was rolled back.

import { number } from "../readout.js";
import { hatch, label, roundedBox } from "../surface.js";
import { font } from "../theme.js";

const LINE = 17, NAME = 50, VALUE = 42;

export function drawMemory(context, width, height, view) {
  const { state, theme } = view, { memory, tree } = state;
  context.textBaseline = "middle";
  const words = heldWords(memory);
  text(context, words.held, 0, 7, theme.ink, font(theme, 12.5, 600));
  text(context, words.alive, width, 7, theme.muted, font(theme, 11), "right");
  let y = 22;
  y = rolledBack(context, y, width, state, theme);
  const layers = memory.norms ? memory.norms.length : 0;
  if (!layers) {
    context.font = font(theme, 11);
    context.fillStyle = theme.muted;
    context.textAlign = "left";
    if (state.kind) label(context, view.store.header.opened ? "Norms are not in a trace file." : "No norms are known.", 0, y + 8, width);
    return;
  }
  const most = mostNorm(view.store, layers), fit = Math.min(LINE, Math.max(9, (height - y - 44) / layers));
  for (let layer = 0; layer < layers; layer += 1) {
    layerLine(context, y + layer * fit, fit, width, layer, most, view);
  }
  history(context, y + layers * fit + 8, width, height, view, tree);
}

export function heldWords({ held, before, alive }) {
  const change = before !== null && before !== held ? before + " → " + held : String(held);
  return { held: "holds " + change + (held === 1 ? " byte" : " bytes"), alive: alive === 1 ? "1 state alive" : alive + " states alive" };
}

// One small box a node that was read: kept on the path, or hatched where its effect was dropped.
function rolledBack(context, y, width, { tree, memory, kind }, theme) {
  const count = tree ? tree.parents.length - 1 : 0;
  const done = kind === "tree_commit" || kind === "violation";
  const kept = done && tree && tree.path ? tree.path.length : 0;
  context.textAlign = "left";
  if (!count) return y + 2;
  const wide = Math.min(14, width / count);
  for (let i = 0; i < count; i += 1) {
    const x = i * wide, box = Math.max(1, wide - 1.5);
    context.fillStyle = done && i < kept ? theme.kept : theme.thrown;
    roundedBox(context, x, y, box, 10, 2);
    context.fill();
    if (done && i >= kept) hatch(context, x, y, box, 10, theme.corrected, 4, 1.2);
  }
  const told = done ? kept + " on the path, " + memory.dropped + " rolled back" : count + " nodes wait for the walk";
  text(context, told, 0, y + 21, theme.muted, font(theme, 11));
  return y + 34;
}

function layerLine(context, y, tall, width, layer, most, { state, theme, focus }) {
  const { norms, earlier } = state.memory, room = width - NAME - VALUE, middle = y + tall / 2;
  text(context, "layer " + (layer + 1), 0, middle, theme.muted, font(theme, 11));
  const bar = Math.min(9, tall - 4);
  context.fillStyle = theme.well;
  roundedBox(context, NAME, middle - bar / 2, room, bar, 2);
  context.fill();
  context.fillStyle = theme.kept;
  roundedBox(context, NAME, middle - bar / 2, Math.max(1, (norms[layer] / most) * room), bar, 2);
  context.fill();
  if (earlier) mark(context, NAME + (earlier[layer] / most) * room, middle, bar, theme.bonus, theme);
  const node = state.tree && state.tree.norms && focus !== null ? state.tree.norms[focus] : null;
  if (node) mark(context, NAME + (node[layer] / most) * room, middle, bar + 4, theme.ink, theme);
  text(context, number(node ? node[layer] : norms[layer]), width, middle, node ? theme.ink : theme.muted,
    font(theme, 11, node ? 600 : 400), "right");
}

function mark(context, x, middle, tall, colour, theme) {
  context.fillStyle = theme.card;
  context.fillRect(x - 2, middle - tall / 2, 4, tall);
  context.fillStyle = colour;
  context.fillRect(x - 1, middle - tall / 2, 2, tall);
}

// The snapshots so far: one after every commit, as high as the mean norm.
function history(context, y, width, height, { state, store, theme }) {
  const tall = Math.min(34, height - y - 14), rounds = state.memory.rounds.filter(({ norms }) => norms);
  if (tall < 10 || rounds.length < 2) return;
  const mean = (norms) => norms.reduce((sum, one) => sum + one, 0) / norms.length;
  const whole = store.stateAt(store.count - 1).memory.rounds, most = Math.max(...whole.map(({ norms }) => mean(norms)), 1e-6);
  const wide = width / Math.max(12, whole.length);
  rounds.forEach(({ norms }, i) => {
    const high = Math.max(1, (mean(norms) / most) * tall);
    context.fillStyle = i === rounds.length - 1 ? theme.kept : theme.accentSoft;
    context.fillRect(i * wide, y + tall - high, Math.max(1, wide - 1), high);
  });
  text(context, "a snapshot a round, by its mean norm", 0, y + tall + 9, theme.muted, font(theme, 11));
}

// Of the whole run, so that bars can be compared while scrubbing.
function mostNorm(store, layers) {
  let most = 1e-6;
  for (const { norms } of store.stateAt(store.count - 1).memory.rounds) {
    for (let layer = 0; norms && layer < layers; layer += 1) most = Math.max(most, norms[layer]);
  }
  return 1.15 * most;
}

function text(context, words, x, y, colour, letters, align = "left") {
  context.font = letters;
  context.fillStyle = colour;
  context.textAlign = align;
  context.fillText(words, x, y);
}
