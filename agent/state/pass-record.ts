import * as v from "valibot";
import type { Frozen } from "../json.ts";
import type { ObjectCount, RuleReport } from "../log/events.ts";
import type { Outcome } from "../log/row.ts";

/** One of ours; a later version may have more of them. */
const texts = <T extends string>() => v.custom<T>((value) => typeof value === "string");
const numbers = v.record(v.string(), v.number());
const look = {
  usedPercent: v.number(),
  availableBytes: v.number(),
  inodesUsedPercent: v.nullable(v.number()),
};

/** One pass as passes.jsonl has it. What is optional is absent in what versions before 0.2 wrote. */
export const passRecord = v.object({
  pass: v.string(),
  startedAt: v.number(),
  durationSeconds: v.number(),
  outcome: texts<Outcome>(),
  exitCode: v.number(),
  reason: v.string(),
  gate: v.nullable(v.string()),
  filesystems: v.array(
    v.object({
      ...look,
      path: v.string(),
      totalBytes: v.number(),
      highWatermarkPercent: v.optional(v.number()),
      lowWatermarkPercent: v.optional(v.number()),
      /** At the start; absent also where the pass looked once. */
      before: v.optional(v.object(look)),
    }),
  ),
  freedBytes: v.number(),
  claimedBytes: v.number(),
  removed: numbers,
  removedBytes: v.optional(numbers),
  kept: v.number(),
  failed: v.number(),
  objects: v.optional(
    v.array(
      v.object({
        kind: texts<ObjectCount["kind"]>(),
        fate: texts<ObjectCount["fate"]>(),
        reason: v.string(),
        count: v.number(),
      }),
    ),
  ),
  rules: v.optional(
    v.array(
      v.object({
        list: texts<RuleReport["list"]>(),
        name: v.string(),
        matched: v.number(),
        removed: v.number(),
        failed: v.number(),
        keptBytes: v.nullable(v.number()),
      }),
    ),
  ),
});

export type PassRecord = Frozen<v.InferOutput<typeof passRecord>>;
