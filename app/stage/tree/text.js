// The text so far, every letter with where it comes from; and behind it, pale, what is guessed.

import { line, nameOf, pieces } from "./bytes.js";
import { BONUS, CORRECTION, DRAFT, PROMPT, bestPath, pathTo } from "./fold.js";

const CLASSES = { [PROMPT]: "prompt", [DRAFT]: "draft", [CORRECTION]: "correction", [BONUS]: "bonus", guess: "guess" };
const WORDS = { [PROMPT]: "prompt", [DRAFT]: "guessed and accepted", [CORRECTION]: "the target's own: the guesses were rejected",
  [BONUS]: "bonus of the target", guess: "guessed, not judged" };

// The bytes to show: those of the text, then those of the path that is pointed at or that the draft likes best.
export function bytesShown(state, selected) {
  const { tree, text } = state;
  if (!tree) return text;
  const guesses = (path) => path.map((node) => ({ token: tree.tokens[node], origin: "guess", event: null, node }));
  if (selected !== null && selected > 0) return [...text.slice(0, tree.start), ...guesses(pathTo(tree, selected).slice(1))];
  return tree.judged.size || state.bonus ? text : [...text, ...guesses(bestPath(tree))];
}

// Pieces with the origin of their first byte, as many letters in one as have the same origin and event.
export function runs(bytes) {
  const found = [];
  for (const piece of pieces(bytes.map(({ token }) => token))) {
    const { origin, event, node = null } = bytes[piece.first], last = found[found.length - 1];
    const joins = last && piece.kind === "letter" && last.kind === "letter" && last.origin === origin && last.event === event
      && last.node === node;
    if (joins) last.text += piece.text;
    else found.push({ ...piece, origin, event, node });
  }
  return found;
}

export function showText(part, { state, store, selection }) {
  const box = part("text"), selected = selection.token ? selection.token.index : null;
  const chosen = state.tree && selected !== null && selected < state.tree.parents.length ? selected : null;
  const bytes = bytesShown(state, chosen);
  part("text-empty").hidden = store.count > 0;
  box.hidden = store.count === 0;
  const key = bytes.map(({ token, origin }) => token + ":" + origin).join(" ");
  if (box.dataset.key === key) return;
  box.dataset.key = key;
  box.replaceChildren(...runs(bytes).map((run) => element(run, bytes)));
  box.scrollTop = box.scrollHeight;
}

function element(run, bytes) {
  const span = document.createElement("span");
  span.className = CLASSES[run.origin] + (run.kind === "letter" ? "" : " " + run.kind);
  span.textContent = run.text;
  if (run.event !== null) span.dataset.event = run.event;
  if (run.origin !== PROMPT) {
    const own = bytes.slice(run.first, run.first + run.length);
    span.title = own.map(({ token, origin }) => nameOf(token) + ": " + WORDS[origin]).join("; ");
  }
  return span;
}

// The text in words, for those who do not see its colours.
export function textWords(state) {
  const written = state.text.filter(({ origin }) => origin !== PROMPT);
  const count = (origin) => written.filter((byte) => byte.origin === origin).length;
  return "Text so far, " + written.length + " bytes after the prompt: " + count(DRAFT) + " guessed and accepted, "
    + count(CORRECTION) + " corrected, " + count(BONUS) + " bonus. It ends: " + line(state.text.slice(-24).map(({ token }) => token));
}
