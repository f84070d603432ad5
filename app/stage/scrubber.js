// The slider over all events: one tick an event, coloured by kind, and the cursor.

import { roundedBox } from "./surface.js";

const EDGE = 9; // half the knob, so that it is never cut

export function eventAt(x, width, count) {
  if (count < 2) return 0;
  return Math.min(count - 1, Math.max(0, Math.round(((x - EDGE) / (width - 2 * EDGE)) * (count - 1))));
}

// One run's ticks stand on the line; of two runs the left one's stand above it and the right one's hang below.
// tick(frame, index, store, theme): { colour, tall, pointed } of an event.
export function drawScrubber(context, width, height, { stores, count, fork, clock, theme }, tick = scaleTick) {
  const middle = height / 2;
  context.fillStyle = theme.line;
  roundedBox(context, EDGE, middle - 1.5, width - 2 * EDGE, 3, 1.5);
  context.fill();
  if (!count) return;
  const place = (index) => EDGE + (count < 2 ? 0 : (index / (count - 1)) * (width - 2 * EDGE));
  const thick = Math.max(2, Math.min(7, (width - 2 * EDGE) / count - 2));
  stores.forEach((store, row) => store.frames.forEach((frame, index) => {
    const { colour, tall, pointed } = tick(frame, index, store, theme);
    const length = height * tall * (stores.length > 1 ? 0.58 : 1);
    const top = stores.length === 1 ? middle - length / 2 : row ? middle + 2 : middle - 2 - length;
    context.globalAlpha = index <= clock.cursor ? 1 : 0.45;
    context.fillStyle = colour;
    if (pointed) triangle(context, place(index), top + length / 2, Math.min(length, thick + 5));
    else roundedBox(context, place(index) - thick / 2, top, thick, length, 2);
    context.fill();
  }));
  context.globalAlpha = 1;
  if (fork >= 0) forkMark(context, place(fork) - (count < 2 ? 0 : (width - 2 * EDGE) / (count - 1) / 2), height, theme);
  const x = place(clock.cursor);
  context.fillStyle = theme.ink;
  roundedBox(context, x - 1, 1, 2, height - 2, 1);
  context.fill();
  context.beginPath();
  context.arc(x, middle, 6.5, 0, 2 * Math.PI);
  context.fill();
  context.strokeStyle = theme.card;
  context.lineWidth = 2;
  context.stroke();
}

// Where the two runs part: a dashed line between two events, with a small diamond.
function forkMark(context, x, height, theme) {
  context.strokeStyle = context.fillStyle = theme.accent;
  context.lineWidth = 1.5;
  context.setLineDash([3, 2]);
  context.beginPath();
  context.moveTo(x, 0);
  context.lineTo(x, height);
  context.stroke();
  context.setLineDash([]);
  context.beginPath();
  context.moveTo(x, 0);
  context.lineTo(x + 4, 4);
  context.lineTo(x, 8);
  context.lineTo(x - 4, 4);
  context.closePath();
  context.fill();
}

// A warning sign, so that shape tells as well as colour.
function triangle(context, x, middle, size) {
  context.beginPath();
  context.moveTo(x, middle - size / 2);
  context.lineTo(x + size / 2, middle + size / 2);
  context.lineTo(x - size / 2, middle + size / 2);
  context.closePath();
}

function scaleTick(frame, index, store, theme) {
  if (frame.kind === "drafted" || frame.kind === "carried") return { colour: theme.pending, tall: 0.34 };
  if (frame.kind === "target_call") return { colour: theme.ink, tall: 0.78 };
  if (frame.kind === "bonus") return { colour: theme.bonus, tall: 0.56 };
  if (frame.kind === "judged") {
    return { colour: store.isRejection(index) ? theme.corrected : theme.kept, tall: 0.56 };
  }
  if (frame.kind === "violation") return { colour: theme.alarm, tall: 0.5, pointed: true };
  return { colour: theme.faint, tall: frame.kind === "unverified" ? 0.56 : 0.2 };
}
