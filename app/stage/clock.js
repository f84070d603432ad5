// The cursor: which event is shown, and how it moves. No DOM and no timers here: time is an argument.

export const SPEEDS = [0.5, 1, 2, 4];
const PAUSE = 450; // milliseconds an event at speed 1
const LIVE_PAUSE = 45; // while events stream in, so that a fast run can still be seen
const LIVE_BACKLOG = 16; // more than this behind, take larger steps

export class Clock {
  constructor() {
    this.speed = 1;
    this.reset();
  }

  reset() {
    this.count = 0;
    this.cursor = -1;
    this.playing = false;
    this.following = false; // the cursor runs after the newest event
    this.moved = -Infinity; // when the cursor last moved by itself
  }

  get last() {
    return this.count - 1;
  }

  // Events arrived. While following, ticks carry the cursor on; otherwise it stays, unless nothing was shown yet.
  grow(count) {
    this.count = Math.max(this.count, count);
    if (this.cursor < 0 && this.count > 0) this.cursor = 0;
  }

  follow() {
    this.following = true;
    this.playing = false;
  }

  goTo(index) {
    this.playing = false;
    this.following = false;
    this.place(index);
  }

  place(index) {
    this.cursor = this.count ? Math.min(Math.max(Math.round(index), 0), this.last) : -1;
  }

  toggle(now) {
    this.following = false;
    this.playing = !this.playing && this.count > 1;
    if (this.playing && this.cursor === this.last) this.cursor = 0;
    this.moved = now;
  }

  nextSpeed() {
    this.speed = SPEEDS[(SPEEDS.indexOf(this.speed) + 1) % SPEEDS.length];
  }

  get moving() {
    return this.playing || (this.following && this.cursor < this.last);
  }

  // Move by itself if it is time to; returns whether the cursor moved. `still`: the visitor asked for reduced motion.
  tick(now, still = false) {
    if (this.following && this.cursor < this.last) {
      if (!still && now - this.moved < LIVE_PAUSE) return false;
      const behind = this.last - this.cursor;
      this.cursor += still ? behind : Math.ceil(behind / LIVE_BACKLOG);
      this.moved = now;
      return true;
    }
    if (this.playing && now - this.moved >= PAUSE / this.speed) {
      this.moved = now;
      if (this.cursor < this.last) this.cursor += 1;
      this.playing = this.cursor < this.last;
      return true;
    }
    return false;
  }

  // The nearest event after (direction 1) or before (-1) the cursor for which `test(index)` holds, or null.
  seek(direction, test) {
    for (let index = this.cursor + direction; index >= 0 && index <= this.last; index += direction) {
      if (test(index)) return index;
    }
    return null;
  }
}
