// What each node of the tree sees: its ancestors and itself, beside the plain causal mask, which is right for a chain.

import { hatch, roundedBox } from "../surface.js";
import { font } from "../theme.js";
import { ACCEPTED, pathTo } from "./fold.js";

const GAP = 18, CAPTION = 20, STATE = 9, MOST_CELL = 20; // between the two, below them, the committed state, a node

// Where the two masks stand.
export function masksLayout(width, height) {
  const size = Math.max(10, Math.min((width - GAP) / 2 - STATE, height - CAPTION));
  const spare = Math.max(0, (width - GAP) / 2 - STATE - size) / 2;
  const lefts = [spare, width / 2 + GAP / 2 + spare];
  return { size, lefts: lefts.map((left) => left + STATE), top: Math.max(0, (height - CAPTION - size) / 2) };
}

// How many cells the plain causal mask opens that are no ancestors.
export function wrongCells(tree) {
  return tree.depths.reduce((sum, depth, node) => sum + node - depth, 0);
}

export function drawMasks(context, width, height, view) {
  const { state, theme } = view, layout = masksLayout(width, height);
  const tree = state.tree;
  layout.lefts.forEach((left, which) => {
    context.fillStyle = theme.well;
    roundedBox(context, left, layout.top, layout.size, layout.size, 3);
    context.fill();
    if (tree) drawMask(context, left, layout, tree, which === 1, view);
    caption(context, left, layout, which, tree, theme);
  });
}

function drawMask(context, left, { size, top }, tree, causal, view) {
  const { theme } = view, focus = view.focus || view.selection.token ? view.focus : null; // the root alone says little
  const count = tree.parents.length, cell = Math.min(MOST_CELL, size / count), gap = cell > 5 ? 1 : cell > 3 ? 0.5 : 0;
  context.fillStyle = theme.accentSoft; // every row sees the committed state
  roundedBox(context, left - STATE, top, STATE - 3, size, 2);
  context.fill();
  for (let row = 0; row < count; row += 1) {
    const path = new Set(pathTo(tree, row));
    for (let column = 0; column <= row; column += 1) {
      const right = path.has(column);
      if (!right && !causal) continue;
      const x = left + column * cell, y = top + row * cell, side = Math.max(0.6, cell - gap);
      context.globalAlpha = focus === null || focus === row ? 1 : 0.6;
      context.fillStyle = right ? (tree.status[row] === ACCEPTED || row === focus ? theme.kept : theme.accentSoft) : theme.corrected;
      if (right || cell < 5) context.fillRect(x, y, side, side);
      else hatch(context, x, y, side, side, theme.corrected, Math.max(3, cell / 3), 1.3);
    }
  }
  context.globalAlpha = 1;
  if (focus !== null) {
    context.strokeStyle = theme.ink;
    context.lineWidth = 1.4;
    context.strokeRect(left - STATE - 0.5, top + focus * cell - 1, STATE + (focus + 1) * cell + 1, Math.max(3, cell) + 1);
  }
}

function caption(context, left, { size, top }, which, tree, theme) {
  context.font = font(theme, 11);
  context.textAlign = "left";
  context.textBaseline = "top";
  context.fillStyle = which ? theme.correctedText : theme.muted;
  const wrong = tree ? wrongCells(tree) : 0;
  const text = which ? (wrong ? "plain causal, " + wrong + " wrong" : "plain causal") : "own ancestors";
  context.fillText(text, left - STATE, top + size + 6);
}

// The node whose row is at a place, or null.
export function rowAt(x, y, width, height, tree) {
  const { size, lefts, top } = masksLayout(width, height);
  const cell = Math.min(MOST_CELL, size / tree.parents.length), row = Math.floor((y - top) / cell);
  const inside = lefts.some((left) => x >= left - STATE && x < left + size) && row >= 0 && row < tree.parents.length;
  return inside ? row : null;
}
