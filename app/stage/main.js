// The stage put together: values come in, the visitor points and presses, and everything is drawn from one view.
// gr.HTML runs this once, with `element`, `trigger`, `props`, `server` and `watch`.

import { inAddress, scalesTab } from "./address.js";
import { drawCaches } from "./caches.js";
import { Clock } from "./clock.js";
import { showCodes } from "./codes.js";
import { LETTERS, showCompare, sideView } from "./compare.js";
import { showCounters } from "./counters.js";
import { forkOf } from "./differences.js";
import { ForkForm } from "./forking.js";
import { addressBar, bringIntoView, controlsDiffer, drawnSoon, followTheme, partsOf, wireJumps } from "./ground.js";
import { HEATS } from "./heat.js";
import { Inspector, questionOf } from "./inspector.js";
import { mapTokenAt } from "./maps.js";
import { drawMask, maskTokenAt } from "./mask.js";
import { MASKS } from "./masks.js";
import { showNarration } from "./narration.js";
import { drawPicture } from "./picture.js";
import { Player, wireScrubber } from "./player.js";
import { pointing } from "./pointing.js";
import { probeOf } from "./probe.js";
import { drawPyramid, pyramidLayout, tokenAt } from "./pyramid.js";
import { showReadout } from "./readout.js";
import { showReport } from "./report.js";
import { drawRounds } from "./rounds.js";
import { drawScrubber } from "./scrubber.js";
import { Selection } from "./selection.js";
import { Sides } from "./sides.js";
import { SCALES, Store } from "./store.js";
import { Surface } from "./surface.js";
import { readTheme } from "./theme.js";
import { showForking, showTransport, wireTransport } from "./transport.js";
import { describeViews } from "./words.js";

const part = partsOf(element);
const clock = new Clock();
const selection = new Selection();
const settings = { heat: "verdict", picture: "committed", mask: "block" };
const asked = (name) => (run, event, index) => server[name]([run, event, index]);
const language = { ...SCALES, paint: asked("picture") };
const sides = new Sides(() => new Store(props.idle, asked("frames"), runsChanged, language));
const rules = props.idle.rules || []; // a recording has none
const inspector = new Inspector({ token: asked("token"), swatches: asked("swatches") }, () => redraw());
const address = addressBar(scalesTab(rules, props.idle.models));
const still = window.matchMedia("(prefers-reduced-motion: reduce)");
const redraw = drawnSoon(clock, still, draw);
let theme = readTheme(element);
let controls = null; // the settings on the left, once one of them was touched
let shownRuns = [null];

// The run that the single views show: of two the right one, or the left one until there is another.
const shownStore = () => (sides.left && !sides.right.count ? sides.left : sides.right);
const view = () => sideView({ clock, selection, settings, theme }, shownStore());

const drawings = { rounds: drawRounds, picture: drawPicture, pyramid: drawPyramid, mask: drawMask, caches: drawCaches };
const surfaces = {};
const twice = LETTERS.flatMap((letter) => [letter + "-picture", letter + "-rounds", letter + "-maps"]);
for (const name of ["scrubber", ...Object.keys(drawings), ...twice]) surfaces[name] = new Surface(part(name), redraw);

function draw() {
  const shown = view();
  if (sides.comparing) shown.told = showCompare(part, sides, shown, surfaces);
  else drawOne(shown);
  const fork = sides.comparing ? forkOf(sides.right) : -1;
  surfaces.scrubber.paint((context, width, height) =>
    drawScrubber(context, width, height, { ...shown, stores: sides.stores, count: sides.count, fork }));
  showTransport(part, shown, sides, settingsChanged());
  showForking(part, shown, sides);
  showNarration(part, shown);
  noteAddress();
}

function drawOne(shown) {
  for (const [name, drawing] of Object.entries(drawings)) {
    surfaces[name].paint((context, width, height) => drawing(context, width, height, shown));
  }
  showCounters(part, shown);
  const question = questionOf(shown.state, shown.store.header, selection.token);
  showCodes(part, showReadout(part, shown), inspector.show(question));
  showReport(part, shown);
  describeViews(part, shown);
}

// --- What comes from the server ---------------------------------------------------------------------------------

