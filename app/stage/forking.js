// The form of a fork: what shall be otherwise from an event on. It builds a wish, and app/choices.py reads it.

import { CORRECTED, KEPT, TOLERATED } from "./fold.js";
import { write } from "./readout.js";

// The held token's verdict, if the rule spoke on it: { event, scale, index, kept }, else null.
export function verdictOf(state, token) {
  const record = token ? state.scales[token.scale] : null;
  if (!record || !record.verdicts || record.status !== "judged") return null;
  const verdict = record.verdicts[token.index];
  if (![KEPT, CORRECTED, TOLERATED].includes(verdict)) return null;
  return { event: record.source, ...token, kept: verdict === KEPT };
}

// What is asked of the server. now: rule, options and γ in force. chosen: the same as the form says, and `overturn`.
export function wishOf(cursor, verdict, now, chosen) {
  const overturn = chosen.overturn && verdict !== null;
  const other = chosen.rule !== now.rule;
  const options = Object.entries(chosen.options);
  const moved = options.some(([name, value]) => value !== now.options[name]);
  return {
    event: overturn ? verdict.event : cursor,
    rule: other ? chosen.rule : null,
    options: options.length && (other || moved) ? chosen.options : null,
    gamma: chosen.gamma !== now.gamma ? chosen.gamma : null,
    token: overturn ? verdict.index : null,
  };
}

export class ForkForm {
  // part(name): an element. rules: see component.py. send(wish).
  constructor(part, rules, send) {
    this.part = part;
    this.rules = new Map(rules.map((rule) => [rule.name, rule]));
    part("fork-rule").replaceChildren(...rules.map((rule) => new Option(rule.name + (rule.exact ? " · exact" : ""), rule.name)));
    part("fork-rule").addEventListener("change", () => { this.showOptions({}); this.tell(); });
    part("fork-overturn").addEventListener("change", () => this.tell());
    part("fork-cancel").addEventListener("click", () => part("fork-form").close());
    part("fork-run").addEventListener("click", () => {
      part("fork-form").close();
      send(wishOf(this.cursor, this.verdict, this.now, this.chosen()));
    });
  }

  // which: how the run is called. state: at the cursor.
  open(which, { header, count }, state, token) {
    const { settings } = header, rule = state.rule || settings.rule;
    this.cursor = Math.min(Math.max(state.index, 0), count);
    this.verdict = verdictOf(state, token);
    this.which = which;
    const known = this.rules.get(rule), options = known ? known.options : [];
    const given = rule === settings.rule ? settings : {};
    this.now = { rule, gamma: settings.gamma,
      options: Object.fromEntries(options.map((one) => [one.name, given[one.name] === undefined ? one.default : given[one.name]])) };
    this.part("fork-rule").value = rule;
    this.part("fork-gamma").value = settings.gamma;
    this.part("fork-gamma").max = header.sides.length;
    this.part("fork-overturn").checked = this.verdict !== null;
    this.part("fork-overturn").disabled = this.verdict === null;
    this.showOptions(this.now.options);
    this.tell();
    this.part("fork-form").showModal();
  }

  showOptions(values) {
    const rule = this.rules.get(this.part("fork-rule").value);
    this.part("fork-options").replaceChildren(...(rule ? rule.options : []).map((option) => {
      const label = document.createElement("label"), name = document.createElement("span"), input = document.createElement("input");
      name.textContent = option.name.replaceAll("_", " ");
      label.title = option.sentence;
      Object.assign(input, { type: "number", min: option.least, max: option.most, step: option.whole ? 1 : "any",
        value: values[option.name] === undefined ? option.default : values[option.name], name: option.name });
      label.append(name, input);
      return label;
    }));
  }

  chosen() {
    const inputs = Array.from(this.part("fork-options").querySelectorAll("input"));
    return {
      rule: this.part("fork-rule").value,
      options: Object.fromEntries(inputs.map((input) => [input.name, input.valueAsNumber])),
      gamma: this.part("fork-gamma").valueAsNumber,
      overturn: this.part("fork-overturn").checked,
    };
  }

  tell() {
    const { part, verdict } = this, overturn = part("fork-overturn").checked && verdict !== null;
    const event = (overturn ? verdict.event : this.cursor) + 1;
    write(part("fork-title"), "Fork " + this.which + " at event " + event);
    write(part("fork-said"), (event > 1 ? "What came before event " + event + " stays as it is. " : "")
      + "The run goes on beside it with your choice, and with the same luck.");
    const rule = this.rules.get(part("fork-rule").value);
    write(part("fork-token"), verdict === null ? "Overturn a verdict"
      : "Overturn the verdict of token " + (verdict.index + 1) + " of scale " + (verdict.scale + 1)
        + (verdict.kept ? ": it was kept, reject it" : ": it was rejected, keep it"));
    write(part("fork-hint"), verdict === null ? "Hold a token of a judged scale first: click it in the pyramid."
      : !overturn ? "The run then forks at event " + (verdict.event + 1) + ", where it was judged."
      : rule && rule.whole ? "This rule judges a scale whole, so the whole scale is turned round. The run is no longer exact."
      : "The run is no longer exact: a verdict was overturned by hand.");
    write(part("fork-rule-said"), rule ? rule.sentence : "");
  }
}
