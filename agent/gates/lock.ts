import type { Fact } from "../facts.ts";
import type { Verdict } from "./verdict.ts";

/** Open when this pass holds the lock alone. @param held what trying to take it came to */
export function lockGate(path: string, held: Fact<boolean>): Verdict {
  const facts = { lockFile: path };
  if (!held.known) return { gate: "lock", verdict: "unknown", reason: `${held.what}: ${held.reason}`, facts };
  return held.value
    ? { gate: "lock", verdict: "open", reason: "no other pass and no launcher holds the lock", facts }
    : { gate: "lock", verdict: "closed", reason: `another pass or a CI launcher holds ${path}`, facts };
}
