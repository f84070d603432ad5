// The address bar: settings and cursor as query parameters, so that an address shared is a run shared. app/address.py
// reads them. Whatever else the address holds stays.

const DEBOUNCE = 250; // milliseconds

// The name of a setting in the address.
const parameter = (name) => (name === "label" ? "world" : name);

// The address's query with these settings (null: as they are) and this event, counted from 1 (null: none).
export function queryOf(search, settings, event) {
  const query = new URLSearchParams(search);
  for (const [name, value] of Object.entries(settings || {})) query.set(parameter(name), String(value));
  if (event === null) query.delete("event");
  else query.set("event", String(event));
  return "?" + query.toString();
}

export class AddressBar {
  // read(): the query now. write(query): replace it. later, drop: as setTimeout and clearTimeout.
  constructor(read, write, later = setTimeout.bind(null), drop = clearTimeout.bind(null)) {
    this.read = read;
    this.write = write;
    this.later = later;
    this.drop = drop;
    this.touched = false; // until something is known an address that was opened is left alone
    this.noted = null;
  }

  note(settings, event) {
    this.touched = this.touched || settings !== null;
    const noted = JSON.stringify([settings, event]);
    if (!this.touched || noted === this.noted) return;
    this.noted = noted;
    this.drop(this.waiting);
    this.waiting = this.later(() => {
      const query = queryOf(this.read(), settings, event);
      if (query !== this.read()) this.write(query);
    }, DEBOUNCE);
  }
}
