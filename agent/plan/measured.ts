import type { Step } from "../engine/types.ts";

/** What the size of a family is measured by. Empty where no family needs it, or where it could not be read whole. */
export interface Measured {
  /** Of the members, and of the images that share layers with them: the steps, oldest first, by the image's id. */
  readonly histories: ReadonlyMap<string, readonly Step[]>;
  /** The layers of every image there is, by its id. */
  readonly layers: ReadonlyMap<string, readonly string[]>;
  /** Names an image that could not be read, where that is why there is no measure; `null`: all is well. */
  readonly unread: string | null;
}

export const NOT_MEASURED: Measured = { histories: new Map(), layers: new Map(), unread: null };
