// For debugging and tests: where a token's cell of the pyramid is on the screen, and the colour at its middle.

import { pyramidLayout } from "./pyramid.js";

export function probeCell({ width, height, canvas, ratio }, sides, scale, index) {
  const { map, top, side } = pyramidLayout(width, height, sides)[scale];
  const count = sides[scale], box = canvas.getBoundingClientRect();
  const x = map + ((index % count) + 0.5) * (side / count), y = top + (Math.floor(index / count) + 0.5) * (side / count);
  const probe = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  probe.drawImage(canvas, Math.floor(x * ratio), Math.floor(y * ratio), 1, 1, 0, 0, 1, 1);
  const colour = Array.from(probe.getImageData(0, 0, 1, 1).data.slice(0, 3));
  return { x: box.left + x, y: box.top + y, colour };
}
