import assert from "node:assert/strict";
import { test } from "node:test";

import { bytes, duration, percent, quantity, short, words } from "../src/ui/format.ts";

test("numbers keep the digits that matter", () => {
  assert.deepEqual([0, 0.254, 12.34, 1234.5, 123_456].map(short), ["0", "0.254", "12.3", "1,235", "123K"]);
});

test("times take the unit that fits", () => {
  const ms = [0.4, 250, 1_200, 180_000, 7_300_000, 200_000_000];
  assert.deepEqual(ms.map(duration), ["0.4 ms", "250 ms", "1.2 s", "3 min", "2.03 h", "2.31 d"]);
});

test("values are told in the unit that is declared", () => {
  assert.equal(quantity(2_500, "us"), "2.5 ms");
  assert.equal(quantity(0.0123, "ratio"), "1.23%");
  assert.equal(quantity(1_500, "EUR"), "1,500");
  assert.equal(quantity(null, "EUR"), "–");
  assert.equal(percent(0), "0%");
  assert.equal(bytes(3 * 2 ** 30), "3 GiB");
  assert.equal(words("cart_add"), "Cart add");
});
