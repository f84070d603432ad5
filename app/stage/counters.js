// The numbers beside the picture, at the cursor. They are the trace's own; nothing is computed again here.

import { write } from "./readout.js";

export function counterTexts(state, store) {
  const counters = state.counters, header = store.header;
  if (!counters) {
    return { calls: "0", of: "of " + header.baseline_calls + " target-only", scales: "0 of " + header.sides.length,
      reduction: "–", kept: "–", against: "after the run", time: "–" };
  }
  return {
    calls: String(counters.target_calls),
    of: "of " + header.baseline_calls + " target-only",
    scales: counters.committed + " of " + header.sides.length,
    reduction: counters.call_reduction ? counters.call_reduction.toFixed(2) + " ×" : "–",
    kept: counters.judged ? counters.kept + " of " + counters.judged : "–",
    against: against(state, store),
    time: times([counters.draft_ms, counters.target_ms, counters.decoder_ms]),
  };
}

function against(state, store) {
  const { baseline, header } = store;
  if (header.opened && !baseline) return "not in the file";
  if (store.finished && state.index === store.count - 1 && !state.finished) return "no picture";
  if (!baseline || !state.finished) return "after the run";
  if (baseline.equal) return "identical";
  const far = baseline.psnr === null ? "same picture" : baseline.psnr.toFixed(1) + " dB";
  return baseline.differing + " differ, " + far;
}

// Wall-clock, in the unit that suits the longest.
export function times(milliseconds) {
  if (Math.max(...milliseconds) >= 1000) return milliseconds.map((one) => (one / 1000).toFixed(one >= 10000 ? 0 : 2)).join(" · ") + " s";
  return milliseconds.map((one) => (one >= 10 || one === 0 ? String(Math.round(one)) : one.toFixed(1))).join(" · ") + " ms";
}

export function showCounters(part, { state, store }) {
  const texts = counterTexts(state, store);
  for (const [name, text] of Object.entries(texts)) write(part("count-" + name), text);
  part("count-against").classList.toggle("identical", texts.against === "identical");
  part("count-calls").classList.toggle("zero", texts.calls === "0");
}
