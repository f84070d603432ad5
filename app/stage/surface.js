// A canvas as sharp as the screen: it follows its own size and the device's pixels, and hands views a context in CSS
// pixels.

export class Surface {
  constructor(canvas, resized) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.width = 0;
    this.height = 0;
    new ResizeObserver(() => {
      if (this.measure()) resized();
    }).observe(canvas);
    this.measure();
  }

  measure() {
    const { clientWidth, clientHeight } = this.canvas;
    const ratio = window.devicePixelRatio || 1;
    if (clientWidth === this.width && clientHeight === this.height && ratio === this.ratio) return false;
    this.width = clientWidth;
    this.height = clientHeight;
    this.ratio = ratio;
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    return true;
  }

  // draw(context, width, height) on a clean canvas.
  paint(draw) {
    if (!this.width || !this.height) return;
    const context = this.context;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    draw(context, this.width, this.height);
  }

  // Where an event of the pointer is, in CSS pixels of the canvas.
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }
}

export function roundedBox(context, x, y, width, height, radius) {
  context.beginPath();
  context.roundRect(x, y, width, height, Math.min(radius, width / 2, height / 2));
}

// Diagonal lines in a box: they tell "corrected" and "rolled back" without colour.
export function hatch(context, x, y, width, height, colour, gap = 5, thickness = 1.2) {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = thickness;
  context.beginPath();
  for (let at = -height; at < width; at += gap) {
    context.moveTo(x + at, y + height);
    context.lineTo(x + at + height, y);
  }
  context.stroke();
  context.restore();
}

// Text that is left out rather than cut when it does not fit.
export function label(context, text, x, y, room) {
  if (context.measureText(text).width <= room) context.fillText(text, x, y);
}
