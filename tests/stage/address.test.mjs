// The address bar: what is written, and when.

import assert from "node:assert/strict";
import test from "node:test";

import { AddressBar, inAddress, queryOf, scalesTab } from "../../app/stage/address.js";

test("settings and event are written, and what else is there stays", () => {
  assert.equal(queryOf("?__theme=dark", { label: "city at night", seed: 7, top_p: 0.95, carry_over: "off" }, 12),
    "?__theme=dark&world=city+at+night&seed=7&top_p=0.95&carry_over=off&event=12");
  assert.equal(queryOf("?seed=7&event=12", null, null), "?seed=7");
  assert.equal(queryOf("", { label: "a&b=<c>" }, null), "?world=a%26b%3D%3Cc%3E");
});

const RULES = [{ name: "coupled", options: [{ name: "tolerance", default: 0 }] },
  { name: "topk", options: [{ name: "least_kept", default: 0.8 }, { name: "k", default: 50 }] }];

test("of the further choices only those that matter are written, and no others stay", () => {
  const controls = { rule: "topk", plan: "draft alone", handover: 6, fault: "none", tolerance: 0.5, least_kept: "0.8", k: 3 };
  assert.equal(queryOf("?tolerance=1&fault=x&x=y", controls, 1, [], scalesTab(RULES)), "?x=y&rule=topk&plan=draft+alone&k=3&event=1");
  const handed = { rule: "coupled", plan: "draft first, target from n", handover: 4, fault: "no rollback", tolerance: 0 };
  assert.equal(queryOf("?k=3", handed, null, [], scalesTab(RULES)),
    "?rule=coupled&plan=draft+first%2C+target+from+n&handover=4&fault=no+rollback");
  const home = { pair: "tiny", device: "cpu", precision: "float32" }, tab = scalesTab(RULES, home);
  assert.equal(queryOf("?pair=x&device=y&precision=z", { seed: 7, ...home }, null, [], tab), "?seed=7");
  assert.equal(queryOf("", { seed: 7, ...home, precision: "bfloat16" }, null, [], tab),
    "?seed=7&pair=tiny&device=cpu&precision=bfloat16");
  assert.equal(queryOf("?plan=x&fault=y", { seed: 7, plan: "speculate to the end", fault: "none", phases: [] }, 1), "?seed=7&event=1");
});

test("forks are written where the event is", () => {
  const none = { rule: null, options: null, gamma: null, token: null };
  const forks = [{ ...none, event: 11, rule: "topk", options: [["k", 3], ["least_kept", 0.5]], gamma: 1, token: 4 },
    { ...none, event: 20, gamma: 0 }];
  assert.equal(queryOf("", { seed: 7 }, 3, forks), "?seed=7&event=3&fork=12*rule-topk*k-3*least_kept-0.5*gamma-1*token-5**21*gamma-0");
  assert.equal(queryOf("?fork=3", { seed: 7 }, null, forks), "?seed=7");
});

test("only a run that the address can say all of has its event there", () => {
  const header = { run: "a.1", fault: null, settings: { plan: "draft alone", phases: [{}], options: [["delta", 1]] } };
  assert.equal(inAddress(header), true);
  for (const more of [{ run: null }, { opened: true }, { settings: { phases: [{}], options: [] } }]) {
    assert.equal(inAddress({ ...header, ...more }), false);
  }
});

function rig(search) {
  const timers = [], written = [];
  const bar = new AddressBar(() => search, (query) => { search = query; written.push(query); },
    (run) => { timers.push(run); return timers.length - 1; }, (handle) => { delete timers[handle]; });
  return { bar, written, rest: () => timers.splice(0).forEach((run) => run && run()) };
}

test("an address that was opened is left alone until something is known", () => {
  const { bar, written, rest } = rig("?seed=5&event=3");
  bar.note(null, null);
  rest();
  assert.deepEqual(written, []);
});

test("only where the cursor rests is written, once", () => {
  const { bar, written, rest } = rig("");
  for (let event = 1; event <= 30; event += 1) bar.note({ seed: 1 }, event);
  rest();
  bar.note({ seed: 1 }, 30);
  rest();
  assert.deepEqual(written, ["?seed=1&event=30"]);
  bar.note(null, null);
  rest();
  assert.equal(written.at(-1), "?seed=1");
});
