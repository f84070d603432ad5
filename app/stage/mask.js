// The attention mask as blocks of scales: rows look at columns. Blocks are as wide as their scale's side.

import { MASKS, offsetsOf, placeOf, spanOf } from "./masks.js";
import { font } from "./theme.js";
import { hatch, roundedBox } from "./surface.js";

const LEGEND = 66;

// The mask stands in the middle, or at the left where only so the legend has room beside it.
export function maskLayout(width, height, sides) {
  const size = Math.min(width, height);
  const whole = sides.reduce((sum, side) => sum + side, 0);
  const edges = [0];
  for (const side of sides) edges.push(edges[edges.length - 1] + (side / whole) * size);
  const spare = width - size;
  return { size, left: spare >= LEGEND && spare < 2 * LEGEND ? 0 : spare / 2, top: 0, edges };
}

export function drawMask(context, width, height, view) {
  const { store, state, theme, selection } = view;
  const sides = store.header.sides;
  const { size, left, top, edges } = maskLayout(width, height, sides);
  context.fillStyle = theme.well;
  roundedBox(context, left, top, size, size, 5);
  context.fill();
  for (let row = 0; row < sides.length; row += 1) {
    for (let column = 0; column <= row; column += 1) {
      const x = left + edges[column], y = top + edges[row];
      const wide = edges[column + 1] - edges[column], tall = edges[row + 1] - edges[row];
      context.fillStyle = blockColour(row, column, state.reading, theme);
      context.fillRect(x + 0.4, y + 0.4, Math.max(0.5, wide - 0.8), Math.max(0.5, tall - 0.8));
    }
  }
  if (view.settings.mask === "query") leaks(context, left, top, edges, view);
  else if (view.settings.mask !== "block") missing(context, left, top, edges, view);
  names(context, left, top, edges, view);
  if (state.reading) legend(context, left + size + (width - left - size >= LEGEND ? LEGEND : 0), top, state.reading, theme);
  if (selection.token) tokenRow(context, left, top, edges, view);
}

function isLit(row, reading) {
  return reading !== null && row >= reading.start && row < reading.stop;
}

function blockColour(row, column, reading, theme) {
  if (!isLit(row, reading)) return reading && row < reading.start ? theme.thrown : theme.line;
  const draft = reading.model === "draft";
  if (column < reading.start) return draft ? theme.faint : theme.accentSoft;
  return draft ? theme.pending : theme.kept;
}

function names(context, left, top, edges, { store, state, settings, theme }) {
  context.textAlign = "center";
  context.textBaseline = "middle";
  store.header.sides.forEach((_, scale) => {
    const tall = edges[scale + 1] - edges[scale];
    if (tall < 9) return;
    const strong = isLit(scale, state.reading) && state.reading.model === "target";
    context.font = font(theme, Math.min(11, tall - 1), 600);
    context.fillStyle = strong ? theme.onStrong : theme.muted;
    const middle = (edges[scale] + edges[scale + 1]) / 2;
    if (MASKS[settings.mask].wrong && strong) { // readable on hatching too
      context.strokeStyle = theme.card;
      context.lineWidth = 3;
      context.strokeText(String(scale + 1), left + middle, top + middle + 0.5);
      context.fillStyle = theme.ink;
    }
    context.fillText(String(scale + 1), left + middle, top + middle + 0.5);
  });
}

// Beside the mask, or in its empty corner: what the two colours mean.
function legend(context, right, top, { model, start }, theme) {
  const draft = model === "draft";
  const lines = [[draft ? theme.pending : theme.kept, "now"], [draft ? theme.faint : theme.accentSoft, "cached"]];
  context.font = font(theme, 11);
  context.textAlign = "right";
  context.textBaseline = "middle";
  lines.slice(0, start ? 2 : 1).forEach(([colour, text], index) => {
    const y = top + 13 + 16 * index;
    context.fillStyle = theme.muted;
    context.fillText(text, right - 22, y + 0.5);
    context.fillStyle = colour;
    roundedBox(context, right - 17, y - 5, 10, 10, 2);
    context.fill();
  });
}

// What a wrong mask hides, hatched: line by line, for it may differ within a block.
function missing(context, left, top, edges, { store, state, settings, theme }) {
  const offsets = offsetsOf(store.header.sides);
  for (let scale = 0; scale + 1 < edges.length; scale += 1) {
    if (state.reading && !isLit(scale, state.reading)) continue;
    const tall = edges[scale + 1] - edges[scale], lines = Math.max(1, Math.round(tall));
    for (let line = 0; line < lines; line += 1) {
      const position = offsets[scale] + Math.floor(((line + 0.5) / lines) * (offsets[scale + 1] - offsets[scale]));
      const [first, stop] = spanOf(settings.mask, position, offsets, state.reading);
      const y = top + edges[scale] + (line / lines) * tall;
      hide(context, left, left + placeOf(first, offsets, edges), y, tall / lines, theme);
      hide(context, left + placeOf(stop, offsets, edges), left + edges[scale + 1], y, tall / lines, theme);
    }
  }
}

// One line of what is hidden; the hatching runs on from line to line.
function hide(context, from, to, y, tall, theme) {
  if (to - from < 0.3) return;
  context.fillStyle = theme.well;
  context.fillRect(from, y, to - from, tall + 0.3);
  context.fillStyle = theme.corrected;
  for (let x = from - ((from + y) % 5); x < to; x += 5) {
    const begin = Math.max(x, from), wide = Math.min(x + 1.6, to) - begin;
    if (wide > 0) context.fillRect(begin, y, wide, tall + 0.3);
  }
}

// Rows that are told their own answer: their own scale, hatched.
function leaks(context, left, top, edges, { state, theme }) {
  for (let scale = 0; scale + 1 < edges.length; scale += 1) {
    if (state.reading && !isLit(scale, state.reading)) continue;
    const tall = edges[scale + 1] - edges[scale];
    hatch(context, left + edges[scale], top + edges[scale], tall, tall, theme.corrected, 5, 2);
  }
}

// The chosen token's row: everything that it may look at.
function tokenRow(context, left, top, edges, { store, state, settings, selection, theme }) {
  const { scale, index } = selection.token, sides = store.header.sides, offsets = offsetsOf(sides);
  const span = spanOf(settings.mask, offsets[scale] + index, offsets, state.reading);
  const [from, to] = span.map((position) => placeOf(position, offsets, edges));
  const share = (index + 0.5) / (sides[scale] * sides[scale]);
  const y = top + edges[scale] + share * (edges[scale + 1] - edges[scale]);
  context.fillStyle = theme.card;
  context.fillRect(left + from, y - 2.5, to - from, 5);
  context.fillStyle = theme.ink;
  context.fillRect(left + from, y - 1, to - from, 2);
  context.beginPath();
  context.arc(left + edges[scale] + share * (edges[scale + 1] - edges[scale]), y, 3, 0, 2 * Math.PI);
  context.fill();
}

// The token whose row is at a place, or null.
export function maskTokenAt(x, y, width, height, sides) {
  const { size, left, top, edges } = maskLayout(width, height, sides);
  const across = x - left, down = y - top;
  if (across < 0 || across > size || down < 0 || down >= size) return null;
  const scale = edges.findIndex((edge, i) => i < sides.length && down >= edge && down < edges[i + 1]);
  if (scale < 0 || across > edges[scale + 1]) return null;
  const share = (down - edges[scale]) / (edges[scale + 1] - edges[scale]);
  return { scale, index: Math.min(sides[scale] ** 2 - 1, Math.floor(share * sides[scale] ** 2)) };
}
