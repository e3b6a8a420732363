import { ended, type Front } from "./end.ts";
import { type RunOptions, runOnce } from "./run.ts";

/** `run` with plain options, in a file of its own in the bundle: a small pass is spared tables, screens and yargs. */
export const main = (options: RunOptions, front: Front): Promise<void> =>
  ended(front, () => runOnce(options));
