// What a fault does to the run: which invariants fired and when, what is kept, and how far the picture went astray.
// It takes the place of the token's card while no token is chosen. A violation without a fault is told as well.

import { number, write } from "./readout.js";

const MOST_EVENTS = 6; // named for one invariant

// What there is to say of the whole run, or null where nothing is wrong.
export function reportOf(store) {
  const { header, baseline } = store, last = store.stateAt(store.count - 1), fault = header.fault || null;
  if (!fault && !last.violations.length) return null;
  return {
    title: fault ? "Fault: " + fault.name : "An invariant does not hold",
    sentence: fault ? fault.sentence : "No fault was switched on: this is worth a report.",
    look: fault ? "How it looks: " + fault.look : "",
    fired: firedBy(last.violations),
    none: last.violations.length ? "" : store.finished ? "No invariant fired: this run had no occasion to show it."
      : "No invariant has fired so far.",
    kept: keptWords(last.counters, baseline),
    picture: pictureWords(store, last),
  };
}

// One entry an invariant, in the order in which they fired first.
export function firedBy(violations) {
  const found = new Map();
  for (const { invariant, index, sentence } of violations) {
    if (!found.has(invariant)) found.set(invariant, []);
    found.get(invariant).push({ index, sentence });
  }
  return Array.from(found, ([invariant, events]) => ({ invariant, events }));
}

const percent = (part, whole) => (whole ? Math.round((100 * part) / whole) + "%" : "none");

function keptWords(counters, baseline) {
  if (!counters || !counters.judged) return "–";
  const own = percent(counters.kept, counters.judged);
  const sound = baseline && baseline.sound;
  return sound ? own + "; the sound engine " + percent(sound.kept, sound.judged) : own + " so far";
}

function pictureWords({ finished, baseline, header }, last) {
  if (!baseline) {
    return finished && !last.finished ? "none: the run ended after " + last.counters.committed + " of "
      + header.sides.length + " scales" : "after the run";
  }
  const far = baseline.psnr === null ? "" : " (" + number(baseline.psnr) + " dB)";
  const own = differing(baseline.differing) + (baseline.equal ? "" : " of " + baseline.total) + far;
  return baseline.sound ? own + "; the sound engine's " + differing(baseline.sound.differing) : own;
}

function differing(count) {
  return count ? String(count) : "none";
}

export function showReport(part, { store, clock, selection }) {
  const report = store.count && !selection.token ? reportOf(store) : null;
  part("report").hidden = !report;
  if (!report) return;
  part("readout-intro").hidden = true;
  for (const name of ["title", "sentence", "look", "none", "kept", "picture"]) write(part("report-" + name), report[name]);
  showFired(part("report-fired"), report.fired, clock.cursor);
}

// most: events named for one invariant.
export function showFired(list, fired, cursor, most = MOST_EVENTS) {
  const key = JSON.stringify(fired);
  if (list.dataset.key !== key) {
    list.dataset.key = key;
    list.replaceChildren(...fired.map((one) => row(one, most)));
  }
  for (const button of list.querySelectorAll("button")) {
    button.classList.toggle("to-come", Number(button.dataset.event) > cursor);
    button.classList.toggle("here", Number(button.dataset.event) === cursor);
  }
}

function row({ invariant, events }, most) {
  const item = document.createElement("li"), name = document.createElement("b");
  name.textContent = invariant;
  item.append(name, events.length === 1 ? "at event" : "at events", ...events.slice(0, most).map(eventButton));
  if (events.length > most) item.append("and " + (events.length - most) + " more");
  return item;
}

function eventButton({ index, sentence }) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = String(index + 1);
  button.title = sentence;
  button.dataset.event = index;
  return button;
}
