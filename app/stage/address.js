// The address bar: settings and cursor as query parameters, so that an address shared is a run shared. app/address.py
// reads them. Whatever else the address holds stays.

const DEBOUNCE = 250; // milliseconds

// Setting → its name in the address. What is folded away on the page has its own names there.
const PARAMETERS = new Map([["label", "world"], ...["seed", "rule", "gamma", "draft_length", "guidance", "temperature",
  "top_k", "top_p", "carry_over"].map((name) => [name, name])]);

const PLAN = "speculate to the end"; // what is not written
const FAULT = "none";

// Is there a run that an address can say all of? Not one of a file, and none with phases that no plan gives.
export function inAddress({ run, opened, settings }) {
  return !!run && !opened && (!!settings.plan || !settings.phases || !settings.phases.length);
}

// The choices beyond the common ones that matter to a run; each other one is left out. rules, models: those of the
// page, see component.py; a run on the models of the page does not name them.
export function furtherOf(settings, rules, models = {}) {
  const said = {}, { plan, handover, fault } = settings;
  if (plan && plan !== PLAN) said.plan = plan;
  if (said.plan && /from n/.test(plan) && handover) said.handover = handover;
  if (fault && fault !== FAULT) said.fault = fault;
  const names = Object.keys(models), others = names.some((name) => settings[name] && settings[name] !== models[name]);
  if (others) for (const name of names) said[name] = settings[name];
  const rule = rules.find((one) => one.name === settings.rule);
  for (const option of rule ? rule.options : []) {
    const value = settings[option.name];
    if (value !== undefined && value !== null && Number(value) !== option.default) said[option.name] = value;
  }
  return said;
}

// Forks as app/address.py reads them: "12*rule-token*gamma-2*token-5", joined by "**".
export function forkText(forks) {
  return forks.map(({ event, rule, options, gamma, token }) => {
    const parts = [String(event + 1)];
    if (rule !== null) parts.push("rule-" + rule);
    for (const [name, value] of options || []) parts.push(name + "-" + value);
    if (gamma !== null) parts.push("gamma-" + gamma);
    if (token !== null) parts.push("token-" + (token + 1));
    return parts.join("*");
  }).join("**");
}

// A tab of the page, as its address has it: its name there, null for the first one, and write(query, settings).
// rules, models: see component.py.
export function scalesTab(rules = [], models = {}) {
  const further = ["plan", "handover", "fault", ...Object.keys(models), ...rules.flatMap((rule) => rule.options.map((option) => option.name))];
  return { tab: null, write(query, settings) {
    for (const [name, parameter] of PARAMETERS) if (settings[name] !== undefined) query.set(parameter, String(settings[name]));
    const said = furtherOf(settings, rules, models);
    for (const name of further) {
      if (name in said) query.set(name, String(said[name]));
      else query.delete(name);
    }
  } };
}

// The address's query with these settings (null: as they are), this event, counted from 1 (null: none), and these forks.
// What another tab has written there goes.
export function queryOf(search, settings, event, forks = [], tab = scalesTab()) {
  let query = new URLSearchParams(search);
  if (query.get("tab") !== tab.tab) query = new URLSearchParams([...query].filter(([name]) => name.startsWith("__")));
  if (tab.tab) query.set("tab", tab.tab);
  if (settings) tab.write(query, settings);
  if (event === null) query.delete("event");
  else query.set("event", String(event));
  if (event === null || !forks.length) query.delete("fork");
  else query.set("fork", forkText(forks));
  return "?" + query.toString();
}

export class AddressBar {
  // read(): the query now. write(query): replace it. later, drop: as setTimeout and clearTimeout. tab: see scalesTab.
  constructor(read, write, later = setTimeout.bind(null), drop = clearTimeout.bind(null), tab = scalesTab()) {
    this.tab = tab;
    this.read = read;
    this.write = write;
    this.later = later;
    this.drop = drop;
    // Until something is known an address that was opened is left alone; one of another tab is not.
    this.touched = tab.tab !== null && new URLSearchParams(read()).get("tab") !== tab.tab;
    this.noted = null;
  }

  // Another tab is shown: the address is its own. Whoever comes back from there says again what is here.
  leave() {
    this.drop(this.waiting);
    this.noted = null;
    this.touched = true;
  }

  note(settings, event, forks = []) {
    this.touched = this.touched || settings !== null;
    const noted = JSON.stringify([settings, event, forks]);
    if (!this.touched || noted === this.noted) return;
    this.noted = noted;
    this.drop(this.waiting);
    this.waiting = this.later(() => {
      const query = queryOf(this.read(), settings, event, forks, this.tab);
      if (query !== this.read()) this.write(query);
    }, DEBOUNCE);
  }
}
