// The large picture: what is committed so far, the draft's guess, or how far the committed one is from the exact one.

import { font } from "./theme.js";
import { roundedBox } from "./surface.js";

const RADIUS = 8;

export function drawPicture(context, width, height, view) {
  const { store, theme, state, settings } = view;
  const side = Math.min(width, height);
  const left = (width - side) / 2, top = (height - side) / 2;
  const image = settings.picture === "difference" ? store.difference(settledScale(state))
    : store.picture(shownPicture(state, settings));
  context.save();
  roundedBox(context, left, top, side, side, RADIUS);
  context.clip();
  context.fillStyle = theme.well;
  context.fillRect(left, top, side, side);
  if (image) {
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(image, left, top, side, side);
    if (settings.picture === "difference") caption(context, left, top + side, "×" + store.baseline.gain + " · black is equal", theme);
  } else {
    blank(context, left, top, side, view);
  }
  context.restore();
}

// The event whose picture is shown.
export function shownPicture(state, settings) {
  if (settings.picture === "guess") return state.guessPicture;
  return state.committedPicture;
}

// What the eye cannot know, on the picture's lower edge.
function caption(context, left, bottom, text, theme) {
  context.font = font(theme, 11.5, 500);
  context.textAlign = "left";
  context.textBaseline = "middle";
  const wide = context.measureText(text).width + 16;
  context.fillStyle = theme.card;
  roundedBox(context, left + 8, bottom - 30, wide, 22, 11);
  context.fill();
  context.fillStyle = theme.ink;
  context.fillText(text, left + 16, bottom - 18.5);
}

// The last scale that has its tokens, or null.
export function settledScale(state) {
  const settled = state.scales.filter((record) => ["judged", "bonus", "unverified"].includes(record.status)).length;
  return settled ? settled - 1 : null;
}

// Why there is no picture to show.
export function blankText(state, settings, store) {
  const { baseline, pictures, header } = store;
  if (state.index < 0) return "The picture appears here";
  if (settings.picture === "difference") {
    if (!baseline) return header && header.opened ? "Not in a trace file" : "Known after the run";
    if (!baseline.differences.length) return "No difference: all tokens equal";
  } else {
    const picture = shownPicture(state, settings);
    if (pictures && picture !== null && !pictures.has(picture)) return missingText(store, picture);
  }
  if (settings.picture === "guess") return "Nothing is guessed yet";
  return "Nothing is committed yet";
}

function missingText(store, picture) {
  if (!store.unpainted(picture)) return "This picture is not in the file";
  if (store.frames[picture].refused) return "This picture cannot be painted now";
  return store.busy ? "Painted when the models rest" : "Being painted …";
}

// Before the first picture: the finest grid, empty.
function blank(context, left, top, side, { store, theme, state, settings }) {
  const cells = store.header.sides[store.header.sides.length - 1];
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  context.beginPath();
  for (let i = 1; i < cells; i += 1) {
    const at = Math.round((i * side) / cells) + 0.5;
    context.moveTo(left + at, top);
    context.lineTo(left + at, top + side);
    context.moveTo(left, top + at);
    context.lineTo(left + side, top + at);
  }
  context.stroke();
  const text = blankText(state, settings, store);
  context.font = font(theme, 13.5, 500);
  context.textAlign = "center";
  context.textBaseline = "middle";
  const wide = context.measureText(text).width + 24;
  context.fillStyle = theme.card;
  roundedBox(context, left + (side - wide) / 2, top + side / 2 - 15, wide, 30, 15);
  context.fill();
  context.fillStyle = theme.muted;
  context.fillText(text, left + side / 2, top + side / 2 + 0.5);
}
