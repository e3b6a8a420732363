/** What a pass came to; part of the contract. */
export type Outcome =
  /** No watched filesystem has reached the high watermark: nothing was looked at. */
  | "below-watermark"
  /** A gate is closed or could not be told. */
  | "deferred"
  /** Everything planned is gone, and no pressure is left. */
  | "pruned"
  /** Nothing fulfils the rules. Under pressure that is exit 10. */
  | "nothing-eligible"
  /** The plan is done, and the disk is still above the high watermark. */
  | "pressure-remains"
  /** Ended before the plan was done, or something planned could not be removed. */
  | "incomplete"
  /** The engine, or a fact that a decision needs, could not be read; also after some of the plan was done. */
  | "failed"
  | "dry-run";
