// The draft tree, drawn as a tree: what was accepted is lit, what was rejected is hatched, what was never tried fades.

import { number } from "../readout.js";
import { hatch, roundedBox } from "../surface.js";
import { font } from "../theme.js";
import { signOf } from "./bytes.js";
import { ACCEPTED, CORRECTION, DROPPED, PENDING, REJECTED, ROOT, bestPath, pathTo } from "./fold.js";
import { treeLayout } from "./layout.js";

const WIDE = 27, LETTERS = 11; // pixels: a node's box, and the lowest row that letters fit in

// The layout at this moment, for drawing and for pointing.
export function layoutNow(width, height, { state, focus }) {
  return state.tree && treeLayout(state.tree, state.bonus, litNodes(state.tree, focus), width, height);
}

// The path that was accepted, or while nothing is judged the draft's favourite; what was tried; and what is chosen.
function litNodes(tree, focus) {
  const lit = new Set([0, ...tree.judged.keys(), ...(tree.judged.size ? [] : bestPath(tree))]);
  if (focus !== null) pathTo(tree, focus).forEach((node) => lit.add(node));
  return lit;
}

export function drawTree(context, width, height, view) {
  const { state, theme, focus } = view;
  const layout = layoutNow(width, height, view);
  if (!layout) return nothing(context, width, height, view);
  const { tree, bonus } = state, lit = litNodes(tree, focus);
  levelNames(context, layout, theme);
  for (let node = tree.parents.length - 1; node > 0; node -= 1) edge(context, layout, node, tree, theme);
  if (layout.own) ownEdge(context, layout, bonus, theme);
  if (view.selection.token && focus !== null) chosenPath(context, layout, pathTo(tree, focus), theme);
  tree.parents.forEach((_, node) => { if (!lit.has(node)) drawNode(context, layout, node, view, false); });
  lit.forEach((node) => drawNode(context, layout, node, view, true));
  if (layout.own) drawOwn(context, layout, bonus, theme);
  return undefined;
}

function nothing(context, width, height, { store, theme }) {
  context.font = font(theme, 13);
  context.fillStyle = theme.muted;
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(store.count ? "The first tree comes with the next event." : "The draft's guesses grow here, one tree a round.",
    width / 2, height / 2);
}

function levelNames(context, { left, column, levels }, theme) {
  context.font = font(theme, 11);
  context.fillStyle = theme.muted;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (let level = 0; level < levels; level += 1) {
    const name = level ? (column > 80 ? "guess " + level : String(level)) : "root";
    context.fillText(name, left + column * (level + 0.5), 0);
  }
}

const EDGES = { [PENDING]: "pending", [ACCEPTED]: "kept", [REJECTED]: "corrected", [DROPPED]: "thrown" };

function edge(context, { places }, node, tree, theme) {
  const status = tree.status[node];
  context.strokeStyle = theme[EDGES[status]];
  context.globalAlpha = status === DROPPED ? 0.75 : 1;
  context.lineWidth = status === ACCEPTED ? 3.5 : 0.8 + 2 * Math.sqrt(tree.q[node] || 0);
  context.setLineDash(status === REJECTED ? [4, 3] : []);
  curve(context, places[tree.parents[node]], places[node]);
  context.setLineDash([]);
  context.globalAlpha = 1;
}

function ownEdge(context, { places, own }, bonus, theme) {
  context.strokeStyle = bonus.origin === CORRECTION ? theme.corrected : theme.bonus;
  context.lineWidth = 2.5;
  curve(context, places[bonus.node], own);
}

function curve(context, from, to) {
  const begin = from.x + WIDE / 2, end = to.x - WIDE / 2, bend = Math.max(6, (end - begin) * 0.5);
  context.beginPath();
  context.moveTo(begin, from.y);
  context.bezierCurveTo(begin + bend, from.y, end - bend, to.y, end, to.y);
  context.stroke();
}

function chosenPath(context, { places }, path, theme) {
  context.strokeStyle = theme.ink;
  context.lineWidth = 1.4;
  path.slice(1).forEach((node, i) => curve(context, places[path[i]], places[node]));
}

