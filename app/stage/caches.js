// Both caches as bars of scales.

import { maskLayout } from "./mask.js";
import { hatch, roundedBox } from "./surface.js";
import { font } from "./theme.js";

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
