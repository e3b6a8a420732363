/** A fact is known, or it is unknown with the reason. Unknown is never "none": it blocks. */
export type Fact<T> =
  | { readonly known: true; readonly value: T }
  | { readonly known: false; readonly what: string; readonly reason: string };

export const known = <T>(value: T): Fact<T> => ({ known: true, value });
export const unknown = (what: string, reason: string): Fact<never> => ({ known: false, what, reason });

/** What could not be read of these, and why: `"the services: timeout; the containers: timeout"`; `""`: all is known. */
export const whyUnknown = (...facts: readonly Fact<unknown>[]): string =>
  facts.flatMap((fact) => (fact.known ? [] : [`${fact.what}: ${fact.reason}`])).join("; ");
