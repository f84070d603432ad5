// What a token's colour means: its verdict, its code, or one of the numbers of its frame.

import { NONE } from "./fold.js";
import { codeColour, mix } from "./theme.js";

// name: on the switch. of: the number of a token, or undefined where there is none. most: the top of the ramp.
export const HEATS = {
  verdict: { name: "verdict" },
  code: { name: "code", said: "Equal colours are equal codes." },
  p: { name: "p(x)", said: "Target's probability of the guessed code", of: (record, i) => record.p && record.p[i] },
  q: { name: "q(x)", said: "Draft's probability of its guess", of: (record, i) => record.q && record.q[i] },
  tv: { name: "TV", said: "Distance of p and q (total variation)", of: (record, i) => record.tv && record.tv[i],
    warm: true },
  entropy: { name: "entropy", said: "How undecided the model is, in nats",
    of: (record, i) => record.entropy && record.entropy[i], most: (header) => Math.log(header.codes) / 2 },
};

export function cellColour(record, index, verdict, { theme, settings, store }) {
  if (verdict === NONE) return theme.well;
  const heat = HEATS[settings.heat];
  if (settings.heat === "verdict") return theme.verdicts[verdict];
  if (settings.heat === "code") return codeColour(theme, record.tokens[index]);
  const value = heat.of(record, index);
  if (value === undefined || value === null || Number.isNaN(value)) return theme.line;
  return mix(theme.low, heat.warm ? theme.warm : theme.high, value / topOf(settings.heat, store.header));
}

export function topOf(name, header) {
  const { most } = HEATS[name];
  return most ? most(header) : 1;
}
