// The masks, each against a slow definition token by token.

import assert from "node:assert/strict";
import test from "node:test";

import { MASKS, offsetsOf, placeOf, scaleOf, spanOf } from "../../app/stage/masks.js";

const SIDES = [1, 2, 3, 4];
const OFFSETS = offsetsOf(SIDES);
const TOTAL = OFFSETS.at(-1);
const POSITIONS = [...Array(TOTAL).keys()];
const SCALES = SIDES.flatMap((side, scale) => Array(side * side).fill(scale));
const READINGS = [null, { start: 0, stop: 2 }, { start: 1, stop: 4 }, { start: 2, stop: 4 }];

// May row i look at column j?
const SLOW = {
  block: (i, j) => SCALES[j] <= SCALES[i],
  token: (i, j) => j <= i,
  within: (i, j) => SCALES[j] === SCALES[i],
  // The rows that are computed now get the full mask's rows from 0 on.
  row0: (i, j, reading) => {
    const lit = reading && SCALES[i] >= reading.start && SCALES[i] < reading.stop;
    return SCALES[j] <= SCALES[lit ? i - OFFSETS[reading.start] : i];
  },
  query: (i, j) => SCALES[j] <= SCALES[i],
};

test("scales and offsets are those of the schedule", () => {
  assert.deepEqual(OFFSETS, [0, 1, 5, 14, 30]);
  assert.deepEqual(POSITIONS.map((position) => scaleOf(position, OFFSETS)), SCALES);
});

for (const [kind, sees] of Object.entries(SLOW)) {
  test("mask " + kind, () => {
    for (const reading of READINGS) {
      for (const row of POSITIONS) {
        const [first, stop] = spanOf(kind, row, OFFSETS, reading);
        assert.deepEqual(POSITIONS.filter((column) => column >= first && column < stop),
          POSITIONS.filter((column) => sees(row, column, reading)), kind + " row " + row);
      }
    }
  });
}

test("one mask is right, and every other says in one sentence what goes wrong", () => {
  assert.deepEqual(Object.keys(MASKS), Object.keys(SLOW));
  assert.deepEqual(Object.keys(MASKS).filter((kind) => !MASKS[kind].wrong), ["block"]);
  for (const { said } of Object.values(MASKS)) assert.match(said, /^[A-Z][^.]*\.$/);
});

test("places on the axis follow the sides", () => {
  const edges = [0, 10, 30, 60, 100];
  assert.equal(placeOf(0, OFFSETS, edges), 0);
  assert.equal(placeOf(5, OFFSETS, edges), 30);
  assert.equal(placeOf(3, OFFSETS, edges), 20);
  assert.equal(placeOf(TOTAL, OFFSETS, edges), 100);
});
