// The inputs that the short convolutions read for a node: its own path, and beside it what a chain would read.

import { write } from "../readout.js";
import { nameOf, signOf } from "./bytes.js";
import { windowByIndex, windowOf } from "./fold.js";

// { sign, from, own, same }: what stands in a place of the window; own: it is a node; same: both windows agree there.
export function windowCells(state, node, width) {
  const { tree, text } = state;
  const told = ({ node: at, place }) => (at !== undefined
    ? { token: tree.tokens[at], from: "node " + at, own: true }
    : { token: place >= 0 ? text[place].token : null, from: place >= 0 ? "text" : "before", own: false });
  const right = windowOf(tree, node, width), chain = windowByIndex(tree, node, width);
  const same = right.map((cell, i) => cell.node === chain[i].node && cell.place === chain[i].place);
  return [right, chain].map((cells) => cells.map((cell, i) => ({ ...told(cell), same: same[i] })));
}

export function showWindow(part, { state, store, focus }) {
  const { tree } = state, node = tree ? (focus === null ? 0 : focus) : null;
  const rows = node === null ? [[], []] : windowCells(state, node, store.header.window);
  write(part("window-title"), node === null ? "Convolution window"
    : "Convolution window of " + (node ? "node " + node : "the root"));
  ["window-own", "window-chain"].forEach((name, which) => fill(part(name), rows[which], which === 1));
  const wrong = rows[1].filter(({ same }) => !same).length;
  part("window-chain-line").hidden = node === null;
  write(part("window-said"), node === null ? "" : wrong ? "by index, " + wrong + " wrong" : "by index, the same");
}

function fill(list, cells, chain) {
  const key = JSON.stringify(cells);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  list.replaceChildren(...cells.map(({ token, from, own, same }) => {
    const item = document.createElement("li"), sign = document.createElement("b"), where = document.createElement("span");
    sign.textContent = token === null ? "–" : signOf(token);
    where.textContent = from;
    item.title = token === null ? "before the text: zeros" : nameOf(token) + ", " + from;
    item.className = (own ? "own" : "") + (chain && !same ? " wrong" : "");
    item.append(sign, where);
    return item;
  }));
}
