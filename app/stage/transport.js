// Buttons and keys: what each one does to the cursor. Nothing here draws.

const KEYS = {
  ArrowLeft: "back", ArrowRight: "forward", " ": "play", Home: "first", End: "last", "[": "previousRejection",
  "]": "nextRejection", "?": "help", g: "generate", Escape: "letGo",
};

// actions: a function for each name above, and "speed".
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
    if (!action || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
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

// note(store): what the run is, in a few words.
export function showTransport(part, { store, clock, state }, changed, note = runNote) {
  const where = part("where");
  const text = store.count ? "event " + (clock.cursor + 1) + " of " + store.count + (store.finished ? "" : " …")
    : "no run yet";
  if (where.textContent !== text) where.textContent = text;
  part("speed").textContent = (clock.speed === 0.5 ? "½" : clock.speed) + "×";
  part("play").classList.toggle("playing", clock.playing);
  part("play").setAttribute("aria-label", clock.playing ? "Pause" : "Play");
  part("run-note").textContent = changed ? "settings changed: Generate or Step starts a new run" : note(store);
  part("run-note").classList.toggle("changed", changed);
  showFault(part("fault-mark"), store.header.fault);
  const scrubber = part("scrubber");
  scrubber.setAttribute("aria-valuemin", store.count ? 1 : 0);
  scrubber.setAttribute("aria-valuemax", store.count);
  scrubber.setAttribute("aria-valuenow", clock.cursor + 1);
  scrubber.setAttribute("aria-valuetext", store.count ? text + ": " + state.sentence : text);
}

function runNote({ header }) {
  if (!header.run) return "";
  const { seed, rule, gamma, carry_over: carry, plan } = header.settings;
  const exact = header.exact ? " (exact)" : "";
  return header.label + " · seed " + seed + " · " + rule + exact + " · γ " + gamma + (carry ? " · carry over" : "")
    + (plan && plan !== "speculate to the end" ? " · " + planWords(header.settings) : "");
}

function planWords({ plan, handover }) {
  return handover ? plan.replace("from n", "from scale " + handover) : plan;
}

function showFault(mark, fault) {
  mark.hidden = !fault;
  const text = fault ? "fault: " + fault.name : "";
  if (mark.textContent !== text) mark.textContent = text;
}
