// The stage of the Tree tab put together: values come in, the visitor points and presses, and everything is drawn from
// one view. gr.HTML runs this once, with `element`, `trigger`, `props`, `server` and `watch`.

import { Clock } from "../clock.js";
import { addressBar, bringIntoView, controlsDiffer, drawnSoon, followTheme, partsOf, wireJumps } from "../ground.js";
import { Inspector } from "../inspector.js";
import { Player, wireScrubber } from "../player.js";
import { pointer } from "../pointing.js";
import { drawRounds } from "../rounds.js";
import { drawScrubber } from "../scrubber.js";
import { Selection } from "../selection.js";
import { Sides } from "../sides.js";
import { Store } from "../store.js";
import { Surface } from "../surface.js";
import { readTheme } from "../theme.js";
import { showTransport, wireTransport } from "../transport.js";
import { treeTab } from "./address.js";
import { drawMasks, rowAt } from "./ancestors.js";
import { drawTree, layoutNow } from "./branches.js";
import { showCounters } from "./counters.js";
import { emptyState, fold } from "./fold.js";
import { VERSION, decodeFrame } from "./frames.js";
import { nodeAt, step } from "./layout.js";
import { drawMemory } from "./memory.js";
import { runNote, showNarration, tick } from "./narration.js";
import { focusOf, showNode } from "./node.js";
import { showReport } from "./report.js";
import { showText } from "./text.js";
import { showWindow } from "./window.js";
import { describeViews } from "./words.js";

const part = partsOf(element);
const language = { version: VERSION, decodeFrame, emptyState, fold,
  rejects: (frame) => frame.kind === "child_judged" && !frame.accepted };
const clock = new Clock();
const selection = new Selection();
const missing = (run, first, stop) => server.frames([run, first, stop]);
const sides = new Sides(() => new Store(props.idle, missing, runChanged, language));
const askToken = (run, event, index) => server.token([run, event, index]);
const inspector = new Inspector({ token: async (...question) => ({ swatches: {}, ...await askToken(...question) }) }, () => redraw());
const address = addressBar(treeTab(props.idle.order));
const still = window.matchMedia("(prefers-reduced-motion: reduce)");
const redraw = drawnSoon(clock, still, draw);
let theme = readTheme(element);
let controls = null; // the settings on the left, once one of them was touched
let shownRun = null;

function view() {
  const store = sides.right, state = store.stateAt(clock.cursor);
  return { store, clock, selection, theme, state, focus: focusOf(state, selection), stores: sides.stores, count: sides.count };
}

const ticked = (context, width, height, shown) => drawScrubber(context, width, height, shown, tick);
const drawings = { scrubber: ticked, rounds: drawRounds, tree: drawTree, masks: drawMasks, memory: drawMemory };
const surfaces = {};
for (const name of Object.keys(drawings)) surfaces[name] = new Surface(part(name), redraw);

function draw() {
  const shown = view();
  for (const [name, drawing] of Object.entries(drawings)) {
    surfaces[name].paint((context, width, height) => drawing(context, width, height, shown));
  }
  showTransport(part, shown, sides, settingsChanged(), runNote);
  showText(part, shown);
  showCounters(part, shown);
  showNode(part, shown, inspector.show(question(shown)));
  showWindow(part, shown);
  showReport(part, shown);
  showNarration(part, shown);
  describeViews(part, shown);
  noteAddress();
}

// The node whose likeliest bytes are wanted: those of the target's call over its tree.
function question({ state, store, focus }) {
  const known = focus !== null && state.tree.source !== null && store.header.run;
  return known ? { run: store.header.run, event: state.tree.source, index: focus } : null;
}

// --- What comes from the server ---------------------------------------------------------------------------------

function runChanged() {
  const store = sides.right;
  if (store.header.run !== shownRun) {
    shownRun = store.header.run;
    clock.reset();
    selection.clear();
    inspector.clear();
    controls = null;
  }
  clock.grow(store.count);
  document.body.classList.toggle("sdvar-tree-busy", store.busy);
  redraw();
}

