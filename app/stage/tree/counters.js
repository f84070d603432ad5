// The numbers beside the text, at the cursor. They are the trace's own; nothing is computed again here.

import { times } from "../counters.js";
import { write } from "../readout.js";

export function counterTexts(state, store) {
  const { counters } = state, { header } = store;
  if (!counters) {
    return { calls: "0", of: "for 0 bytes", reduction: "–", written: "0 of " + (header.baseline_calls || "–"), accepted: "–", path: "–",
      length: "–", against: "after the run", time: "–" };
  }
  return {
    calls: String(counters.target_calls),
    of: "for " + counters.written + (counters.written === 1 ? " byte" : " bytes"),
    reduction: counters.target_calls && counters.written ? counters.call_reduction.toFixed(2) + "×" : "–",
    written: counters.written + " of " + header.baseline_calls,
    accepted: counters.drafted ? counters.accepted + " of " + counters.drafted + " · " + percent(counters.accepted / counters.drafted) : "–",
    path: counters.levels ? percent(counters.accepted / counters.levels) : "–",
    length: counters.target_calls ? counters.mean_accepted_length.toFixed(2) + " · " + counters.mean_length_with_bonus.toFixed(2) : "–",
    against: against(state, store),
    time: times([counters.draft_ms, counters.target_ms, counters.commit_ms]),
  };
}

const percent = (share) => Math.round(100 * Math.min(1, share)) + "%";

// At temperature 0 the text must be the target's own; otherwise both are draws of one law and may differ.
function against(state, { baseline, header }) {
  if (header.opened) return "not in the file";
  if (!baseline || !state.finished) return "after the run";
  if (baseline.differs === null) return "identical";
  return baseline.comparable ? "differs from byte " + (baseline.differs + 1) : "another draw";
}

export function showCounters(part, { state, store }) {
  const texts = counterTexts(state, store);
  for (const [name, text] of Object.entries(texts)) write(part("count-" + name), text);
  part("count-against").classList.toggle("identical", texts.against === "identical");
  part("count-calls").classList.toggle("zero", texts.calls === "0");
  part("count-reduction").classList.toggle("zero", texts.reduction === "–");
}
