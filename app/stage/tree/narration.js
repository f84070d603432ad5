// One sentence about the event at the cursor, or what the server wants to say.

import { write } from "../readout.js";
import { CORRECTION } from "./fold.js";

const MARKS = { prompt_read: "call", tree_drafted: "pending", tree_call: "call", tree_commit: "end", violation: "alarm" };

export function showNarration(part, view) {
  const { store, state, clock } = view, text = part("sentence");
  // While the cursor runs by itself a screen reader would be flooded.
  text.setAttribute("aria-live", clock.moving ? "off" : "polite");
  write(text, store.notice || sentenceAt(state, store) || part("sentence-idle").textContent);
  part("narration").classList.toggle("notice", !!store.notice);
  part("mark").className = "mark " + (store.notice ? "corrected" : markOf(state, store.frames[clock.cursor]));
}

// The last event also tells how the run compares with the target alone.
function sentenceAt(state, { baseline }) {
  const ends = state.finished && baseline && state.kind === "tree_commit";
  return ends ? (state.sentence + " " + baseline.sentence).trim() : state.sentence;
}

export function markOf(state, frame) {
  if (!state.kind) return "idle";
  if (state.kind === "child_judged") return frame.accepted ? "kept" : "corrected";
  if (state.kind === "bonus_token") return state.bonus.origin === CORRECTION ? "corrected" : "bonus";
  return MARKS[state.kind];
}

// The ticks of the scrubber: how tall and in which colour an event stands there.
export function tick(frame, index, store, theme) {
  if (frame.kind === "child_judged") return { colour: frame.accepted ? theme.kept : theme.corrected, tall: 0.5 };
  if (frame.kind === "bonus_token") {
    return { colour: store.stateAt(index).bonus.origin === CORRECTION ? theme.corrected : theme.bonus, tall: 0.5 };
  }
  if (frame.kind === "tree_drafted") return { colour: theme.pending, tall: 0.34 };
  if (frame.kind === "tree_call") return { colour: theme.ink, tall: 0.78 };
  if (frame.kind === "violation") return { colour: theme.alarm, tall: 0.5, pointed: true };
  return { colour: theme.faint, tall: 0.2 };
}

// What the run is, in a few words.
export function runNote({ header }) {
  if (!header.run) return "";
  const { topk, steps, expansion, nodes, temperature, seed, verification } = header.settings;
  const shape = steps ? expansion + " tree, topk " + topk + ", " + steps + (steps === 1 ? " step" : " steps") + (nodes ? ", best " + nodes : "")
    : "target alone";
  return shape + " · " + (temperature ? "temperature " + temperature + " · seed " + seed : "greedy")
    + (header.exact ? " (exact)" : "") + (verification === "nodes" ? " · node by node" : "");
}
