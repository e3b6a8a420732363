import * as v from "valibot";
import { EngineError } from "./errors.ts";

const isObject = (input: unknown) => typeof input === "object" && input !== null && !Array.isArray(input);

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

export const text = v.nullish(v.string(), "");
export const flag = v.nullish(v.boolean(), false);
export const labels = v.nullish(recordOf(v.string()), {});
/** Of something that nothing else tells them of: as {@link toldStrings}. */
export const toldLabels = v.nullable(recordOf(v.string()), {});
export const listOf = <T extends v.GenericSchema>(item: T) => v.nullish(v.array(item), []);
export const strings = listOf(v.string());
/** Texts of which none means that something may go: `null` is none, but not an answer that does not tell. */
export const toldStrings = v.nullable(v.array(v.string()), []);
export const count = v.pipe(v.number(), v.integer(), v.minValue(0));

/** RFC 3339 -> ms. The zero time of Go (year 1) and an empty text mean "never"; so does anything before 1970. */
export const time = v.pipe(
  text,
  v.transform((written) => (written === "" ? 0 : Date.parse(written))),
  v.check((at) => !Number.isNaN(at), "not a time"),
  v.transform((at) => (at > 0 ? at : null)),
);

/** Seconds since the epoch -> ms. Absent is 0, or -62135596800 on 20.10: the zero time. */
export const seconds = v.pipe(
  v.number(),
  v.transform((at) => (at > 0 ? at * 1000 : null)),
);

/** Bytes; -1 means "not measured". */
export const size = v.pipe(
  v.nullish(v.number(), 0),
  v.transform((bytes) => Math.max(0, bytes)),
);

/** The same; `null`: not measured, or not asked for. */
export const sizeOrNull = v.pipe(
  v.nullish(v.number(), null),
  v.transform((bytes) => (bytes === null || bytes < 0 ? null : bytes)),
);

/** Valibot takes a list for an object: one that tells nothing. */
const objectOf = <T extends v.ObjectEntries>(entries: T) =>
  v.pipe(
    v.custom<object>(isObject, "Invalid type: Expected Object"),
    v.object(entries) as v.GenericSchema<object, v.InferOutput<v.ObjectSchema<T, undefined>>>,
  );

type Fields = Readonly<Record<string, readonly [key: string, schema: v.GenericSchema]>>;

/** An object of the engine's: by our name of each field that is needed, the engine's name and what it must be. */
export function fields<const T extends Fields>(spec: T) {
  const keys = Object.entries(spec).map(([name, [key]]) => [name, key] as const);
  type Ours = { [Name in keyof T]: v.InferOutput<T[Name][1]> };
  return v.pipe(
    objectOf(Object.fromEntries(Object.values(spec))),
    v.transform((found) => Object.fromEntries(keys.map(([name, key]) => [name, found[key]])) as Ours),
  );
}

/** What is made of something of this shape. */
export const made = <T extends v.GenericSchema, Made>(schema: T, make: (found: v.InferOutput<T>) => Made) =>
  v.pipe(schema, v.transform(make)) as v.GenericSchema<unknown, Made>;

/** What an object that may be absent has under one key. @param schema takes absence */
export const within = <T>(key: string, schema: v.GenericSchema<unknown, T>) =>
  made(v.nullish(objectOf({ [key]: schema }), {}), (found) => found[key] as T);

/** Reads answers of this shape; others throw EngineError, `malformed`. @param what names it in the error */
export const reading =
  <T extends v.GenericSchema>(what: string, schema: T) =>
  (body: unknown): v.InferOutput<T> => {
    const result = v.safeParse(schema, body);
    if (result.success) return result.output;
    const [issue] = result.issues;
    const path = v.getDotPath(issue);
    const where = path === null ? "" : ` at ${path}`;
    throw new EngineError("malformed", `${what}: unexpected answer${where}: ${issue.message}`);
  };
