// The stage put together: values come in, the visitor points and presses, and everything is drawn from one view.
// gr.HTML runs this once, with `element`, `trigger`, `props`, `server` and `watch`.

import { AddressBar, inAddress } from "./address.js";
import { drawCaches } from "./caches.js";
import { Clock } from "./clock.js";
import { showCodes } from "./codes.js";
import { showCounters } from "./counters.js";
import { HEATS } from "./heat.js";
import { Inspector, questionOf } from "./inspector.js";
import { drawMask, maskTokenAt } from "./mask.js";
import { MASKS } from "./masks.js";
import { showNarration } from "./narration.js";
import { drawPicture } from "./picture.js";
import { probeCell } from "./probe.js";
import { drawPyramid, pyramidLayout, tokenAt } from "./pyramid.js";
import { showReadout } from "./readout.js";
import { showReport } from "./report.js";
import { barAt, drawRounds } from "./rounds.js";
import { drawScrubber, eventAt } from "./scrubber.js";
import { Selection } from "./selection.js";
import { Store } from "./store.js";
import { Surface } from "./surface.js";
import { readTheme } from "./theme.js";
import { showTransport, wireTransport } from "./transport.js";
import { describeViews } from "./words.js";

const parts = new Map();
const part = (name) => {
  if (!parts.has(name)) parts.set(name, element.querySelector('[data-part="' + name + '"]'));
  return parts.get(name);
};

const clock = new Clock();
const selection = new Selection();
const settings = { heat: "verdict", picture: "committed", mask: "block" };
const store = new Store(props.idle, (run, first, stop) => server.frames([run, first, stop]), storeChanged);
const asked = (name) => (run, event, index) => server[name]([run, event, index]);
const inspector = new Inspector({ token: asked("token"), swatches: asked("swatches") }, () => redraw());
const address = new AddressBar(() => window.location.search, (query) => {
  window.history.replaceState(window.history.state, "", query + window.location.hash);
});
const still = window.matchMedia("(prefers-reduced-motion: reduce)");
let theme = readTheme(element);
let controls = null; // the settings on the left, once one of them was touched
let shownRun = null;
let asking = false; // one event more was asked for
let streaming = false; // Generate is sending events
let scheduled = false;

const view = () => ({ store, clock, selection, settings, theme, state: store.stateAt(clock.cursor) });

const drawings = { scrubber: drawScrubber, rounds: drawRounds, picture: drawPicture, pyramid: drawPyramid,
  mask: drawMask, caches: drawCaches };
const surfaces = {};
for (const name of Object.keys(drawings)) surfaces[name] = new Surface(part(name), redraw);

function redraw() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame((now) => {
    scheduled = false;
    clock.tick(now, still.matches);
    draw();
    if (clock.moving) redraw();
  });
}

function draw() {
  const shown = view();
  for (const [name, drawing] of Object.entries(drawings)) {
    surfaces[name].paint((context, width, height) => drawing(context, width, height, shown));
  }
  showTransport(part, shown, settingsChanged());
  showCounters(part, shown);
  const question = questionOf(shown.state, store.header, selection.token);
  showCodes(part, showReadout(part, shown), inspector.show(question));
  showReport(part, shown);
  showNarration(part, shown);
  describeViews(part, shown);
  noteAddress();
}

// --- What comes from the server ---------------------------------------------------------------------------------

function storeChanged() {
  if (store.header.run !== shownRun) {
    shownRun = store.header.run;
    clock.reset();
    selection.clear();
    inspector.clear();
    controls = null;
  }
  clock.grow(store.count);
  document.body.classList.toggle("sdvar-busy", store.busy);
  redraw();
}

// A step shows its event at once. A stream is followed from its beginning, until the visitor goes elsewhere.
watch("value", async () => {
  const value = props.value;
  if (!value) return;
  const begins = value.stream && !streaming;
  streaming = value.stream && value.busy;
  await store.receive(value);
  asking = false;
  if (begins) {
    clock.follow();
    bringIntoView();
  }
  else if (!value.stream && value.frames.length) clock.goTo(clock.last);
  redraw();
});

// On a small screen the controls may hide the picture that they start.
function bringIntoView() {
  const box = part("picture").getBoundingClientRect();
  if (box.top > window.innerHeight - 80) {
    element.scrollIntoView({ behavior: still.matches ? "auto" : "smooth" });
  }
}

// --- What the visitor does --------------------------------------------------------------------------------------

const goTo = (index) => {
  store.notice = null;
  clock.goTo(index);
  redraw();
};

const actions = {
  first: () => goTo(0),
  back: () => goTo(clock.cursor - 1),
  last: () => goTo(clock.last),
  forward: () => {
    if (clock.cursor < clock.last) goTo(clock.cursor + 1);
    else if (store.count && !store.finished && !store.busy && !asking) {
      asking = true;
      trigger("forward");
    }
  },
  play: () => {
    clock.toggle(performance.now());
    redraw();
  },
  speed: () => {
    clock.nextSpeed();
    redraw();
  },
  previousRejection: () => seekRejection(-1),
  nextRejection: () => seekRejection(1),
  generate: () => {
    if (!store.busy) trigger("generate");
  },
  help: () => part("help").showModal(),
  letGo: () => {
    selection.clear();
    redraw();
  },
};

