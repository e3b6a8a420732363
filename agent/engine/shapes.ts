import * as v from "valibot";
import { EngineError } from "./errors.ts";

/** What the shapes of the engine's answers are made of. */

/**
 * An object of any keys, each value of this shape, as an object without a prototype: labels may be called
 * `constructor` or `__proto__`, which valibot's own record leaves out.
 */
export const recordOf = <T>(value: v.GenericSchema<unknown, T>) =>
  v.pipe(
    v.custom<Readonly<Record<string, unknown>>>(isObject, "Invalid type: Expected Object"),
    v.rawTransform<Record<string, unknown>, Readonly<Record<string, T>>>(({ dataset, addIssue, NEVER }) => {
      const found = Object.create(null) as Record<string, T>;
      for (const [key, item] of Object.entries(dataset.value)) {
        const result = v.safeParse(value, item);
        if (!result.success) {
          addIssue({ message: `${JSON.stringify(key)}: ${result.issues[0].message}` });
          return NEVER;
        }
        found[key] = result.output;
      }
      return found;
    }),
  );

const isObject = (input: unknown) => typeof input === "object" && input !== null && !Array.isArray(input);
export const labels = v.nullish(recordOf(v.string()), {});
export const strings = v.nullish(v.array(v.string()), []);
export const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** RFC 3339 -> ms. The zero time of Go (year 1) and an empty text mean "never"; so does anything before 1970. */
export const time = v.nullish(
  v.pipe(
    v.string(),
    v.rawTransform<string, number | null>(({ dataset, addIssue, NEVER }) => {
      if (dataset.value === "") return null;
      const at = Date.parse(dataset.value);
      if (Number.isNaN(at)) {
        addIssue({ message: "not a time" });
        return NEVER;
      }
      return at <= 0 ? null : at;
    }),
  ),
  "",
);

/** Bytes; -1 means "not measured". */
export const size = v.nullish(
  v.pipe(
    v.number(),
    v.transform((bytes) => Math.max(0, bytes)),
  ),
  0,
);

/** Throws EngineError, `malformed`, unless the answer has this shape. @param what names it in the error */
export function read<T extends v.GenericSchema>(what: string, schema: T, body: unknown): v.InferOutput<T> {
  const result = v.safeParse(schema, body);
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue);
  throw new EngineError(
    "malformed",
    `${what}: unexpected answer${path === null ? "" : ` at ${path}`}: ${issue.message}`,
  );
}
