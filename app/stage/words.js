// The canvases in words, for those who do not see them.

import { MASKS } from "./masks.js";
import { blankText, settledScale } from "./picture.js";
import { write } from "./readout.js";

export function describeViews(part, { state, store, settings }) {
  name(part("picture"), pictureWords({ state, store, settings }));
  name(part("pyramid"), "Pyramid. " + state.scales.map((record, scale) => scaleWords(record, scale, store)).join(" ")
    + " Arrow keys choose a token.");
  const kind = MASKS[settings.mask];
  name(part("mask"), maskWords(state) + " Shown: " + kind.name + ". " + kind.said);
  part("mask-said").hidden = !kind.wrong;
  write(part("mask-said"), kind.said);
  name(part("caches"), "Draft cache: " + state.draftCache.held + " scales. Target cache: " + state.targetCache.held
    + " scales.");
  name(part("rounds"), state.bars.length + " forwards so far, " + state.call + " of them by the target.");
  write(part("mask-title"), maskTitle(state));
}

export function pictureWords({ state, store, settings }) {
  if (settings.picture === "difference") return differenceWords(state, settings, store);
  return state.committedPicture === null ? "The picture: nothing is committed yet."
    : "The picture after " + committed(state) + " of " + store.header.sides.length + " scales, world "
      + store.header.label + ".";
}

function differenceWords(state, settings, store) {
  if (!store.difference(settledScale(state))) return blankText(state, settings, store) + ".";
  return "Difference to the target's own picture after " + committed(state) + " of " + store.header.sides.length
    + " scales, " + store.baseline.gain + " times too bright; black is equal.";
}

function name(canvas, text) {
  if (canvas.getAttribute("aria-label") !== text) canvas.setAttribute("aria-label", text);
}

function committed(state) {
  return state.scales.filter((record) => ["judged", "bonus", "unverified"].includes(record.status)).length;
}

function scaleWords(record, scale, { header }) {
  const total = header.sides[scale] ** 2;
  const told = { empty: "to come", pending: "guessed", judged: record.kept + " of " + total + " tokens kept",
    bonus: "drawn by the target", unverified: "unverified", thrown: "thrown away" };
  return "Scale " + (scale + 1) + ": " + told[record.status] + ".";
}

function maskTitle({ reading, call }) {
  if (!reading) return "Attention";
  return reading.model === "draft" ? "Attention of the draft" : "Attention of call " + call;
}

function maskWords({ reading }) {
  if (!reading) return "Attention mask: every scale looks at itself and at coarser scales.";
  const from = reading.start + 1, to = reading.stop;
  const rows = from === to ? "scale " + from : "scales " + from + " to " + to;
  return "Attention mask: the " + reading.model + " computes " + rows + "; "
    + (reading.start ? "coarser scales come from its cache." : "nothing comes from its cache.");
}
