// Frames of a text run as they come from app/tree/frames.py, decoded: base64 becomes typed arrays.

import { bytesOf, realNumbers } from "../frames.js";

export const VERSION = 1;

const BYTES = ["tokens", "likeliest"];
const NODES = ["parents", "path"];
const NUMBERS = ["scores", "probability", "entropy", "norms"];

export function nodeNumbers(text) {
  const view = new DataView(bytesOf(text).buffer);
  return Int16Array.from({ length: view.byteLength / 2 }, (_, i) => view.getInt16(2 * i, true));
}

export function decodeFrame(frame) {
  const decoded = { ...frame };
  for (const [names, read] of [[BYTES, bytesOf], [NODES, nodeNumbers], [NUMBERS, realNumbers]]) {
    for (const name of names) if (typeof frame[name] === "string") decoded[name] = read(frame[name]);
  }
  return decoded;
}
