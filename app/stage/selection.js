// The token that every view shows: pointed at for a moment, or chosen by a click or the keyboard.

export class Selection {
  constructor() {
    this.clear();
  }

  clear() {
    this.hovered = null;
    this.chosen = null;
  }

  get token() {
    return this.hovered || this.chosen;
  }

  hover(token) {
    if (same(token, this.hovered)) return false;
    this.hovered = token;
    return true;
  }

  // Choosing the chosen token again lets it go.
  choose(token) {
    this.chosen = same(token, this.chosen) ? null : token;
    this.hovered = null;
  }

  // Arrow keys: within a scale; past its edge to the scale before or after. The first key chooses the first token.
  move(key, sides, scale = 0) {
    this.hovered = null;
    if (!this.chosen) {
      this.chosen = { scale, index: 0 };
      return;
    }
    this.chosen = neighbour(this.chosen, key, sides);
  }
}

export function same(one, two) {
  return one === two || (!!one && !!two && one.scale === two.scale && one.index === two.index);
}

export function neighbour({ scale, index }, key, sides) {
  const side = sides[scale];
  const row = Math.floor(index / side), column = index % side;
  if (key === "ArrowUp") return row > 0 ? { scale, index: index - side } : { scale, index };
  if (key === "ArrowDown") return row < side - 1 ? { scale, index: index + side } : { scale, index };
  const to = column + (key === "ArrowRight" ? 1 : -1);
  if (to >= 0 && to < side) return { scale, index: row * side + to };
  const other = scale + (to < 0 ? -1 : 1);
  if (other < 0 || other >= sides.length) return { scale, index };
  const otherSide = sides[other];
  const otherRow = Math.min(otherSide - 1, Math.floor(((row + 0.5) * otherSide) / side));
  return { scale: other, index: otherRow * otherSide + (to < 0 ? otherSide - 1 : 0) };
}