// While one of the runs stays, the cursor and the held token stay too.
function runsChanged() {
  const { runs } = sides, cursor = clock.cursor;
  if (runs.join() !== shownRuns.join()) {
    const stays = runs.some((run) => run && shownRuns.includes(run));
    shownRuns = runs;
    clock.reset();
    clock.grow(sides.count);
    if (stays) clock.place(cursor);
    else selection.clear();
    inspector.clear();
    controls = null;
  }
  clock.grow(sides.count);
  part("compare").hidden = !sides.comparing;
  element.querySelector(".stage").classList.toggle("comparing", sides.comparing);
  document.body.classList.toggle("sdvar-busy", sides.right.busy);
  redraw();
}

// --- What the visitor does --------------------------------------------------------------------------------------

const player = new Player({ sides, clock, selection, trigger, redraw,
  begun: () => bringIntoView(element, part(sides.comparing ? "b-picture" : "picture"), still),
  help: () => part("help").showModal(),
});
const { goTo } = player;
watch("value", () => { if (props.value) player.receive(props.value); });

const forkForm = new ForkForm(part, rules, (wish) => trigger("fork", wish));
wireTransport(element, {
  ...player.actions,
  fork: () => {
    if (part("fork-button").disabled || sides.right.busy) return;
    const [store] = sides.stores, { state } = sideView(view(), store);
    forkForm.open(sides.comparing ? "run A" : "this run", store, state, selection.token);
  },
  beside: () => {
    if (!part("beside").disabled && !sides.comparing && !sides.right.busy) trigger("beside");
  },
  chooseA: () => trigger("choose", { side: "left" }),
  chooseB: () => trigger("choose", { side: "right" }),
});
part("help-close").addEventListener("click", () => part("help").close());

function choices(attribute, take) {
  const buttons = element.querySelectorAll("[" + attribute + "]");
  buttons.forEach((button) => button.addEventListener("click", () => {
    const name = button.getAttribute(attribute);
    take(name);
    buttons.forEach((one) => one.setAttribute("aria-pressed", String(one.getAttribute(attribute) === name)));
    redraw();
  }));
}
choices("data-heat", (name) => { if (HEATS[name]) settings.heat = name; });
choices("data-picture", (name) => { settings.picture = name; });

part("mask-kind").addEventListener("change", (event) => {
  if (MASKS[event.target.value]) settings.mask = event.target.value;
  redraw();
});

// find(x, y, width, height, sides of the run): the token at a place of the view that shows the run of store().
function pointAt(name, store, find) {
  pointing(part(name), surfaces[name], selection, {
    find: (x, y, { width, height }) => find(x, y, width, height, store().header.sides),
    ready: () => store().count > 0, sides: () => store().header.sides,
    current: () => sideView(view(), store()).state.current, redraw,
  });
}
pointAt("pyramid", shownStore, (x, y, width, height, scales) => tokenAt(x, y, pyramidLayout(width, height, scales), scales));
pointAt("mask", shownStore, maskTokenAt);
pointAt("a-maps", () => sides.stores[0], mapTokenAt);
pointAt("b-maps", () => sides.right, mapTokenAt);

wireScrubber(part("scrubber"), surfaces.scrubber, sides, goTo);
wireJumps(part, surfaces, view, goTo);

const settingsChanged = () => controlsDiffer(props.idle.order, controls, sides.right.header);

function noteAddress() {
  const { order } = props.idle, { header } = sides.right;
  if (!order.length) return; // a recording has no controls
  if (element.offsetParent === null) {
    address.leave();
    return;
  }
  const chosen = controls && Object.fromEntries(order.map((name, i) => [name, controls[i]]));
  const ofRun = header.run && !header.opened ? header.settings : null;
  const whole = inAddress(header) && !settingsChanged();
  address.note(chosen || ofRun, whole ? clock.cursor + 1 : null, whole ? header.settings.forks : []);
}

document.body.classList.remove("sdvar-busy"); // of a component that this one replaces
followTheme(element, (found) => {
  theme = found;
  redraw();
});

window.sdvar = probeOf({ sides, clock, selection, inspector, server, surfaces, view, draw, redraw, goTo,
  settings(values) { controls = values; } });

element.querySelector(".stage").dataset.ready = "true";
redraw();
