// Pointing at a canvas: hover and click, and on a canvas with tokens arrow keys, the same for every such view.

// canvas, surface: of the view. find(x, y, surface): what is there, or null.
export function pointer(canvas, surface, selection, find, redraw) {
  const at = (event) => {
    const { x, y } = surface.place(event);
    return find(x, y, surface);
  };
  canvas.addEventListener("pointermove", (event) => {
    const found = at(event);
    canvas.style.cursor = found ? "pointer" : "";
    if (selection.hover(found)) redraw();
  });
  canvas.addEventListener("pointerleave", () => { if (selection.hover(null)) redraw(); });
  canvas.addEventListener("click", (event) => {
    const found = at(event);
    if (found) selection.choose(found);
    redraw();
  });
}

// find(x, y, surface): the token there, or null. ready(): is there a run? sides(): of its scales. current(): the scale
// that the event is about, or null.
export function pointing(canvas, surface, selection, { find, ready, sides, current, redraw }) {
  pointer(canvas, surface, selection, (...place) => (ready() ? find(...place) : null), redraw);
  canvas.addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow") || !ready()) return;
    event.preventDefault();
    selection.move(event.key, sides(), current() === null ? 0 : current());
    redraw();
  });
}
