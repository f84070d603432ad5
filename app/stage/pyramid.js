// The pyramid: a card for each scale, with the picture after that scale and its tokens as a map.

import { BONUS, CORRECTED, NONE } from "./fold.js";
import { cellColour } from "./heat.js";
import { hatch, roundedBox } from "./surface.js";
import { font } from "./theme.js";

const GAP = 9, PADDING = 8, TITLE = 21;

// Where everything stands: one entry a scale with its card, its picture and its map.
export function pyramidLayout(width, height, sides) {
  const columns = width >= 620 ? 5 : width >= 430 ? 3 : 2;
  const rows = Math.ceil(sides.length / columns);
  const wide = (width - GAP * (columns - 1)) / columns;
  const tall = (height - GAP * (rows - 1)) / rows;
  const side = Math.max(4, Math.min((wide - 3 * PADDING) / 2, tall - TITLE - PADDING - 6));
  const slack = Math.max(0, wide - 3 * PADDING - 2 * side);
  return sides.map((_, scale) => {
    const x = (scale % columns) * (wide + GAP), y = Math.floor(scale / columns) * (tall + GAP);
    const top = y + TITLE + 6 + Math.max(0, (tall - TITLE - 6 - PADDING - side) / 2);
    return {
      x, y, wide, tall, side, top,
      picture: x + PADDING + slack / 4,
      map: x + 2 * PADDING + side + (slack * 3) / 4,
    };
  });
}

export function tokenAt(x, y, layout, sides) {
  for (let scale = 0; scale < sides.length; scale += 1) {
    const { map, top, side } = layout[scale];
    if (x >= map && x < map + side && y >= top && y < top + side) {
      const cell = side / sides[scale];
      return { scale, index: Math.floor((y - top) / cell) * sides[scale] + Math.floor((x - map) / cell) };
    }
  }
  return null;
}

export function drawPyramid(context, width, height, view) {
  const sides = view.store.header.sides;
  const layout = pyramidLayout(width, height, sides);
  layout.forEach((card, scale) => drawCard(context, card, scale, view));
  const token = view.selection.token;
  if (token) outline(context, layout[token.scale], token, sides[token.scale], view.theme);
}

function drawCard(context, card, scale, view) {
  const { theme, state, store } = view;
  const record = state.scales[scale], side = store.header.sides[scale];
  const told = status(record, side, theme);
  const here = state.current === scale;
  roundedBox(context, card.x + 1, card.y + 1, card.wide - 2, card.tall - 2, 8);
  context.fillStyle = theme.card;
  context.fill();
  context.lineWidth = here ? 2 : 1;
  context.strokeStyle = here ? told.strong : theme.line;
  context.stroke();
  context.textBaseline = "middle";
  const line = card.y + PADDING + 7;
  context.textAlign = "left";
  context.font = font(theme, 12.5, 700);
  context.fillStyle = theme.ink;
  context.fillText(String(scale + 1), card.x + PADDING + 2, line);
  const after = context.measureText(String(scale + 1)).width + 7;
  context.font = font(theme, 11.5);
  context.fillStyle = theme.muted;
  context.fillText(side + "×" + side, card.x + PADDING + 2 + after, line);
  const used = context.measureText(side + "×" + side).width + after + 10;
  context.textAlign = "right";
  context.font = font(theme, 11.5, 600);
  context.fillStyle = told.colour;
  const fits = context.measureText(told.text).width <= card.wide - 2 * PADDING - used;
  context.fillText(fits ? told.text : told.short, card.x + card.wide - PADDING - 2, line);
  drawStanding(context, card, record, view);
  drawMap(context, card, record, side, view);
}

// How a card says what became of its scale; `short` where the card is narrow.
function status(record, side, theme) {
  const total = side * side;
  const say = (text, short, colour, strong) => ({ text, short, colour, strong });
  if (record.status === "pending") return say("guessed", "guess", theme.pendingText, theme.pending);
  if (record.status === "bonus") return say("bonus", "bonus", theme.bonusText, theme.bonus);
  if (record.status === "unverified") return say("unverified", "unverified", theme.pendingText, theme.pending);
  if (record.status === "thrown") return say("thrown away", "thrown", theme.muted, theme.thrown);
  if (record.status === "judged") {
    const whole = record.kept === total;
    return say(record.kept + " of " + total + " kept", record.kept + "/" + total,
      whole ? theme.accent : theme.correctedText, whole ? theme.kept : theme.corrected);
  }
  return say("to come", "", theme.muted, theme.line);
}

function drawStanding(context, card, record, { theme, store }) {
  const image = store.picture(record.picture);
  context.save();
  roundedBox(context, card.picture, card.top, card.side, card.side, 4);
  context.clip();
  context.fillStyle = theme.well;
  context.fillRect(card.picture, card.top, card.side, card.side);
  if (image) {
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(image, card.picture, card.top, card.side, card.side);
    if (record.status === "thrown") fade(context, card, theme);
  }
  context.restore();
}

// A guess that was thrown away loses its colours.
function fade(context, card, theme) {
  context.globalCompositeOperation = "saturation";
  context.fillStyle = "#808080";
  context.fillRect(card.picture, card.top, card.side, card.side);
  context.globalCompositeOperation = "source-over";
  context.globalAlpha = 0.45;
  context.fillStyle = theme.card;
  context.fillRect(card.picture, card.top, card.side, card.side);
  context.globalAlpha = 1;
}

// card: { map, top, side }: where the map stands.
export function drawMap(context, card, record, side, view) {
  const { theme, settings } = view;
  const cell = card.side / side;
  const gap = cell > 9 ? 1.5 : cell > 4 ? 0.75 : 0.4;
  const verdicts = settings.heat === "verdict";
  for (let index = 0; index < side * side; index += 1) {
    const x = card.map + (index % side) * cell, y = card.top + Math.floor(index / side) * cell;
    const verdict = record.verdicts ? record.verdicts[index] : NONE;
    context.fillStyle = cellColour(record, index, verdict, view);
    context.fillRect(x + gap / 2, y + gap / 2, cell - gap, cell - gap);
    if (verdicts && verdict === BONUS && cell > 7) {
      context.strokeStyle = theme.bonus;
      context.lineWidth = cell > 9 ? 1.5 : 1;
      context.strokeRect(x + gap / 2 + 0.5, y + gap / 2 + 0.5, cell - gap - 1, cell - gap - 1);
    }
    if (verdicts && verdict === CORRECTED) {
      hatch(context, x + gap / 2, y + gap / 2, cell - gap, cell - gap, theme.card, Math.max(4, cell / 3),
        cell > 9 ? 1.6 : 1);
    }
  }
  if (verdicts && record.status === "bonus" && cell <= 7) {
    context.strokeStyle = theme.bonus;
    context.lineWidth = 1.5;
    context.strokeRect(card.map - 1, card.top - 1, card.side + 2, card.side + 2);
  }
}

function outline(context, card, { index }, side, theme) {
  const cell = card.side / side;
  const x = card.map + (index % side) * cell, y = card.top + Math.floor(index / side) * cell;
  context.lineWidth = 3.5;
  context.strokeStyle = theme.card;
  context.strokeRect(x - 1, y - 1, cell + 2, cell + 2);
  context.lineWidth = 2;
  context.strokeStyle = theme.ink;
  context.strokeRect(x - 1, y - 1, cell + 2, cell + 2);
  // The same place in the picture after that scale.
  const wide = card.side / side, px = card.picture + (index % side) * wide;
  context.strokeRect(px, y, wide, cell);
}
