// The run that the page holds: header, frames, one state an event, pictures. Frames may come twice, in pieces, or only
// as a count (an unopened tab sees just the newest value): what is missing is asked for by number.

import { VERSION, decodeFrame } from "./frames.js";
import { emptyState, fold } from "./fold.js";

// How a tab's frames become states: the version that it understands, decodeFrame(frame), emptyState(header),
// fold(state, frame), and rejects(frame): was a guess corrected? paint(run, event): a promise of { picture } or
// { notice }, for events that were not painted ahead; absent where nothing can be painted.
export const SCALES = { version: VERSION, decodeFrame, emptyState, fold,
  rejects: (frame) => frame.kind === "judged" && frame.kept.includes(0) };

export class Store {
  // ask(run, first, stop): a promise of { frames } or { notice }. changed(): called after every change.
  constructor(idle, ask, changed, language = SCALES) {
    this.language = language;
    this.idle = idle;
    this.ask = ask;
    this.changed = changed;
    this.sequence = 0; // of the newest value
    this.begin(idle);
  }

  begin(header) {
    this.header = header;
    this.frames = [];
    this.states = [];
    this.pictures = new Map();
    this.wished = new Set(); // events whose pictures were asked for
    this.differences = [];
    this.empty = this.language.emptyState(header);
    this.baseline = null;
    this.finished = false;
    this.busy = false;
    this.notice = null;
  }

  get count() {
    return this.states.length;
  }

  stateAt(index) {
    return index < 0 ? this.empty : this.states[index];
  }

  // Take in a value of the component. A value may come late, after a newer one: then it changes nothing.
  async receive(payload) {
    if (payload.sequence < this.sequence) return;
    this.sequence = payload.sequence;
    this.notice = payload.notice;
    if (payload.keep) {
      this.changed();
      return;
    }
    const header = payload.header || this.idle;
    if (header.version !== this.language.version) {
      this.notice = "The server speaks another version: reload the page.";
      this.changed();
      return;
    }
    if (header.run !== this.header.run) {
      this.begin(header);
      this.changed(); // at once: what follows may wait, and a newer value may come meanwhile
    }
    this.notice = payload.notice;
    this.busy = payload.busy;
    await this.fill(header.run, payload.first);
    if (header.run !== this.header.run) return; // another run began while we asked
    payload.frames.forEach((frame) => this.add(frame));
    if (payload.sequence < this.sequence) return; // so did a newer value, which has the last word
    this.finished = payload.finished;
    if (payload.baseline && !this.baseline) this.loadDifferences(payload.baseline.differences || []);
    this.baseline = payload.baseline;
    this.changed();
  }

  async fill(run, stop) {
    while (this.header.run === run && this.count < stop) {
      const answer = await this.ask(run, this.count, stop).catch(() => ({ notice: "The server does not answer." }));
      if (!answer.frames || !answer.frames.length) {
        this.notice = answer.notice || "Some frames of this run are gone: press Generate again.";
        return;
      }
      answer.frames.forEach((frame) => this.add(frame));
    }
  }

  add(frame) {
    if (frame.index !== this.count) return; // known already, or out of reach
    const decoded = this.language.decodeFrame(frame);
    this.frames.push(decoded);
    this.states.push(this.language.fold(this.stateAt(this.count - 1), decoded));
    if (frame.picture) this.load(frame.index, frame.picture);
  }

  load(index, url) {
    this.pictures.set(index, this.image(url));
  }

  loadDifferences(urls) {
    this.differences = urls.map((url) => this.image(url));
  }

  image(url) {
    const image = new Image();
    image.onload = () => this.changed();
    image.src = url;
    return image;
  }

  // The picture of an event, or null while it is on its way. One that was not painted ahead is asked for now that
  // someone looks: one at a time, and not while the models are at work.
  picture(index) {
    if (index !== null && !this.pictures.has(index)) this.wish(index);
    return ready(index === null ? null : this.pictures.get(index));
  }

  // Is the picture of an event still to be painted?
  unpainted(index) {
    const frame = this.frames[index];
    return !!(this.language.paint && frame && frame.unpainted);
  }

  async wish(index) {
    if (this.wishing || this.busy || this.wished.has(index) || !this.unpainted(index)) return;
    const { run } = this.header;
    this.wished.add(index);
    this.wishing = true;
    const answer = await this.language.paint(run, index, 0).catch(() => ({}));
    this.wishing = false;
    if (this.header.run === run) {
      if (answer.picture) this.load(index, answer.picture);
      else this.frames[index].refused = true;
    }
    this.changed(); // the next one's turn
  }

  // How far the picture after a scale is from the exact one, or null.
  difference(scale) {
    return ready(scale === null ? null : this.differences[scale]);
  }

  // A rejection: an event in which at least one token was corrected.
  isRejection(index) {
    const frame = this.frames[index];
    return !!frame && this.language.rejects(frame);
  }
}

function ready(image) {
  return image && image.complete && image.naturalWidth ? image : null;
}
