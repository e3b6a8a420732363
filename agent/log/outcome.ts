/** What a pass came to; part of the contract, explained in docs/development/design.md. */
export const OUTCOMES = [
  "below-watermark",
  "deferred",
  "pruned",
  "nothing-eligible",
  "pressure-remains",
  "incomplete",
  "failed",
  "dry-run",
] as const;
export type Outcome = (typeof OUTCOMES)[number];
