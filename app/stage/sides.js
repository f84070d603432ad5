// One run, or two side by side. The right one is the run that moves on: Generate, Step and "one event more" mean it.
// The left one is kept, to be compared with. A run that changes its side is not asked for again.

export class Sides {
  // make(): an empty Store.
  constructor(make) {
    this.make = make;
    this.left = null;
    this.right = make();
    this.sequence = 0; // of the newest value
  }

  get comparing() {
    return this.left !== null;
  }

  get stores() {
    return this.left ? [this.left, this.right] : [this.right];
  }

  // Events of the longer run: what one slider has to reach.
  get count() {
    return Math.max(...this.stores.map((store) => store.count));
  }

  get finished() {
    return this.stores.every((store) => store.finished);
  }

  get runs() {
    return this.stores.map((store) => store.header.run);
  }

  // Take in a value of the component. One that comes late, after a newer one, changes nothing.
  async receive(payload) {
    if (payload.sequence < this.sequence) return;
    this.sequence = payload.sequence;
    if (!payload.keep) this.seat(payload.header, payload.kept || null);
    const halves = [this.right.receive(payload)];
    if (this.left && payload.kept) halves.push(this.left.receive({ ...payload, ...payload.kept, busy: false, notice: null }));
    await Promise.all(halves);
  }

  seat(header, kept) {
    const holding = (part) => (part ? this.stores.find((store) => store.header.run === part.run) : undefined);
    const known = holding(header);
    const left = kept ? holding(kept.header) || this.make() : null;
    this.right = known || (this.right === left ? this.make() : this.right);
    this.left = left;
  }
}