function seekRejection(direction) {
  const found = clock.seek(direction, (index) => store.isRejection(index));
  if (found !== null) goTo(found);
}

wireTransport(element, actions);
part("help-close").addEventListener("click", () => part("help").close());

function choices(attribute, take) {
  const buttons = element.querySelectorAll("[" + attribute + "]");
  buttons.forEach((button) => button.addEventListener("click", () => {
    take(button.getAttribute(attribute));
    buttons.forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
    redraw();
  }));
}
choices("data-heat", (name) => { if (HEATS[name]) settings.heat = name; });
choices("data-picture", (name) => { settings.picture = name; });

part("mask-kind").addEventListener("change", (event) => {
  if (MASKS[event.target.value]) settings.mask = event.target.value;
  redraw();
});

// Pointing at a canvas: find(place, surface) says which token is there.
function pointing(name, find) {
  const canvas = part(name), surface = surfaces[name];
  const at = (event) => {
    const { x, y } = surface.place(event);
    return store.count ? find(x, y, surface) : null;
  };
  canvas.addEventListener("pointermove", (event) => {
    const token = at(event);
    canvas.style.cursor = token ? "pointer" : "";
    if (selection.hover(token)) redraw();
  });
  canvas.addEventListener("pointerleave", () => { if (selection.hover(null)) redraw(); });
  canvas.addEventListener("click", (event) => {
    const token = at(event);
    if (token) selection.choose(token);
    redraw();
  });
  canvas.addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow") || !store.count) return;
    event.preventDefault();
    const { current } = view().state;
    selection.move(event.key, store.header.sides, current === null ? 0 : current);
    redraw();
  });
}
pointing("pyramid", (x, y, { width, height }) =>
  tokenAt(x, y, pyramidLayout(width, height, store.header.sides), store.header.sides));
pointing("mask", (x, y, { width, height }) => maskTokenAt(x, y, width, height, store.header.sides));

part("scrubber").addEventListener("pointerdown", (event) => {
  if (!store.count) return;
  part("scrubber").setPointerCapture(event.pointerId);
  scrub(event);
});
part("scrubber").addEventListener("pointermove", (event) => { if (event.buttons && store.count) scrub(event); });
function scrub(event) {
  goTo(eventAt(surfaces.scrubber.place(event).x, surfaces.scrubber.width, store.count));
}
part("rounds").addEventListener("click", (event) => {
  const { x, y } = surfaces.rounds.place(event);
  const index = barAt(x, y, surfaces.rounds.width, surfaces.rounds.height, view());
  if (index !== null) goTo(index);
});

part("report-fired").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) goTo(Number(button.dataset.event));
});

// Do the controls on the left say something else than the run that is shown? What does not matter to it has no name.
function settingsChanged() {
  if (!controls || !store.header.run) return false;
  return props.idle.order.some((name, i) => {
    const now = store.header.settings[name];
    if (now === undefined || now === null) return false;
    return typeof now === "number" ? Number(controls[i]) !== now : controls[i] !== now;
  });
}

function noteAddress() {
  const { order } = props.idle, { header } = store;
  if (!order.length) return; // a recording has no controls
  if (element.offsetParent === null) {
    address.leave();
    return;
  }
  const chosen = controls && Object.fromEntries(order.map((name, i) => [name, controls[i]]));
  const ofRun = header.run && !header.opened ? header.settings : null;
  address.note(chosen || ofRun, inAddress(header) && !settingsChanged() ? clock.cursor + 1 : null);
}

// Light or dark was switched.
new MutationObserver(() => {
  theme = readTheme(element);
  redraw();
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });
document.body.classList.remove("sdvar-busy");

// For debugging and tests: what is shown, and the same moves that a visitor has.
window.sdvar = {
  get cursor() { return clock.cursor; },
  get count() { return store.count; },
  get finished() { return store.finished; },
  get busy() { return store.busy; },
  get header() { return store.header; },
  get state() { return store.stateAt(clock.cursor); },
  get frame() { return store.frames[clock.cursor] || null; },
  get baseline() { return store.baseline; },
  get selection() { return selection.token; },
  get notice() { return store.notice; },
  get inspected() { return inspector.show(questionOf(store.stateAt(clock.cursor), store.header, selection.token)); },
  get playing() { return clock.playing; },
  goTo,
  select(scale, index) {
    selection.clear();
    selection.choose({ scale, index });
    redraw();
  },
  cell: (scale, index) => probeCell(surfaces.pyramid, store.header.sides, scale, index),
  askServer: (name, question) => server[name](question),
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
