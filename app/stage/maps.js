// The token maps of one of two runs: coarse scales in the first row, the fine ones large in the second. A token that is
// another in the other run has a dark dot.

import { drawMap } from "./pyramid.js";
import { font } from "./theme.js";

const GAP = 10, TITLE = 19;
const FINE = 3; // scales in the second row
const COARSE_SHARE = 0.34; // of the height, at most

// Where each scale's map stands: { map, top, side } as drawMap wants it.
export function mapsLayout(width, height, sides) {
  const fine = Math.min(FINE, Math.max(1, sides.length - 1)), coarse = sides.length - fine;
  const room = height - 2 * TITLE - GAP;
  const small = Math.max(6, Math.min(width / Math.max(coarse, 1) - GAP, room * COARSE_SHARE));
  const large = Math.max(12, Math.min(width / fine - GAP, room - small));
  return sides.map((_, scale) => {
    const below = scale >= coarse, column = below ? scale - coarse : scale;
    return {
      map: column * (width / (below ? fine : coarse)),
      top: TITLE + (below ? small + GAP + TITLE : 0),
      side: below ? large : small,
      room: width / (below ? fine : coarse) - GAP,
    };
  });
}

// differ: see differences.js, or null.
export function drawMaps(context, width, height, view, differ) {
  const sides = view.store.header.sides, layout = mapsLayout(width, height, sides);
  layout.forEach((place, scale) => {
    title(context, place, scale, view, differ ? differ.counts[scale] : 0);
    drawMap(context, place, view.state.scales[scale], sides[scale], view);
    if (differ && differ.scales[scale]) dots(context, place, sides[scale], differ.scales[scale], view.theme);
  });
  const token = view.selection.token;
  if (token) outline(context, layout[token.scale], token.index, sides[token.scale], view.theme);
}

function title(context, { map, top, side, room }, scale, { theme, state, store }, differing) {
  const line = top - 9, wide = Math.max(side, room * 0.6);
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.font = font(theme, 12, 700);
  context.fillStyle = state.current === scale ? theme.accent : theme.ink;
  context.fillText(String(scale + 1), map, line);
  const used = context.measureText(String(scale + 1)).width + 7;
  const record = state.scales[scale], total = store.header.sides[scale] ** 2;
  const kept = record.status === "judged" ? record.kept + "/" + total : record.status === "empty" ? "" : record.status;
  const told = differing ? "≠ " + differing : "";
  context.font = font(theme, 11.5, 700);
  const after = told ? context.measureText(told).width + 8 : 0;
  context.fillText(told, map + used, line);
  context.font = font(theme, 11);
  context.fillStyle = theme.muted;
  if (used + after + context.measureText(kept).width <= wide) context.fillText(kept, map + used + after, line);
}

// A dark dot with a light rim, so that it stands out from every colour of a map.
function dots(context, { map, top, side }, count, marks, theme) {
  const cell = side / count, radius = Math.max(1.2, Math.min(4, cell * 0.26));
  marks.forEach((mark, index) => {
    if (!mark) return;
    const x = map + ((index % count) + 0.5) * cell, y = top + (Math.floor(index / count) + 0.5) * cell;
    context.beginPath();
    context.arc(x, y, radius + Math.min(1.4, radius * 0.6), 0, 2 * Math.PI);
    context.fillStyle = theme.card;
    context.fill();
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fillStyle = theme.ink;
    context.fill();
  });
}

function outline(context, { map, top, side }, index, count, theme) {
  const cell = side / count, x = map + (index % count) * cell, y = top + Math.floor(index / count) * cell;
  context.lineWidth = 3.5;
  context.strokeStyle = theme.card;
  context.strokeRect(x - 1, y - 1, cell + 2, cell + 2);
  context.lineWidth = 2;
  context.strokeStyle = theme.ink;
  context.strokeRect(x - 1, y - 1, cell + 2, cell + 2);
}

export function mapTokenAt(x, y, width, height, sides) {
  const layout = mapsLayout(width, height, sides);
  const scale = layout.findIndex(({ map, top, side }) => x >= map && x < map + side && y >= top && y < top + side);
  if (scale < 0) return null;
  const { map, top, side } = layout[scale], cell = side / sides[scale];
  return { scale, index: Math.floor((y - top) / cell) * sides[scale] + Math.floor((x - map) / cell) };
}
