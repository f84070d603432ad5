// The token that is pointed at or chosen: the numbers of its frame, and its verdict in one sentence.

import { BONUS, CORRECTED, KEPT, NONE, PENDING, TOLERATED, UNVERIFIED } from "./fold.js";

// What there is to say about a token: title, rows, numbers and a sentence. Null where its scale is empty.
export function tokenFacts(state, header, { scale, index }) {
  const record = state.scales[scale], side = header.sides[scale];
  const title = "Token " + (index + 1) + " of scale " + (scale + 1) + " — row " + (Math.floor(index / side) + 1)
    + ", column " + ((index % side) + 1);
  const verdict = record.verdicts ? record.verdicts[index] : NONE;
  if (verdict === NONE) return { title, verdict, codes: [], numbers: [], sentence: "This scale is still to come." };
  const at = (array) => (array ? array[index] : undefined);
  const facts = { title, verdict, drafted: at(record.drafted), standing: at(record.tokens), p: at(record.p),
    q: at(record.q), standingP: at(record.standing), tv: at(record.tv), entropy: at(record.entropy),
    luck: at(record.luck), byHand: record.byHand.includes(index) };
  facts.pending = !JUDGED.includes(verdict) && verdict !== BONUS;
  return { ...facts, codes: knownCodes(facts), numbers: numberRows(facts),
    sentence: sentenceOf(facts, record.rule || header.settings.rule, record.carried) };
}

const JUDGED = [KEPT, CORRECTED, TOLERATED];

// The codes that the frame itself knows; the server knows more (inspector.js).
function knownCodes({ verdict, drafted, standing, p, q, standingP }) {
  if (verdict === BONUS) return [{ code: standing, p: standingP }];
  if (verdict === CORRECTED) return [{ code: drafted, p, q }, { code: standing, p: standingP }];
  return [{ code: drafted, p: JUDGED.includes(verdict) ? p : undefined, q }];
}

function numberRows({ verdict, p, q, tv, entropy, luck }) {
  const judged = JUDGED.includes(verdict);
  return [
    ["ratio p/q", judged ? number(p / q) : "–"],
    ["luck u", number(luck)],
    ["TV(p, q)", judged ? number(tv) : "–"],
    [judged || verdict === BONUS ? "entropy of p" : "entropy of q", Number.isFinite(entropy) ? number(entropy) + " nats" : "–"],
  ];
}

function sentenceOf(facts, rule, carried) {
  const { verdict, drafted, standing, q, standingP } = facts;
  const guess = carried ? "Before the correction the target would have drawn code " + drafted
    : "The draft drew code " + drafted + " (q " + number(q) + ")";
  if (verdict === PENDING) return guess + ". It is not judged yet.";
  if (verdict === BONUS) return "The target drew code " + standing + " itself (p " + number(standingP) + ").";
  if (verdict === UNVERIFIED) return guess + ". It stands without a check.";
  if (!JUDGED.includes(verdict)) return guess + ". A coarser scale was corrected, so this guess is thrown away.";
  if (facts.byHand) return byHandVerdict(facts, guess);
  if (verdict === TOLERATED && rule !== "scale") return guess + ". The test did not keep it, yet the same code stands.";
  return VERDICTS[rule] ? VERDICTS[rule](facts, guess, carried) : plainVerdict(facts, guess);
}

// What each rule says of a token that it kept or corrected. Rules not named here get the plain words.
const VERDICTS = {
  coupled({ verdict, drafted, standing, standingP }, guess, carried) {
    if (verdict === KEPT) {
      return carried ? "With the same luck the target still draws code " + drafted + ". It is kept."
        : "With the same luck draft and target both draw code " + drafted + ". It is kept.";
    }
    return guess + "; with the same luck the target draws code " + standing + " (p " + number(standingP)
      + "). The target's stands.";
  },
  greedy({ verdict, drafted, standing }) {
    return verdict === KEPT ? "Code " + drafted + " is the target's likeliest too. It is kept."
      : "The draft's likeliest code is " + drafted + ", the target's is " + standing + ". The target's stands.";
  },
  token({ verdict, drafted, standing, p, q, luck }) {
    const kept = verdict === KEPT;
    const test = "u " + number(luck) + (kept ? " is below " : " is not below ") + "p/q " + number(p / q);
    return kept ? "Code " + drafted + " is kept: " + test + "."
      : "Code " + drafted + " goes: " + test + ". Code " + standing + " is redrawn from where p exceeds q.";
  },
};
VERDICTS.budget = VERDICTS.token;
// A neighbour's probability is lent, so that u may also be above p/q.
VERDICTS.neighbours = ({ verdict, drafted, standing, p, q, luck }) =>
  "Code " + drafted + (verdict === KEPT ? " is kept: u " : " goes: u ") + number(luck) + ", p/q " + number(p / q)
  + ", with what its nearest codes lend" + (verdict === KEPT ? "." : ". Code " + standing + " is redrawn from where p exceeds q.");
// One u and one ratio for the whole scale.
VERDICTS.scale = ({ verdict, drafted, standing, luck }) =>
  (verdict === KEPT ? "The whole scale is kept, and code " + drafted + " with it: u " + number(luck) + " passes its test of P/Q."
    : "The whole scale is redrawn: u " + number(luck) + " fails its test of P/Q. Code " + drafted
      + (standing === drafted ? " is drawn again." : " gives way to code " + standing + "."));

function byHandVerdict({ verdict, drafted, standing }, guess) {
  return verdict === KEPT ? guess + ". The rule rejected it; it was kept by hand."
    : guess + ". The rule kept it; it was rejected by hand, and code " + standing + " stands in its place.";
}

function plainVerdict({ verdict, drafted, standing }, guess) {
  return verdict === KEPT ? guess + ". It is kept." : guess + ". Code " + standing + " stands in its place.";
}

// Three digits that matter, without exponents for what people meet.
export function number(value) {
  if (value === undefined || value === null || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return "∞";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1000) return Math.round(value).toLocaleString("en");
  if (size < 0.0005) return value.toExponential(1).replace("e-", "e−");
  return size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 1 ? value.toFixed(2)
    : value.toFixed(3);
}

const VERDICT_CLASS = { [KEPT]: "kept", [TOLERATED]: "kept", [CORRECTED]: "corrected", [BONUS]: "bonus" };

// Write the facts into the card and return them, or null. `part(name)` finds its elements.
export function showReadout(part, view) {
  const { state, store, selection } = view;
  const token = selection.token;
  const facts = token && store.count ? tokenFacts(state, store.header, token) : null;
  part("readout-intro").hidden = !!facts;
  part("readout-facts").hidden = !facts;
  if (!facts) {
    part("intro-start").hidden = store.count > 0;
    part("intro-point").hidden = store.count === 0;
    return null;
  }
  // Said aloud when chosen, not while the pointer passes over tokens.
  part("readout-facts").setAttribute("aria-live", selection.hovered ? "off" : "polite");
  write(part("readout-title"), facts.title);
  part("numbers").hidden = !facts.numbers.length;
  facts.numbers.forEach(([name, value], i) => {
    write(part("number-name-" + i), name);
    write(part("number-value-" + i), value);
  });
  const verdict = part("verdict");
  write(verdict, facts.sentence);
  verdict.className = "verdict " + (VERDICT_CLASS[facts.verdict] || "");
  return facts;
}

export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
