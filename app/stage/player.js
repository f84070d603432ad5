// What buttons, keys, the slider and new values do to the run that a stage shows. Nothing here draws.

import { eventAt } from "./scrubber.js";

export class Player {
  // store, clock, selection: of the stage. trigger(name): an event for the server. redraw(): draw soon.
  // begun(): a stream has begun. help(): show the keys.
  constructor({ store, clock, selection, trigger, redraw, begun, help }) {
    Object.assign(this, { store, clock, selection, trigger, redraw, begun });
    this.asking = false; // one event more was asked for
    this.streaming = false; // Generate is sending events
    this.goTo = this.goTo.bind(this);
    this.actions = {
      first: () => this.goTo(0),
      back: () => this.goTo(clock.cursor - 1),
      last: () => this.goTo(clock.last),
      forward: () => this.forward(),
      play: () => this.then(() => clock.toggle(performance.now())),
      speed: () => this.then(() => clock.nextSpeed()),
      previousRejection: () => this.seekRejection(-1),
      nextRejection: () => this.seekRejection(1),
      generate: () => { if (!store.busy) trigger("generate"); },
      help,
      letGo: () => this.then(() => selection.clear()),
    };
  }

  then(change) {
    change();
    this.redraw();
  }

  goTo(index) {
    this.store.notice = null;
    this.then(() => this.clock.goTo(index));
  }

  // Past the end of what there is, one event more is asked for.
  forward() {
    const { store, clock } = this;
    if (clock.cursor < clock.last) this.goTo(clock.cursor + 1);
    else if (store.count && !store.finished && !store.busy && !this.asking) {
      this.asking = true;
      this.trigger("forward");
    }
  }

  seekRejection(direction) {
    const found = this.clock.seek(direction, (index) => this.store.isRejection(index));
    if (found !== null) this.goTo(found);
  }

  // A step shows its event at once. A stream is followed from its beginning, until the visitor goes elsewhere.
  async receive(value) {
    const begins = value.stream && !this.streaming;
    this.streaming = value.stream && value.busy;
    await this.store.receive(value);
    this.asking = false;
    if (begins) {
      this.clock.follow();
      this.begun();
    } else if (!value.stream && value.frames.length) this.clock.goTo(this.clock.last);
    this.redraw();
  }
}

// The slider over all events follows the pointer.
export function wireScrubber(canvas, surface, store, goTo) {
  const scrub = (event) => goTo(eventAt(surface.place(event).x, surface.width, store.count));
  canvas.addEventListener("pointerdown", (event) => {
    if (!store.count) return;
    canvas.setPointerCapture(event.pointerId);
    scrub(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons && store.count) scrub(event); });
}

// Pointing at a canvas selects: find(x, y, surface) says what is there, or null.
export function wirePointing(canvas, surface, selection, find, redraw) {
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
