/** What a parsed JSON value is. No schema: every quiet pass reads the state, and loading one takes as long as that. */
export type Check<T = unknown> = (value: unknown) => value is T;
export type Checked<C> = C extends Check<infer T> ? T : never;

export const isText = (value: unknown): value is string => typeof value === "string";
/** One of our own words; a later version may have more of them. */
export const isWord = <T extends string>() => isText as Check<T>;
export const isNumber = (value: unknown): value is number => Number.isFinite(value);
export const isCount = (value: unknown): value is number => isNumber(value) && value >= 0;

export const orNull =
  <T>(check: Check<T>): Check<T | null> =>
  (value): value is T | null =>
    value === null || check(value);

export const listOf =
  <T>(check: Check<T>): Check<readonly T[]> =>
  (value): value is readonly T[] =>
    Array.isArray(value) && value.every(check);

export const recordOf =
  <T>(check: Check<T>): Check<Readonly<Record<string, T>>> =>
  (value): value is Readonly<Record<string, T>> =>
    typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(check);

type Shape<T> = { readonly [Key in keyof T]: Checked<T[Key]> };

/** An object that has these keys, and perhaps others. */
export function objectOf<T extends Readonly<Record<string, Check>>>(checks: T): Check<Shape<T>> {
  const entries = Object.entries(checks);
  return (value): value is Shape<T> => entries.every(([key, check]) => check(Object(value)[key]));
}
