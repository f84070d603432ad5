// Where the nodes of a tree stand: the text runs to the right, siblings stand beneath one another. No DOM here.

export const HEAD = 18; // the line that names the levels
const COMFORT = 19; // the height of a row that a lit node should have
const MOST_ROW = 30;

// One place a node { x, y, row } and, if the walk has ended, one for the target's own token; row: height to draw in.
// lit: nodes that deserve room where it is scarce.
export function treeLayout(tree, bonus, lit, width, height) {
  const levels = Math.max(...tree.depths, bonus ? tree.depths[bonus.node] + 1 : 1) + 1;
  const column = Math.min(150, width / levels);
  const left = Math.max(0, (width - column * levels) / 2);
  const leaves = []; // in order of drawing: a node, or −1 for the target's own token
  const visit = (node) => {
    const before = leaves.length;
    tree.children[node].forEach(visit);
    if (bonus && bonus.node === node) leaves.push(-1);
    if (leaves.length === before) leaves.push(node);
  };
  visit(0);
  const heights = rowHeights(leaves.map((leaf) => leaf < 0 || lit.has(leaf)), height - HEAD);
  const used = heights.reduce((sum, one) => sum + one, 0);
  const rows = new Map();
  let y = HEAD + Math.max(0, (height - HEAD - used) / 2);
  leaves.forEach((leaf, i) => {
    rows.set(leaf, { y: y + heights[i] / 2, row: heights[i] });
    y += heights[i];
  });
  const places = [];
  const own = bonus && { x: left + column * (tree.depths[bonus.node] + 1.5), ...rows.get(-1) };
  const settle = (node) => {
    const below = tree.children[node].map(settle);
    if (own && bonus.node === node) below.push(own);
    const row = rows.get(node) || { y: (below[0].y + below[below.length - 1].y) / 2,
      row: Math.max(...below.map((one) => one.row)) };
    places[node] = { x: left + column * (tree.depths[node] + 0.5), ...row };
    return places[node];
  };
  settle(0);
  measureGaps(own ? [...places, own] : places);
  return { places, own, column, left, levels };
}

// How far the nearest neighbour on the same level is, so that words beside a node do not meet.
function measureGaps(places) {
  for (const place of places) place.gap = Infinity;
  const byHeight = [...places].sort((one, other) => one.x - other.x || one.y - other.y);
  byHeight.slice(1).forEach((place, i) => {
    const above = byHeight[i];
    if (Math.abs(above.x - place.x) > 1) return;
    const gap = place.y - above.y;
    above.gap = Math.min(above.gap, gap);
    place.gap = Math.min(place.gap, gap);
  });
}

// Rows of equal height; where they would be too low for letters, the lit ones take more.
function rowHeights(lit, height) {
  const even = Math.min(MOST_ROW, height / lit.length);
  if (even >= COMFORT) return lit.map(() => even);
  const bright = lit.filter(Boolean).length, dim = lit.length - bright;
  const wanted = Math.min(COMFORT, height / Math.max(1, bright));
  const rest = dim ? Math.max(0.5, (height - bright * wanted) / dim) : 0;
  return lit.map((one) => (one ? Math.max(wanted, even) : rest));
}

// The node at a place, or null.
export function nodeAt(x, y, layout) {
  let found = null, nearest = 14;
  layout.places.forEach((place, node) => {
    const far = Math.max(Math.abs(place.x - x) / 1.6, Math.abs(place.y - y) * Math.min(1.6, 14 / Math.max(4, place.row / 2)));
    if (far < nearest) [found, nearest] = [node, far];
  });
  return found;
}

// Arrow keys: left to the parent, right to the first child, up and down to the neighbour on the same level.
export function step(tree, node, key) {
  if (key === "ArrowLeft") return Math.max(0, tree.parents[node]);
  if (key === "ArrowRight") return tree.children[node].length ? tree.children[node][0] : node;
  const level = ordered(tree).filter((one) => tree.depths[one] === tree.depths[node]);
  const at = level.indexOf(node) + (key === "ArrowDown" ? 1 : -1);
  return level[Math.min(Math.max(at, 0), level.length - 1)];
}

// The nodes as they stand from top to bottom.
function ordered(tree) {
  const found = [];
  const visit = (node) => {
    found.push(node);
    tree.children[node].forEach(visit);
  };
  visit(0);
  return found;
}
