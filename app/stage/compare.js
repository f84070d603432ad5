// Two runs side by side: each has its picture, its numbers, its forwards and its token maps, all at the same event.

import { counterTexts } from "./counters.js";
import { comparedSentence, differences } from "./differences.js";
import { drawMaps } from "./maps.js";
import { drawPicture } from "./picture.js";
import { tokenFacts, write } from "./readout.js";
import { drawRounds } from "./rounds.js";
import { pictureWords } from "./words.js";

export const LETTERS = ["a", "b"]; // left, right

// How one of the two runs stands at the cursor; the shorter one waits at its end.
export function sideView(view, store) {
  return { ...view, store, state: store.stateAt(Math.min(view.clock.cursor, store.count - 1)) };
}

// Draw both runs. view: what they share. surfaces: by part. Returns what the narration says.
export function showCompare(part, sides, view, surfaces) {
  const views = sides.stores.map((store) => sideView(view, store));
  const differ = differences(views[0].state, views[1].state);
  const longest = Math.max(...sides.stores.map((store) => (store.count ? store.stateAt(store.count - 1).elapsed : 0)));
  views.forEach((one, i) => {
    const letter = LETTERS[i], paint = (name, draw) => surfaces[letter + "-" + name].paint(draw);
    paint("picture", (context, width, height) => drawPicture(context, width, height, one));
    paint("rounds", (context, width, height) => drawRounds(context, width, height, { ...one, longest }));
    paint("maps", (context, width, height) => drawMaps(context, width, height, one, differ));
    const other = views[1 - i].store.header;
    write(part(letter + "-note"), sideNote(one.store.header, other));
    showSide((name) => part(letter + "-" + name), letter.toUpperCase(), one, differ);
  });
  part("choose-b").disabled = !sides.right.count;
  return comparedSentence({ left: sides.left, right: sides.right, cursor: view.clock.cursor, differ });
}

function showSide(part, letter, view, differ) {
  const { store, state } = view, texts = counterTexts(state, store);
  for (const name of ["calls", "of", "scales", "kept", "against"]) write(part(name), texts[name]);
  write(part("differ"), differ.compared ? differ.differing + " of " + differ.compared : "–");
  part("differ").classList.toggle("identical", differ.compared > 0 && !differ.differing);
  write(part("said"), saidOf(view));
  const about = "Run " + letter + ". ";
  part("picture").setAttribute("aria-label", about + pictureWords(view));
  part("rounds").setAttribute("aria-label", about + state.bars.length + " forwards so far, " + state.call + " by the target.");
  part("maps").setAttribute("aria-label", about + "Token maps; " + differ.differing + " of " + differ.compared
    + " tokens that are final in both differ. Arrow keys choose a token.");
}

// What makes this run another than its neighbour.
export function sideNote(header, other) {
  if (!header.run) return "the next run comes here";
  const { rule, gamma, seed, forks = [], carry_over: carry } = header.settings;
  const parts = [rule, "γ " + gamma];
  if (other.run && other.settings.seed !== seed) parts.push("seed " + seed);
  if (carry && carry !== "off") parts.push("carry over: " + carry);
  for (const fork of forks) {
    if (fork.rule !== null) parts.push("then " + fork.rule);
    if (fork.gamma !== null) parts.push("then γ " + fork.gamma);
  }
  if (header.fault) parts.push("fault: " + header.fault.name);
  const byHand = forks.some((fork) => fork.token !== null);
  return [...parts, header.exact ? "exact" : byHand ? "not exact: a verdict was overturned by hand" : "not exact"].join(" · ");
}

// The held token in this run, or the event at the cursor.
function saidOf({ store, state, selection }) {
  const token = selection.token;
  if (!store.count) return "Press Generate or Step.";
  if (!token) return state.sentence;
  const facts = tokenFacts(state, store.header, token);
  return "Token " + (token.index + 1) + " of scale " + (token.scale + 1) + ". " + facts.sentence;
}
