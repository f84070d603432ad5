// Bytes as a person reads them. A text is any bytes: some are letters, some are parts of a letter, some are neither.

const SIGNS = { 0: "␀", 9: "⇥", 10: "↵", 13: "␍", 32: "␣" };
const NAMES = { 0: "the zero byte", 9: "a tab", 10: "a new line", 13: "a carriage return", 32: "a space" };

const hex = (byte) => byte.toString(16).toUpperCase().padStart(2, "0");

// A sign for one byte, at most two letters wide.
export function signOf(byte) {
  if (SIGNS[byte]) return SIGNS[byte];
  return byte > 32 && byte < 127 ? String.fromCharCode(byte) : hex(byte);
}

// The same in words: “a”, a space, byte E9.
export function nameOf(byte) {
  if (NAMES[byte]) return NAMES[byte];
  return byte > 32 && byte < 127 ? "“" + String.fromCharCode(byte) + "”" : "byte " + hex(byte);
}

// How many bytes the letter that begins at `at` has in UTF-8; 0 where none begins that is whole and well formed.
function letterLength(bytes, at) {
  const first = bytes[at];
  const length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3
    : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  if (!length || at + length > bytes.length) return 0;
  for (let i = 1; i < length; i += 1) if ((bytes[at + i] & 0xc0) !== 0x80) return 0;
  const second = bytes[at + 1]; // overlong forms, surrogates, and what lies beyond Unicode
  if ((first === 0xe0 && second < 0xa0) || (first === 0xed && second > 0x9f)) return 0;
  if ((first === 0xf0 && second < 0x90) || (first === 0xf4 && second > 0x8f)) return 0;
  return length;
}

// Letters that would not be seen, or would turn the text around.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{M}]/u;

// Bytes as pieces to write: { first, length, text, kind }. kind: letter; line (a new line, shown and made); sign, for
// what is no letter, shown by signs.
export function pieces(bytes) {
  const found = [];
  for (let at = 0; at < bytes.length;) {
    const length = letterLength(bytes, at) || 1, piece = bytes.slice(at, at + length);
    const text = length > 1 || piece[0] < 0x80 ? new TextDecoder().decode(Uint8Array.from(piece)) : "";
    if (piece[0] === 10) found.push({ first: at, length, text: "↵\n", kind: "line" });
    else if (text && !UNSEEN.test(text)) found.push({ first: at, length, text, kind: "letter" });
    else found.push({ first: at, length, text: Array.from(piece, signOf).join(" "), kind: "sign" });
    at += length;
  }
  return found;
}

// Bytes on one line, for sentences and titles.
export function line(bytes) {
  return pieces(bytes).map(({ text, kind }) => (kind === "line" ? "↵" : text)).join("");
}
