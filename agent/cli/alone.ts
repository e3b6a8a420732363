import { ended, type Front } from "./end.ts";
import { type RunOptions, runOnce } from "./run.ts";

/**
 * `run` with plain options, in a file of its own in the bundle: a whole command line, tables and screens take as long to
 * load as a small pass takes otherwise.
 */
export const main = (options: RunOptions, front: Front): Promise<void> =>
  ended(front, () => runOnce(options));
