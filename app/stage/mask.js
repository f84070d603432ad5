// The attention mask as blocks of scales: rows look at columns. Blocks are as wide as their scale's side.

import { font } from "./theme.js";
import { hatch, roundedBox } from "./surface.js";

export function maskLayout(width, height, sides) {
  const size = Math.min(width, height);
  const whole = sides.reduce((sum, side) => sum + side, 0);
  const edges = [0];
  for (const side of sides) edges.push(edges[edges.length - 1] + (side / whole) * size);
  return { size, left: (width - size) / 2, top: 0, edges };
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
  names(context, left, top, edges, view);
  if (state.reading) legend(context, left + size, top, state.reading, theme);
  if (selection.token) tokenRow(context, left, top, edges, selection.token, sides, theme);
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

function names(context, left, top, edges, { store, state, theme }) {
  context.textAlign = "center";
  context.textBaseline = "middle";
  store.header.sides.forEach((_, scale) => {
    const tall = edges[scale + 1] - edges[scale];
    if (tall < 9) return;
    const strong = isLit(scale, state.reading) && state.reading.model === "target";
    context.font = font(theme, Math.min(11, tall - 1), 600);
    context.fillStyle = strong ? theme.onStrong : theme.muted;
    const middle = (edges[scale] + edges[scale + 1]) / 2;
    context.fillText(String(scale + 1), left + middle, top + middle + 0.5);
  });
}

// In the empty corner: what the two colours mean.
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

// The chosen token's row: everything it may look at, to the end of its own scale.
function tokenRow(context, left, top, edges, { scale, index }, sides, theme) {
  const share = (index + 0.5) / (sides[scale] * sides[scale]);
  const y = top + edges[scale] + share * (edges[scale + 1] - edges[scale]);
  context.fillStyle = theme.card;
  context.fillRect(left, y - 2, edges[scale + 1], 4);
  context.fillStyle = theme.corrected;
  context.fillRect(left, y - 1, edges[scale + 1], 2);
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

// Both caches, a bar each: what is held, what this forward added, what it caught up, what rolled back.
export function drawCaches(context, width, height, view) {
  const { state, theme, store } = view;
  const tall = Math.min(13, (height - 26) / 2);
  const rows = [["draft cache", state.draftCache, theme.pending], ["target cache", state.targetCache, theme.kept]];
  rows.forEach(([name, cache, colour], index) => {
    const top = index * (height / 2);
    context.font = font(theme, 11);
    context.textBaseline = "top";
    context.textAlign = "left";
    context.fillStyle = theme.muted;
    context.fillText(name, 0, top);
    context.textAlign = "right";
    context.fillText(told(cache, store.header.sides.length), width, top);
    cacheBar(context, top + 15, width, tall, cache, colour, view);
  });
}

function told(cache, scales) {
  if (cache.dropped) return "−" + (cache.dropped[1] - cache.dropped[0]) + " → " + cache.held + " of " + scales;
  if (cache.catchUp) return "caught up, " + cache.held + " of " + scales;
  return cache.held + " of " + scales;
}

function cacheBar(context, top, width, tall, cache, colour, { store, theme }) {
  const { edges } = maskLayout(width, width, store.header.sides);
  const inside = (scale, range) => range !== null && scale >= range[0] && scale < range[1];
  store.header.sides.forEach((_, scale) => {
    const x = edges[scale], wide = Math.max(1, edges[scale + 1] - edges[scale] - 1);
    context.fillStyle = scale < cache.held ? colour : theme.well;
    context.globalAlpha = scale < cache.held && cache.read && !inside(scale, cache.read) ? 0.55 : 1;
    roundedBox(context, x, top, wide, tall, 2);
    context.fill();
    context.globalAlpha = 1;
    if (inside(scale, cache.dropped)) hatch(context, x, top, wide, tall, theme.corrected, 4, 1.4);
    if (inside(scale, cache.catchUp)) hatch(context, x, top, wide, tall, theme.card, 4, 1);
  });
}
