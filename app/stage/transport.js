// Buttons and keys: what each one does to the cursor. Nothing here draws.

const KEYS = {
  ArrowLeft: "back", ArrowRight: "forward", " ": "play", Home: "first", End: "last", "[": "previousRejection",
  "]": "nextRejection", "?": "help", g: "generate", f: "fork", c: "beside", Escape: "letGo",
};

// actions: a function for each name above that the stage has, and "speed".
export function wireTransport(element, actions) {
  element.querySelectorAll("[data-do]").forEach((button) => {
    button.addEventListener("click", () => actions[button.dataset.do]());
  });
  const onKey = (event) => {
    if (!element.isConnected) {
      document.removeEventListener("keydown", onKey);
      return;
    }
    const action = KEYS[event.key];
    if (!actions[action] || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || element.offsetParent === null) return;
    if (event.key === " " && event.target.closest("button, a, summary, [role=button], [role=tab]")) return;
    if (element.querySelector("dialog[open]")) return;
    event.preventDefault();
    actions[action]();
  };
  document.addEventListener("keydown", onKey);
}

// Keys belong to whatever takes text or has arrows of its own.
function isTyping(target) {
  return target instanceof Element
    && target.closest("input, textarea, select, [contenteditable=true], [role=listbox], [role=tab]") !== null;
}

// sides: the run, or the two that are compared; view: of the one on the right, or of the left one while it is alone.
// note(store): what a run is, in a few words.
export function showTransport(part, { store, clock, state }, sides, changed, note = runNote) {
  const where = part("where");
  const text = sides.count ? "event " + (clock.cursor + 1) + " of " + sides.count + (sides.finished ? "" : " …")
    : "no run yet";
  if (where.textContent !== text) where.textContent = text;
  part("speed").textContent = (clock.speed === 0.5 ? "½" : clock.speed) + "×";
  part("play").classList.toggle("playing", clock.playing);
  part("play").setAttribute("aria-label", clock.playing ? "Pause" : "Play");
  part("run-note").textContent = changed ? "settings changed: Generate or Step starts a new run" + (sides.comparing ? " as B" : "")
    : sides.comparing ? pairNote(sides) : note(store);
  part("run-note").classList.toggle("changed", changed);
  showFault(part("fault-mark"), sides.comparing ? null : store.header.fault);
  const scrubber = part("scrubber");
  scrubber.setAttribute("aria-valuemin", sides.count ? 1 : 0);
  scrubber.setAttribute("aria-valuemax", sides.count);
  scrubber.setAttribute("aria-valuenow", clock.cursor + 1);
  scrubber.setAttribute("aria-valuetext", sides.count ? text + ": " + state.sentence : text);
}

// The buttons that put two runs side by side.
export function showForking(part, { store }, sides) {
  part("fork-button").disabled = !store.count || !!sides.stores[0].header.opened;
  part("beside").disabled = !store.count;
  part("beside").hidden = sides.comparing;
}

function runNote({ header }) {
  if (!header.run) return "";
  const { seed, rule, gamma, carry_over: carry, plan } = header.settings;
  const exact = header.exact ? " (exact)" : "";
  return header.label + " · seed " + seed + " · " + rule + exact + " · γ " + gamma + (carry && carry !== "off" ? " · carry over: " + carry : "")
    + (plan && plan !== "speculate to the end" ? " · " + planWords(header.settings) : "") + forkWords(header.settings);
}

function forkWords({ forks }) {
  if (!forks || !forks.length) return "";
  return forks.some((fork) => fork.token !== null) ? " · forked, not exact: a verdict was overturned by hand" : " · forked";
}

function pairNote({ left, right }) {
  const one = left.header, other = right.header;
  if (!other.run) return one.label + " · seed " + one.settings.seed + " · run B is to come";
  return one.label === other.label ? one.label + " · two runs, one slider" : one.label + " beside " + other.label;
}

function planWords({ plan, handover }) {
  return handover ? plan.replace("from n", "from scale " + handover) : plan;
}

function showFault(mark, fault) {
  mark.hidden = !fault;
  const text = fault ? "fault: " + fault.name : "";
  if (mark.textContent !== text) mark.textContent = text;
}
