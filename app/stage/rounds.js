// The timeline: what the draft and the target computed, one after the other, as wide as it took; beneath it the target
// decoding alone with the same luck.

import { font } from "./theme.js";
import { label, roundedBox } from "./surface.js";

const GUTTER = 78; // the lanes' names

export function drawRounds(context, width, height, view) {
  const { store, clock, theme } = view;
  const lanes = lanesOf(height);
  names(context, lanes, theme);
  const scale = millisecondScale(view, width);
  const bars = store.count ? store.stateAt(store.count - 1).bars : [];
  for (const bar of bars) {
    const x = GUTTER + bar.begin * scale, long = Math.max(1.5, bar.milliseconds * scale - 1);
    const lane = lanes[bar.lane];
    context.globalAlpha = bar.index <= clock.cursor ? 1 : 0.3;
    context.fillStyle = bar.lane === "draft" ? theme.pending : theme.kept;
    roundedBox(context, x, lane.top, long, lane.tall, 3);
    context.fill();
    context.fillStyle = bar.lane === "draft" ? theme.ink : theme.onStrong;
    context.font = font(theme, 11, 600);
    context.textAlign = "center";
    if (bar.index <= clock.cursor) caption(context, bar, x + long / 2, lane.top + lane.tall / 2 + 0.5, long - 6);
  }
  context.globalAlpha = 1;
  alone(context, lanes.alone, scale, width, view);
  if (store.count) playhead(context, height, scale, bars, clock, theme);
}

// The event whose bar is at a place, or null.
export function barAt(x, y, width, height, view) {
  const { store } = view, lanes = lanesOf(height);
  const scale = millisecondScale(view, width);
  const bars = store.count ? store.stateAt(store.count - 1).bars : [];
  const hit = bars.find((bar) => {
    const left = GUTTER + bar.begin * scale, lane = lanes[bar.lane];
    return x >= left - 1 && x <= left + Math.max(3, bar.milliseconds * scale) && y >= lane.top
      && y <= lane.top + lane.tall;
  });
  return hit ? hit.index : null;
}

function lanesOf(height) {
  const tall = Math.min(18, (height - 8) / 3);
  const gap = (height - 3 * tall) / 2;
  return {
    draft: { top: 0, tall, name: "draft" },
    target: { top: tall + gap, tall, name: "target" },
    alone: { top: 2 * (tall + gap), tall, name: "target alone" },
  };
}

function names(context, lanes, theme) {
  context.font = font(theme, 11.5);
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillStyle = theme.muted;
  for (const lane of Object.values(lanes)) context.fillText(lane.name, 0, lane.top + lane.tall / 2 + 0.5);
}

// longest: what must have room at least, so that two runs have one measure; in milliseconds, if given.
function millisecondScale({ store, longest }, width) {
  const run = store.count ? store.stateAt(store.count - 1).elapsed : 0;
  const target = store.baseline ? store.baseline.milliseconds.reduce((sum, one) => sum + one, 0) : 0;
  return (width - GUTTER - 2) / Math.max(run, target, longest || 0, 1);
}

function caption(context, bar, x, y, room) {
  const fitting = (bar.captions || scaleCaptions(bar)).find((text) => context.measureText(text).width <= room);
  if (fitting) context.fillText(fitting, x, y);
}

// What may stand on a bar, the longest first.
function scaleCaptions(bar) {
  const scales = bar.stop - bar.start > 1 ? (bar.start + 1) + "–" + bar.stop : String(bar.stop);
  const word = bar.stop - bar.start > 1 ? "scales " : "scale ";
  return bar.lane === "target" ? ["call " + bar.number + " · " + word + scales, scales] : [scales];
}

function alone(context, lane, scale, width, { store, theme }) {
  context.textAlign = "center";
  if (!store.baseline) {
    context.strokeStyle = theme.line;
    context.lineWidth = 1;
    roundedBox(context, GUTTER + 0.5, lane.top + 0.5, width - GUTTER - 2, lane.tall - 1, 3);
    context.stroke();
    context.font = font(theme, 11);
    context.fillStyle = theme.muted;
    const why = store.header.opened ? "not in the trace file" : "measured when the run is finished, with the same luck";
    label(context, why, (GUTTER + width) / 2,
      lane.top + lane.tall / 2 + 0.5, width - GUTTER - 10);
    return;
  }
  let x = GUTTER;
  context.font = font(theme, 11, 600);
  store.baseline.milliseconds.forEach((milliseconds, index) => {
    const long = Math.max(1.5, milliseconds * scale - 1);
    context.fillStyle = theme.accentSoft;
    roundedBox(context, x, lane.top, long, lane.tall, 3);
    context.fill();
    context.fillStyle = theme.muted;
    label(context, String(index + 1), x + long / 2, lane.top + lane.tall / 2 + 0.5, long - 4);
    x += milliseconds * scale;
  });
}

function playhead(context, height, scale, bars, clock, theme) {
  const done = bars.filter((bar) => bar.index <= clock.cursor).pop();
  const x = GUTTER + (done ? (done.begin + done.milliseconds) * scale : 0);
  context.fillStyle = theme.ink;
  roundedBox(context, x - 0.75, 0, 1.5, height, 1);
  context.fill();
}
