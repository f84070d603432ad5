// The address bar: settings and cursor as query parameters, so that an address shared is a run shared. app/address.py
// reads them. Whatever else the address holds stays.

const DEBOUNCE = 250; // milliseconds

// Setting → its name in the address. What else a visitor can choose is not written.
const PARAMETERS = new Map([["label", "world"], ...["seed", "rule", "gamma", "draft_length", "guidance", "temperature",
  "top_k", "top_p", "carry_over"].map((name) => [name, name])]);

// Is there a run that an address can say all of? Not one of a file, and none with a fault, phases or a rule's options.
export function inAddress({ run, opened, fault, settings }) {
  return !!run && !opened && !fault && !settings.phases.length && !settings.options.length;
}

// The tabs whose runs an address can say: the first has no name there. names: their settings.
const SCALES = { tab: null, names: [...PARAMETERS.keys()] };

// The address's query with these settings (null: as they are) and this event, counted from 1 (null: none). What
// another tab has written there goes.
export function queryOf(search, settings, event, { tab, names } = SCALES) {
  let query = new URLSearchParams(search);
  if (query.get("tab") !== tab) query = new URLSearchParams([...query].filter(([name]) => name.startsWith("__")));
  if (tab) query.set("tab", tab);
  for (const [name, value] of Object.entries(settings || {})) {
    if (names.includes(name)) query.set(PARAMETERS.get(name) || name, String(value));
  }
  if (event === null) query.delete("event");
  else query.set("event", String(event));
  return "?" + query.toString();
}

export class AddressBar {
  // read(): the query now. write(query): replace it. later, drop: as setTimeout and clearTimeout.
  // tab: whose settings they are.
  constructor(read, write, later = setTimeout.bind(null), drop = clearTimeout.bind(null), tab = SCALES) {
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

  note(settings, event) {
    this.touched = this.touched || settings !== null;
    const noted = JSON.stringify([settings, event]);
    if (!this.touched || noted === this.noted) return;
    this.noted = noted;
    this.drop(this.waiting);
    this.waiting = this.later(() => {
      const query = queryOf(this.read(), settings, event, this.tab);
      if (query !== this.read()) this.write(query);
    }, DEBOUNCE);
  }
}
