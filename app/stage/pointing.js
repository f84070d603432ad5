// Pointing at a canvas with tokens: hover, click and arrow keys, the same for every such view.

// canvas, surface: of the view. find(x, y, surface): the token there, or null. ready(): is there a run? sides(): of its
// scales. current(): the scale that the event is about, or null.
export function pointing(canvas, surface, selection, { find, ready, sides, current, redraw }) {
  const at = (event) => {
    const { x, y } = surface.place(event);
    return ready() ? find(x, y, surface) : null;
  };
  canvas.addEventListener("pointermove", (event) => {
    const token = at(event);
    canvas.style.cursor = token ? "pointer" : "";
    if (selection.hover(token)) redraw();
  });
  canvas.addEventListener("pointerleave", () => { if (selection.hover(null)) redraw(); });
  canvas.addEventListener("click", (event) => {
    const token = at(event);
    if (token) selection.choose(token);
    redraw();
  });
  canvas.addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow") || !ready()) return;
    event.preventDefault();
    selection.move(event.key, sides(), current() === null ? 0 : current());
    redraw();
  });
}
