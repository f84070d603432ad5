// What the stages of both tabs stand on: their parts, drawing soon, the theme, and clicks that lead to an event.

import { AddressBar } from "./address.js";
import { barAt } from "./rounds.js";
import { readTheme } from "./theme.js";

// The part of a name, looked up once.
export function partsOf(element) {
  const parts = new Map();
  return (name) => {
    if (!parts.has(name)) parts.set(name, element.querySelector('[data-part="' + name + '"]'));
    return parts.get(name);
  };
}

// Draws at the next frame of the screen, however often it is asked, and goes on while the clock moves.
export function drawnSoon(clock, still, draw) {
  let scheduled = false;
  return function redraw() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame((now) => {
      scheduled = false;
      clock.tick(now, still.matches);
      draw();
      if (clock.moving) redraw();
    });
  };
}

// Light or dark was switched.
export function followTheme(element, take) {
  new MutationObserver(() => take(readTheme(element))).observe(document.body, { attributes: true, attributeFilter: ["class"] });
}

export function addressBar(tab) {
  return new AddressBar(() => window.location.search, (query) => {
    window.history.replaceState(window.history.state, "", query + window.location.hash);
  }, undefined, undefined, tab);
}

// On a small screen the controls may hide what they start.
export function bringIntoView(element, box, still) {
  if (box.getBoundingClientRect().top > window.innerHeight - 80) {
    element.scrollIntoView({ behavior: still.matches ? "auto" : "smooth" });
  }
}

// A bar of the rounds and an invariant that fired lead to their event.
export function wireJumps(part, surfaces, view, goTo) {
  part("rounds").addEventListener("click", (event) => {
    const { rounds } = surfaces, { x, y } = rounds.place(event);
    const index = barAt(x, y, rounds.width, rounds.height, view());
    if (index !== null) goTo(index);
  });
  part("report-fired").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) goTo(Number(button.dataset.event));
  });
}

// Do the controls on the left say something else than the run that is shown? What does not matter to it has no value.
export function controlsDiffer(names, controls, header) {
  if (!controls || !header.run) return false;
  return names.some((name, i) => {
    const now = header.settings[name];
    if (now === undefined || now === null) return false;
    return typeof now === "number" ? Number(controls[i]) !== now : controls[i] !== now;
  });
}
