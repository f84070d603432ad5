// Two runs at one event: which of the tokens that stand in both are not the same code, and what to say of it.

const STANDING = ["judged", "bonus", "unverified"];

// For each scale a mark a token (1: differs), or null where it does not stand in both; how many differ of how many, and
// the first scale in which one does (null: none).
export function differences(one, other) {
  const scales = one.scales.map((record, scale) => marks(record, other.scales[scale]));
  const counts = scales.map((entry) => (entry ? entry.reduce((sum, mark) => sum + mark, 0) : 0));
  const first = counts.findIndex((count) => count > 0);
  return {
    scales, counts,
    differing: counts.reduce((sum, count) => sum + count, 0),
    compared: scales.reduce((sum, entry) => sum + (entry ? entry.length : 0), 0),
    first: first < 0 ? null : first,
  };
}

function marks(record, other) {
  const stand = other && STANDING.includes(record.status) && STANDING.includes(other.status);
  return stand ? Uint8Array.from(record.tokens, (token, index) => Number(token !== other.tokens[index])) : null;
}

// The event at which a run took another way than the one that it left, or -1.
export function forkOf(store) {
  for (let index = store.count - 1; index >= 0; index -= 1) if (store.frames[index].fork) return index;
  return -1;
}

// The sentence under two runs: what was chosen otherwise, and how far they are apart.
export function comparedSentence({ left, right, cursor, differ }) {
  if (!right.count) return "Run A is kept. Change what you like on the left and press Generate: the new run comes beside it.";
  const fork = forkOf(right);
  if (fork > cursor) return "Up to here both runs are the same; B forks from A at event " + (fork + 1) + ".";
  const told = fork < 0 ? luckSentence(left.header, right.header) : right.frames[fork].fork.sentence;
  return (told + " " + differingWords(differ)).trim();
}

export function differingWords({ differing, compared, first }) {
  if (!compared) return "No token is final in both yet.";
  if (!differing) return "All " + compared + " tokens that are final in both are equal.";
  return differing + " of " + compared + " tokens that are final in both differ, the first in scale " + (first + 1) + ".";
}

// Two runs are alike in luck if seed and world are the same.
function luckSentence(one, other) {
  const same = one.settings.seed === other.settings.seed;
  return same ? "The same luck, seed " + one.settings.seed + "."
    : "Not the same luck: seeds " + one.settings.seed + " and " + other.settings.seed + ".";
}