const FILLS = { [ROOT]: "well", [PENDING]: "card", [ACCEPTED]: "kept", [REJECTED]: "card", [DROPPED]: "well" };
const STROKES = { [ROOT]: "ink", [PENDING]: "pending", [ACCEPTED]: "kept", [REJECTED]: "corrected", [DROPPED]: "thrown" };
const INKS = { [ROOT]: "ink", [PENDING]: "ink", [ACCEPTED]: "onStrong", [REJECTED]: "correctedText", [DROPPED]: "muted" };

function drawNode(context, layout, node, { state, theme, focus }, lit) {
  const { tree } = state, status = tree.status[node], place = layout.places[node];
  if (place.row < LETTERS && !lit) return dot(context, place, status, theme);
  const tall = Math.min(22, Math.max(14, place.row - 4));
  box(context, place, tall, theme[FILLS[status]], theme[STROKES[status]], node === focus ? 0 : 1.4);
  if (status === REJECTED) hatch(context, place.x - WIDE / 2 + 1, place.y - tall / 2 + 1, WIDE - 2, tall - 2, theme.corrected, 6, 0.9);
  letter(context, place, tree.tokens[node], theme[INKS[status]], status === REJECTED ? theme.card : null, theme);
  if (node === focus) outline(context, place, tall, theme);
  const leads = tree.children[node].length > 0 || (state.bonus && state.bonus.node === node), room = leads ? 24 : 13;
  if (node && layout.column >= 92 && place.gap >= room) beside(context, place, tree, node, leads, theme);
  return undefined;
}

// Too low for letters: a dot that is told by its colour, and by its size where it was accepted.
function dot(context, { x, y, row }, status, theme) {
  context.fillStyle = theme[status === DROPPED ? "thrown" : STROKES[status]];
  const tall = Math.max(1.5, Math.min(7, row * 0.7));
  roundedBox(context, x - WIDE / 2, y - tall / 2, WIDE, tall, 2);
  context.fill();
}

function box(context, { x, y }, tall, fill, stroke, line) {
  roundedBox(context, x - WIDE / 2, y - tall / 2, WIDE, tall, 5);
  context.fillStyle = fill;
  context.fill();
  if (!line) return;
  context.lineWidth = line;
  context.strokeStyle = stroke;
  context.stroke();
}

function outline(context, place, tall, theme) {
  context.lineWidth = 2.2;
  context.strokeStyle = theme.ink;
  roundedBox(context, place.x - WIDE / 2 - 1.5, place.y - tall / 2 - 1.5, WIDE + 3, tall + 3, 6);
  context.stroke();
}

function letter(context, { x, y }, token, colour, halo, theme) {
  const sign = signOf(token);
  context.font = "600 " + (sign.length > 1 ? 10.5 : 13) + "px ui-monospace, monospace";
  context.textAlign = "center";
  context.textBaseline = "middle";
  if (halo) {
    context.strokeStyle = halo;
    context.lineWidth = 4;
    context.strokeText(sign, x, y + 0.5);
  }
  context.fillStyle = colour;
  context.fillText(sign, x, y + 0.5);
}

// p where the target has read the node, else q.
function beside(context, { x, y }, tree, node, leads, theme) {
  context.font = font(theme, 10.5);
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillStyle = theme.muted;
  const text = tree.p ? "p " + number(tree.p[node]) : "q " + number(tree.q[node]);
  const far = leads ? -9 : 0; // above the edges that leave it
  context.fillText(text, x + WIDE / 2 + 5, y + far);
}

function drawOwn(context, { own, column }, bonus, theme) {
  const corrected = bonus.origin === CORRECTION, tall = Math.min(22, Math.max(14, own.row - 4));
  box(context, own, tall, corrected ? theme.card : theme.bonusSoft, corrected ? theme.corrected : theme.bonus, 2);
  letter(context, own, bonus.token, corrected ? theme.correctedText : theme.ink, null, theme);
  if (column < 92) return; // no room for the word
  context.font = font(theme, 10.5);
  context.textAlign = "left";
  context.fillStyle = corrected ? theme.correctedText : theme.bonusText;
  context.fillText(corrected ? "target" : "bonus", own.x + WIDE / 2 + 5, own.y + 0.5);
}
