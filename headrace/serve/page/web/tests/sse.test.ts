import assert from "node:assert/strict";
import { test } from "node:test";

import { delay } from "../src/api/backoff.ts";
import { EventParser } from "../src/api/sse.ts";

const TEXT = 'event: x\ndata: {"a":1}\n\n: silence\n\ndata:{"b":\r\ndata:2}\r\n\r\ndata: last';

test("events are the same however the text is cut", () => {
  for (let size = 1; size <= TEXT.length; size++) {
    const parser = new EventParser();
    const found: string[] = [];
    for (let at = 0; at < TEXT.length; at += size) found.push(...parser.push(TEXT.slice(at, at + size)));
    assert.deepEqual(found, ['{"a":1}', '{"b":\n2}'], `pieces of ${size}`);
    assert.deepEqual(parser.push("\n\n"), ["last"]);
  }
});

test("waits double up to a limit, never more than what they say", () => {
  assert.deepEqual([0, 1, 2].map((n) => delay(n, () => 0)), [500, 1000, 2000]);
  assert.equal(delay(40, () => 0), 15_000);
  assert.equal(delay(0, () => 1), 400);
});
