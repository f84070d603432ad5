// One sentence about the event at the cursor, or what the server wants to say; and what the colours mean.

import { HEATS, topOf } from "./heat.js";
import { number, write } from "./readout.js";

const MARKS = { drafted: "pending", carried: "pending", unverified: "pending", target_call: "call", bonus: "bonus", round_end: "end",
  violation: "alarm" };

export function showNarration(part, view) {
  const { store, state, clock } = view;
  const line = part("sentence");
  // While the cursor runs by itself a screen reader would be flooded.
  line.setAttribute("aria-live", clock.moving ? "off" : "polite");
  write(line, store.notice || view.told || sentenceAt(state, store) || part("sentence-idle").textContent);
  part("narration").classList.toggle("notice", !!store.notice);
  part("mark").className = "mark " + (store.notice ? "corrected" : view.told ? "call" : mark(view));
  part("legend-differs").hidden = !view.told;
  showLegend(part, view);
}

// The last event also tells how the run compares with the target alone.
function sentenceAt(state, { baseline, frames }) {
  return state.finished && baseline && state.kind === "round_end" ? (state.sentence + " " + baseline.sentence).trim()
    : forkedSentence(state, frames);
}

// At the event of a fork it also tells what was chosen otherwise.
function forkedSentence({ index, sentence }, frames) {
  return index >= 0 && frames[index].fork ? frames[index].fork.sentence + " " + sentence : sentence;
}

function mark({ store, state }) {
  if (!state.kind) return "idle";
  if (state.kind === "judged") return store.isRejection(state.index) ? "corrected" : "kept";
  return MARKS[state.kind];
}

function showLegend(part, { settings, store, state }) {
  const heat = HEATS[settings.heat];
  part("legend-verdict").hidden = settings.heat !== "verdict";
  part("legend-tolerated").hidden = !state.counters || !state.counters.tolerated;
  part("legend-ramp").hidden = settings.heat === "verdict";
  write(part("legend-said"), heat.said || "");
  part("legend-scale").hidden = settings.heat === "code" || settings.heat === "verdict";
  part("ramp").classList.toggle("warm", !!heat.warm);
  write(part("ramp-top"), number(topOf(settings.heat, store.header)));
}
