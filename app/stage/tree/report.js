// What a fault does to a text run: which invariants fired and when, what was accepted, and where the text went astray.

import { write } from "../readout.js";
import { firedBy, showFired } from "../report.js";

const MOST_EVENTS = 4; // named for one invariant

// What there is to say of the whole run, or null where nothing is wrong.
export function reportOf(store) {
  const { header } = store, last = store.stateAt(store.count - 1), fault = header.fault || null;
  if (!fault && !last.violations.length) return null;
  return {
    title: fault ? "Fault: " + fault.name : "An invariant does not hold",
    sentence: fault ? fault.sentence : header.opened ? "The file tells of it." : "No fault was switched on: this is worth a report.",
    look: fault ? "How it looks: " + fault.look : "",
    fired: firedBy(last.violations),
    none: last.violations.length ? "" : store.finished ? "No invariant fired: this run had no occasion to show it."
      : "No invariant has fired so far.",
    accepted: acceptedWords(last.counters, store.baseline),
    text: textWords(store),
  };
}

const share = ({ accepted, drafted }) => (drafted ? Math.round((100 * accepted) / drafted) + "%" : "none");

function acceptedWords(counters, baseline) {
  if (!counters || !counters.drafted) return "–";
  return baseline && baseline.sound ? share(counters) + "; the sound engine " + share(baseline.sound) : share(counters) + " so far";
}

function textWords({ baseline }) {
  if (!baseline || !baseline.sound) return "after the run";
  const { differs } = baseline.sound;
  return differs === null ? "the sound engine's, byte for byte" : "unlike the sound engine's from byte " + (differs + 1);
}

export function showReport(part, { store, clock, selection }) {
  const report = store.count && !selection.token ? reportOf(store) : null;
  part("report").hidden = !report;
  if (!report) return;
  part("readout-intro").hidden = true;
  part("readout-facts").hidden = true;
  for (const name of ["title", "sentence", "look", "none", "accepted", "text"]) write(part("report-" + name), report[name]);
  showFired(part("report-fired"), report.fired, clock.cursor, MOST_EVENTS);
}
