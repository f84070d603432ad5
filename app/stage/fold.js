// The state of a run after each event: fold(state, frame) returns the next state and never changes the last one.
// Going back or scrubbing is therefore only a matter of which state is drawn.

// What became of a token.
export const NONE = 0;
export const PENDING = 1;
export const KEPT = 2;
export const CORRECTED = 3;
export const BONUS = 4;
export const THROWN = 5;
export const TOLERATED = 6; // not kept by the test, but it stands
export const UNVERIFIED = 7;

const EMPTY_SCALE = {
  status: "empty", picture: null, source: null, // source: the event that p and q belong to
  carried: false, tokens: null, drafted: null, verdicts: null, kept: 0,
  p: null, q: null, standing: null, tv: null, entropy: null, luck: null,
  rule: null, byHand: [], // who judged it since a fork, and the tokens whose verdict a person turned round
};

export function emptyState(header) {
  const cache = { held: 0, read: null, catchUp: null, dropped: null };
  return {
    index: -1, kind: null, round: 0, sentence: "", counters: null,
    rule: null, // who judges since a fork; before one it is the rule of the settings
    scales: header.sides.map(() => EMPTY_SCALE),
    current: null, // the scale that the event is about
    reading: null, // { model, start, stop }: the scales that a forward computes
    draftCache: cache, targetCache: cache,
    bars: [], elapsed: 0, // milliseconds inside the models
    committedPicture: null, guessPicture: null, // indices of events
    violations: [], // { index, invariant, sentence }
    call: 0, finished: false,
  };
}

export function fold(state, frame) {
  if (frame.kind === "violation") return violated(state, frame);
  const next = {
    ...state,
    index: frame.index, kind: frame.kind, round: frame.round,
    sentence: frame.sentence, counters: frame.counters,
    rule: frame.fork ? frame.fork.rule : state.rule,
    scales: state.scales.slice(),
    current: frame.scale === undefined ? null : frame.scale,
    draftCache: settled(state.draftCache), targetCache: settled(state.targetCache),
  };
  if (frame.round !== state.round) clearThrown(next.scales);
  FOLDS[frame.kind](next, frame);
  return next;
}

// A violation speaks about the event before it: all else stays as that event left it.
function violated(state, { index, kind, round, sentence, counters, invariant }) {
  const violations = [...state.violations, { index, invariant, sentence }];
  return { ...state, index, kind, round, sentence, counters, violations };
}

const FOLDS = {
  drafted(state, frame) {
    state.scales[frame.scale] = {
      ...EMPTY_SCALE, status: "pending", picture: frame.index, source: frame.index, tokens: frame.tokens, drafted: frame.tokens,
      verdicts: new Uint8Array(frame.tokens.length).fill(PENDING), q: frame.probability, entropy: frame.entropy,
    };
    state.guessPicture = frame.index;
    state.reading = { model: "draft", start: frame.read_from, stop: frame.scale + 1 };
    state.draftCache = {
      held: frame.scale + 1, read: [frame.read_from, frame.scale + 1],
      catchUp: frame.read_from < frame.scale ? [frame.read_from, frame.scale] : null, dropped: null,
    };
    addBar(state, frame, "draft", frame.scale, frame.scale + 1);
  },

  // The target's own stale answer is proposed: no forward.
  carried(state, frame) {
    state.scales[frame.scale] = {
      ...EMPTY_SCALE, status: "pending", carried: true, picture: frame.index, tokens: frame.tokens,
      drafted: frame.tokens, verdicts: new Uint8Array(frame.tokens.length).fill(PENDING),
    };
    state.guessPicture = frame.index;
  },

  unverified(state, frame) {
    const verdicts = new Uint8Array(frame.tokens.length).fill(UNVERIFIED);
    state.scales[frame.scale] = { ...state.scales[frame.scale], status: "unverified", picture: frame.index, verdicts };
    state.committedPicture = frame.index;
  },

  target_call(state, frame) {
    state.call = frame.number;
    state.reading = { model: "target", start: frame.read_from, stop: frame.stop };
    state.targetCache = {
      held: frame.stop, read: [frame.read_from, frame.stop],
      catchUp: frame.read_from < frame.start ? [frame.read_from, frame.start] : null, dropped: null,
    };
    addBar(state, frame, "target", frame.start, frame.stop);
  },

  judged(state, frame) {
    const verdicts = Uint8Array.from(frame.kept, (kept, i) =>
      frame.tokens[i] !== frame.drafted[i] ? CORRECTED : kept ? KEPT : TOLERATED);
    state.scales[frame.scale] = {
      status: "judged", carried: state.scales[frame.scale].carried, picture: frame.index, source: frame.index,
      tokens: frame.tokens, drafted: frame.drafted, verdicts,
      kept: frame.kept.reduce((sum, kept) => sum + kept, 0), p: frame.target_probability,
      q: frame.draft_probability, standing: frame.standing_probability, tv: frame.total_variation,
      entropy: frame.entropy, luck: frame.luck, rule: state.rule, byHand: frame.fork ? frame.fork.by_hand : [],
    };
    state.committedPicture = frame.index;
    if (!frame.passed) throwAway(state.scales, frame.scale + 1);
  },

  bonus(state, frame) {
    state.scales[frame.scale] = {
      ...EMPTY_SCALE, status: "bonus", picture: frame.index, source: frame.index, tokens: frame.tokens,
      verdicts: new Uint8Array(frame.tokens.length).fill(BONUS), p: frame.probability,
      standing: frame.probability, entropy: frame.entropy,
    };
    state.committedPicture = frame.index;
  },

  // Something that must hold did not: only the narration tells it.
  violation() {},

  round_end(state, frame) {
    throwAway(state.scales, frame.committed);
    state.draftCache = rolledBack(frame.draft_cache);
    state.targetCache = rolledBack(frame.target_cache);
    state.finished = frame.committed === state.scales.length;
  },
};

function settled(cache) {
  return { held: cache.held, read: null, catchUp: null, dropped: null };
}

function rolledBack([before, after]) {
  return { held: after, read: null, catchUp: null, dropped: before > after ? [after, before] : null };
}

function throwAway(scales, from) {
  for (let scale = from; scale < scales.length; scale += 1) {
    const record = scales[scale];
    if (record.status === "pending") {
      const verdicts = new Uint8Array(record.verdicts.length).fill(THROWN);
      scales[scale] = { ...record, status: "thrown", verdicts };
    }
  }
}

function clearThrown(scales) {
  scales.forEach((record, scale) => {
    if (record.status === "thrown") scales[scale] = EMPTY_SCALE;
  });
}

function addBar(state, frame, lane, start, stop) {
  const bar = { index: frame.index, lane, start, stop, number: frame.number, begin: state.elapsed,
    milliseconds: frame.milliseconds };
  state.bars = [...state.bars, bar];
  state.elapsed += frame.milliseconds;
}
