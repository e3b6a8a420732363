import { expect, it } from "vitest";
import { known, unknown } from "../../../agent/facts.ts";
import { lockGate } from "../../../agent/gates/lock.ts";

it.each([
  [
    "open while this pass holds the lock",
    known(true),
    "open",
    "no other pass and no launcher holds the lock",
  ],
  [
    "closed while somebody else does",
    known(false),
    "closed",
    "another pass or a CI launcher holds /run/ci.lock",
  ],
  [
    "unknown where that cannot be told",
    unknown("lock /run/ci.lock", "EACCES"),
    "unknown",
    "lock /run/ci.lock: EACCES",
  ],
] as const)("the lock gate is %s", (_, held, verdict, reason) => {
  expect(lockGate("/run/ci.lock", held)).toEqual({
    gate: "lock",
    verdict,
    reason,
    facts: { lockFile: "/run/ci.lock" },
  });
});
