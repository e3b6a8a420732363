import { type Fact, whyUnknown } from "../facts.ts";
import { type Verdict, verdictsOf } from "./verdict.ts";

/** Open when this pass holds the lock alone. @param held what trying to take it came to */
export function lockGate(path: string, held: Fact<boolean>): Verdict {
  const { open, closed, unknown } = verdictsOf("lock");
  const facts = { lockFile: path };
  if (!held.known) return unknown(whyUnknown(held), facts);
  return held.value
    ? open("no other pass and no launcher holds the lock", facts)
    : closed(`another pass or a CI launcher holds ${path}`, facts);
}
