// What buttons, keys, the slider and new values do to the runs that a stage shows. Nothing here draws.

import { eventAt } from "./scrubber.js";

export class Player {
  // sides, clock, selection: of the stage. trigger(name): an event for the server. redraw(): draw soon.
  // begun(): a stream has begun. help(): show the keys.
  constructor({ sides, clock, selection, trigger, redraw, begun, help }) {
    Object.assign(this, { sides, clock, trigger, redraw, begun });
    this.asking = false; // one event more was asked for
    this.streaming = false; // Generate is sending events
    this.newest = null; // the sequence of the newest value
    this.goTo = this.goTo.bind(this);
    this.actions = {
      first: () => this.goTo(0),
      back: () => this.goTo(clock.cursor - 1),
      last: () => this.goTo(clock.last),
      forward: () => this.forward(),
      play: () => this.change(() => clock.toggle(performance.now())),
      speed: () => this.change(() => clock.nextSpeed()),
      previousRejection: () => this.seekRejection(-1),
      nextRejection: () => this.seekRejection(1),
      generate: () => { if (!sides.right.busy) trigger("generate"); },
      help,
      letGo: () => this.change(() => selection.clear()),
    };
  }

  change(how) {
    how();
    this.redraw();
  }

  goTo(index) {
    this.sides.right.notice = null;
    this.change(() => this.clock.goTo(index));
  }

  // Past the end of what there is, one event more is asked for.
  forward() {
    const { clock } = this, run = this.sides.right;
    if (clock.cursor < clock.last) this.goTo(clock.cursor + 1);
    else if (run.count && !run.finished && !run.busy && !this.asking) {
      this.asking = true;
      this.trigger("forward");
    }
  }

  seekRejection(direction) {
    const rejects = (index) => this.sides.stores.some((store) => store.isRejection(index));
    const found = this.clock.seek(direction, rejects);
    if (found !== null) this.goTo(found);
  }

  // A step shows its event at once. A stream is followed from its beginning, until the visitor goes elsewhere.
  async receive(value) {
    if (value.sequence && value.sequence === this.newest) return; // Gradio may tell of a value twice
    this.newest = value.sequence;
    const begins = value.stream && !this.streaming;
    this.streaming = value.stream && value.busy;
    await this.sides.receive(value);
    this.asking = false;
    if (begins) {
      this.clock.follow();
      this.begun();
    } else if (Number.isInteger(value.cursor)) this.clock.goTo(value.cursor);
    else if (!value.stream && value.frames.length) this.clock.goTo(this.sides.right.count - 1);
    this.redraw();
  }
}

// The slider over all events follows the pointer.
export function wireScrubber(canvas, surface, sides, goTo) {
  const scrub = (event) => goTo(eventAt(surface.place(event).x, surface.width, sides.count));
  canvas.addEventListener("pointerdown", (event) => {
    if (!sides.count) return;
    canvas.setPointerCapture(event.pointerId);
    scrub(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (event.buttons && sides.count) scrub(event); });
}
