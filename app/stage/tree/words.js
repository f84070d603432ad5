// The canvases in words, for those who do not see them.

import { nameOf } from "./bytes.js";
import { ACCEPTED, DROPPED, PENDING, REJECTED } from "./fold.js";
import { heldWords } from "./memory.js";
import { textWords } from "./text.js";
import { wrongCells } from "./ancestors.js";

export function describeViews(part, { state, focus }) {
  const { tree, memory } = state;
  name(part("text"), textWords(state));
  name(part("tree"), treeWords(state, focus) + " Arrow keys choose a node.");
  name(part("masks"), tree ? "Masks of " + tree.parents.length + " nodes: each sees its own ancestors; the plain causal mask opens "
    + wrongCells(tree) + " wrong cells. Arrow keys choose a node." : "Masks: no tree yet.");
  const held = heldWords(memory);
  name(part("memory"), "The target's state holds " + held.held + ", " + held.alive + "; " + memory.dropped + " nodes rolled back.");
  name(part("rounds"), state.bars.length + " forwards so far, " + state.call + " of them checks of a tree by the target.");
}

const TOLD = { [ACCEPTED]: "accepted", [REJECTED]: "rejected", [PENDING]: "not tried yet", [DROPPED]: "never tried" };

function treeWords({ tree }, focus) {
  if (!tree) return "Draft tree: none yet.";
  const counts = Object.entries(TOLD).map(([status, word]) => [tree.status.filter((one) => one === Number(status)).length, word])
    .filter(([count]) => count).map(([count, word]) => count + " " + word);
  const chosen = focus ? " Node " + focus + ", " + nameOf(tree.tokens[focus]) + ": " + TOLD[tree.status[focus]] + "." : "";
  return "Draft tree of " + (tree.parents.length - 1) + " guesses" + (counts.length ? ": " + counts.join(", ") : "") + "." + chosen;
}

function name(element, text) {
  if (element.getAttribute("aria-label") !== text) element.setAttribute("aria-label", text);
}
