// Frames as they come from app/frames.py, decoded: base64 becomes typed arrays. Works in the browser and in node.

export const VERSION = 2;

const FLOATS = [
  "probability", "target_probability", "draft_probability", "standing_probability",
  "total_variation", "entropy", "luck",
];

export function bytesOf(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

// Little-endian numbers, read one by one, so that the result does not depend on the machine.
export function wholeNumbers(text) {
  const view = new DataView(bytesOf(text).buffer);
  return Uint16Array.from({ length: view.byteLength / 2 }, (_, i) => view.getUint16(2 * i, true));
}

export function realNumbers(text) {
  const view = new DataView(bytesOf(text).buffer);
  return Float32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

// One bit a token, the most significant bit of a byte first; as many as there are tokens.
export function bits(text, length) {
  const bytes = bytesOf(text);
  return Uint8Array.from({ length }, (_, i) => (bytes[i >> 3] >> (7 - (i & 7))) & 1);
}

export function decodeFrame(frame) {
  const decoded = { ...frame };
  for (const name of ["tokens", "drafted"]) {
    if (frame[name] !== undefined) decoded[name] = wholeNumbers(frame[name]);
  }
  for (const name of FLOATS) {
    if (frame[name] !== undefined) decoded[name] = realNumbers(frame[name]);
  }
  if (frame.kept !== undefined) decoded.kept = bits(frame.kept, decoded.tokens.length);
  return decoded;
}
