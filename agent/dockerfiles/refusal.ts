/** The builder would refuse this file, or this program cannot read it for certain; the message says which and why. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  /** @param line where, from 1; 0 when only the caller knows it ({@link onLine}) */
  constructor(
    message: string,
    readonly line = 0,
  ) {
    super(message);
  }
}

/** Runs `work`, whose refusals are about this line. */
export function onLine<T>(line: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof Refusal && error.line === 0 ? new Refusal(error.message, line) : error;
  }
}
