import { decide } from "../agent/plan/decide.ts";
import { largeHost, type Size } from "../tests/unit/plan/large-family.ts";
import { NOW } from "../tests/unit/support.ts";

/** Milliseconds of one decision, from what was observed to the plan. */
export function decideOnce(size: Size): number {
  // Anew each time: what deciding remembers of a host must not make the second one faster.
  const { candidates, remembered, settings } = largeHost(size);
  const startedAt = performance.now();
  decide(candidates, remembered, settings, NOW);
  return performance.now() - startedAt;
}