const player = new Player({ sides, clock, selection, trigger, redraw,
  begun: () => bringIntoView(element, part("text-card"), still),
  help: () => part("help").showModal(),
});
watch("value", () => { if (props.value) player.receive(props.value); });

// --- What the visitor does --------------------------------------------------------------------------------------

wireTransport(element, player.actions);
part("help-close").addEventListener("click", () => part("help").close());
wireScrubber(part("scrubber"), surfaces.scrubber, sides, player.goTo);

const asToken = (node) => (node === null ? null : { index: node });
pointer(part("tree"), surfaces.tree, selection, (x, y, { width, height }) => {
  const layout = layoutNow(width, height, view());
  return layout && asToken(nodeAt(x, y, layout));
}, redraw);
pointer(part("masks"), surfaces.masks, selection, (x, y, { width, height }) => {
  const { tree } = view().state;
  return tree && asToken(rowAt(x, y, width, height, tree));
}, redraw);
for (const name of ["tree", "masks"]) {
  part(name).addEventListener("keydown", (event) => {
    const { tree } = view().state;
    if (!event.key.startsWith("Arrow") || !tree) return;
    event.preventDefault();
    const from = selection.chosen ? focusOf(view().state, selection) : null;
    select(from === null ? 0 : step(tree, from, event.key));
  });
}

function select(node) {
  selection.clear();
  selection.choose(asToken(node));
  redraw();
}

// A letter of the text leads to the event that wrote it.
part("text").addEventListener("click", (event) => {
  const at = event.target.dataset.event;
  if (at !== undefined && window.getSelection().isCollapsed) player.goTo(Number(at));
});
wireJumps(part, surfaces, view, player.goTo);

const settingsChanged = () => controlsDiffer([...props.idle.order, "fault"], controls, sides.right.header);

function noteAddress() {
  const { order } = props.idle, { header } = sides.right;
  if (!order.length) return; // a recording has no controls
  if (element.offsetParent === null) return address.leave();
  const chosen = controls && Object.fromEntries(order.map((name, i) => [name, controls[i]]));
  const ofRun = header.run && !header.opened ? header.settings : null;
  const whole = header.run && !header.opened && !header.fault && !settingsChanged();
  return address.note(chosen || ofRun, whole ? clock.cursor + 1 : null);
}

document.body.classList.remove("sdvar-tree-busy"); // of a component that this one replaces
followTheme(element, (found) => {
  theme = found;
  redraw();
});

// For debugging and tests: what is shown, and the same moves that a visitor has.
window.sdvarTree = {
  get cursor() { return clock.cursor; },
  get count() { return sides.right.count; },
  get finished() { return sides.right.finished; },
  get busy() { return sides.right.busy; },
  get header() { return sides.right.header; },
  get state() { return view().state; },
  get frame() { return sides.right.frames[clock.cursor] || null; },
  get baseline() { return sides.right.baseline; },
  get selection() { return selection.token; },
  get focus() { return view().focus; },
  get notice() { return sides.right.notice; },
  get playing() { return clock.playing; },
  get inspected() { return inspector.show(question(view())); },
  goTo: player.goTo,
  select,
  // Where a node stands on the screen.
  place(node) {
    const { x, y } = layoutNow(surfaces.tree.width, surfaces.tree.height, view()).places[node];
    const box = part("tree").getBoundingClientRect();
    return { x: box.left + x, y: box.top + y };
  },
  askServer: (name, what) => server[name](what),
  // Milliseconds that one drawing of everything takes.
  timeDraw() {
    const began = performance.now();
    draw();
    return performance.now() - began;
  },
  settings(values) {
    controls = values;
    redraw();
  },
};

element.querySelector(".stage").dataset.ready = "true";
redraw();
