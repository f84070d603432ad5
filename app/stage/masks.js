// Which columns a row of the attention mask may look at: the right mask, and wrong ones to compare it with. Positions
// count all tokens of the pyramid from 0; a span is [first, stop). No DOM here.

export const MASKS = {
  block: { name: "block-causal (right)",
    said: "Every token looks at all coarser scales and at the whole of its own scale, as in training." },
  token: { name: "token-causal", wrong: true,
    said: "As in a model of text: a token misses the tokens after it in its own scale, which it saw in training." },
  within: { name: "within-scale only", wrong: true,
    said: "Each scale looks at itself alone: what coarser scales decided reaches it only blurred, in its input." },
  row0: { name: "cut from row 0", wrong: true,
    said: "New rows get the rights of the first rows and miss the scales just drawn; only the first call is right." },
  query: { name: "own tokens as query", wrong: true,
    said: "The mask is right, but a scale is asked with its own guessed tokens: each row is told the answer it should give." },
};

export function offsetsOf(sides) {
  const offsets = [0];
  for (const side of sides) offsets.push(offsets[offsets.length - 1] + side * side);
  return offsets;
}

export function scaleOf(position, offsets) {
  let scale = 0;
  while (offsets[scale + 1] <= position) scale += 1;
  return scale;
}

// The columns that the row at `position` sees under a kind of mask. reading: the rows computed now, { start, stop } in
// scales, or null; a mask cut from row 0 is wrong only for those.
export function spanOf(kind, position, offsets, reading) {
  const scale = scaleOf(position, offsets);
  if (kind === "token") return [0, position + 1];
  if (kind === "within") return [offsets[scale], offsets[scale + 1]];
  if (kind === "row0" && reading && scale >= reading.start && scale < reading.stop) {
    return [0, offsets[scaleOf(position - offsets[reading.start], offsets) + 1]];
  }
  return [0, offsets[scale + 1]];
}

// Where a position stands along an axis on which each scale is as wide as its side.
export function placeOf(position, offsets, edges) {
  if (position >= offsets[offsets.length - 1]) return edges[edges.length - 1];
  const scale = scaleOf(position, offsets);
  const share = (position - offsets[scale]) / (offsets[scale + 1] - offsets[scale]);
  return edges[scale] + share * (edges[scale + 1] - edges[scale]);
}
