// For debugging and tests: what is shown as `sdvar` in the browser's console, and the same moves that a visitor has.
//
// cursor, count, finished, busy, playing, notice, selection: of the page. header, state, frame, baseline, inspected: of
// the run, or of the right one of two. left, right: of two runs { header, count, finished, baseline, state, frame },
// else left is null. fork: the event at which the right one parts from the left, or null. differences: the tokens that
// are not the same in both, as in differences.js, or null. goTo(event), select(scale, index). timeDraw(): milliseconds
// that one drawing of everything takes. askServer(name, question). settings(values): what the page's controls say.
// cell(scale, index), mapCell("a" or "b", scale, index): where a token is drawn, and its colour.

import { differences, forkOf } from "./differences.js";
import { questionOf } from "./inspector.js";
import { mapsLayout } from "./maps.js";
import { pyramidLayout } from "./pyramid.js";

// page: what main.js has at hand.
export function probeOf({ sides, clock, selection, inspector, server, surfaces, view, draw, redraw, goTo, settings }) {
  const at = (store) => Math.min(clock.cursor, store.count - 1);
  const told = (store) => store && { header: store.header, count: store.count, finished: store.finished,
    baseline: store.baseline, state: store.stateAt(at(store)), frame: store.frames[at(store)] || null };
  return {
    get cursor() { return clock.cursor; },
    get count() { return sides.count; },
    get finished() { return sides.right.finished; },
    get busy() { return sides.right.busy; },
    get playing() { return clock.playing; },
    get notice() { return sides.right.notice; },
    get selection() { return selection.token; },
    get header() { return sides.right.header; },
    get state() { return view().state; },
    get frame() { return sides.right.frames[clock.cursor] || null; },
    get baseline() { return sides.right.baseline; },
    get inspected() { return inspector.show(questionOf(view().state, view().store.header, selection.token)); },
    get left() { return told(sides.left); },
    get right() { return told(sides.right); },
    get fork() { return sides.left && forkOf(sides.right) >= 0 ? forkOf(sides.right) : null; },
    get differences() { return sides.left ? differences(told(sides.left).state, told(sides.right).state) : null; },
    goTo,
    select(scale, index) {
      selection.clear();
      selection.choose({ scale, index });
      redraw();
    },
    cell: (scale, index) => cellOf(surfaces.pyramid, pyramidLayout, view().store.header.sides, scale, index),
    mapCell: (letter, scale, index) =>
      cellOf(surfaces[letter + "-maps"], mapsLayout, view().store.header.sides, scale, index),
    askServer: (name, question) => server[name](question),
    timeDraw() {
      const began = performance.now();
      draw();
      return performance.now() - began;
    },
    settings(values) {
      settings(values);
      redraw();
    },
  };
}

function cellOf({ canvas, ratio, width, height }, layout, sides, scale, index) {
  const { map, top, side } = layout(width, height, sides)[scale];
  const count = sides[scale], box = canvas.getBoundingClientRect();
  const x = map + ((index % count) + 0.5) * (side / count), y = top + (Math.floor(index / count) + 0.5) * (side / count);
  const pixel = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  pixel.drawImage(canvas, Math.floor(x * ratio), Math.floor(y * ratio), 1, 1, 0, 0, 1, 1);
  const colour = Array.from(pixel.getImageData(0, 0, 1, 1).data.slice(0, 3));
  return { x: box.left + x, y: box.top + y, colour };
}
