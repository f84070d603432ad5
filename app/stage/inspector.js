// What the server knows of one token beyond its frame: the likeliest codes of p and q, and what they look like.
// Numbers are asked for once the pointer rests, swatches a little later; nothing is asked for twice.

const NUMBERS_AFTER = 90; // milliseconds of rest
const SWATCHES_AFTER = 260;
const MOST_KEPT = 400; // answers

export class Inspector {
  // ask: { token, swatches }, each a function of (run, event, index) that promises an answer. changed(): called after
  // one came. later(run, milliseconds) and drop(handle): setTimeout and clearTimeout.
  constructor(ask, changed, later = setTimeout.bind(null), drop = clearTimeout.bind(null)) {
    this.ask = ask;
    this.changed = changed;
    this.later = later;
    this.drop = drop;
    this.clear();
  }

  clear() {
    this.drop(this.waiting);
    this.waiting = null;
    this.wanted = null;
    this.answers = new Map();
  }

  // The token that is shown now, as { run, event, index }, or null. Gives what is known of it.
  show(question) {
    const name = question && [question.run, question.event, question.index].join(" ");
    if (name !== this.wanted) {
      this.wanted = name;
      this.drop(this.waiting);
      this.waiting = null;
      if (name && !this.isWhole(name)) this.waiting = this.later(() => this.fetch("token", name, question), NUMBERS_AFTER);
    }
    return this.answers.get(name) || null;
  }

  isWhole(name) {
    const answer = this.answers.get(name);
    return !!answer && (!answer.rows || !!answer.swatches);
  }

  async fetch(kind, name, question) {
    const { run, event, index } = question;
    const known = this.answers.get(name) || {};
    if (!known[kind === "token" ? "rows" : "swatches"]) {
      const answer = await this.ask[kind](run, event, index).catch(() => ({ notice: "The server does not answer." }));
      this.keep(name, { ...known, ...answer });
      this.changed();
    }
    const { rows, swatches } = this.answers.get(name) || {};
    if (kind === "token" && rows && !swatches && this.wanted === name) {
      this.waiting = this.later(() => this.fetch("swatches", name, question), SWATCHES_AFTER - NUMBERS_AFTER);
    }
  }

  keep(name, answer) {
    this.answers.set(name, answer);
    if (this.answers.size > MOST_KEPT) this.answers.delete(this.answers.keys().next().value);
  }
}

// The event whose p and q a token has, as a question, or null where there is none.
export function questionOf(state, header, token) {
  const record = token && header.run ? state.scales[token.scale] : null;
  if (!record || record.source === null) return null;
  return { run: header.run, event: record.source, index: token.index };
}
