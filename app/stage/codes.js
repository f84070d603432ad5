// The likeliest codes of a token as paired bars: the target's p above the draft's q, and, where the rule redraws from
// what p has more than q, that distribution as a third.

import { number, write } from "./readout.js";

const BARS = ["p", "q", "redraw"];

// The rows to show: the server's, or, until it answers, the two codes that the frame itself knows.
export function codeRows(facts, answer) {
  if (!answer || !answer.rows) return facts.codes.map((row) => ({ ...row, mark: markOf(row.code, facts) }));
  return answer.rows.map((row) => ({ ...row, mark: markOf(row.code, facts),
    swatch: answer.swatches ? answer.swatches[row.code] : undefined }));
}

// guessed: and gone. stands: not guessed. both: guessed, and stands or not judged yet.
function markOf(code, { drafted, standing }) {
  if (code === drafted) return code === standing ? "both" : "guessed";
  return code === standing ? "stands" : "";
}

const SIGNS = { guessed: "✕", stands: "✓", both: "✓", "": "" };
const WORDS = { guessed: "guessed, does not stand", stands: "stands", both: "guessed and stands", "": "" };

export function showCodes(part, facts, answer) {
  showRows(part, facts ? codeRows(facts, answer) : [], !!facts && facts.pending, (answer && answer.notice) || "");
}

// Rows { code, name, p, q, redraw, swatch, mark } as bars; name: how a code is called where its number says little.
export function showRows(part, rows, pending, note) {
  const list = part("codes");
  part("codes-card").hidden = !rows.length;
  if (!rows.length) return;
  while (list.children.length < rows.length) list.append(emptyRow());
  // Two columns: filled downwards, the likeliest first.
  list.style.setProperty("--rows", String(Math.max(4, Math.ceil(rows.length / 2))));
  [...list.children].forEach((element, i) => showRow(element, rows[i], pending));
  part("of-redraw").hidden = !rows.some((row) => row.redraw !== undefined);
  write(part("codes-note"), note);
}

function emptyRow() {
  const row = document.createElement("li");
  const image = document.createElement("img");
  image.alt = "";
  const parts = ["code", "sign", "value-p", "value-q"].map((name) => named("span", name));
  const bars = named("span", "bars");
  bars.append(...BARS.map((name) => named("i", "bar-" + name)));
  row.append(image, parts[0], parts[1], bars, parts[2], parts[3]);
  return row;
}

function named(tag, name) {
  const element = document.createElement(tag);
  element.className = name;
  return element;
}

function showRow(element, row, pending) {
  element.hidden = !row;
  if (!row) return;
  const [image, code, sign, bars, p, q] = element.children;
  element.className = pending && row.mark === "both" ? "open" : row.mark;
  if (row.swatch) image.src = row.swatch;
  image.hidden = !row.swatch;
  write(code, row.name || String(row.code));
  write(sign, pending ? (row.mark ? "•" : "") : SIGNS[row.mark]);
  BARS.forEach((name, i) => {
    bars.children[i].hidden = row[name] === undefined;
    bars.children[i].style.width = row[name] ? "max(1px, " + 100 * row[name] + "%)" : "0";
  });
  write(p, row.p === undefined ? "–" : number(row.p));
  write(q, row.q === undefined ? "–" : number(row.q));
  element.title = told(row, pending);
}

// The row in words.
export function told(row, pending) {
  const numbers = [["p", "p"], ["q", "q"], ["redraw", "redrawn with"]].filter(([name]) => row[name] !== undefined)
    .map(([name, said]) => said + " " + number(row[name]));
  const role = pending && row.mark ? "guessed" : WORDS[row.mark];
  return [row.said || "Code " + row.code, role, ...numbers].filter(Boolean).join(", ");
}
