import type * as v from "valibot";
import type { Frozen } from "../json.ts";
import type { settingsSchema } from "./schema.ts";

export type { NameGlob } from "./globs.ts";
export type { LabelRule } from "./labels.ts";

/**
 * The settings past the boundary: valid, durations in seconds, sizes in bytes. docs/configuration.md is their manual.
 */
export type Settings = Frozen<v.InferOutput<typeof settingsSchema>>;

/** Keeps one family of named images in bounds. At least one limit is set, and the family does not hold everything. */
export type RetentionRule = Settings["retention"][number] & {
  /** Its images are made on this host and are on no other: the containers here tell who uses them. */
  readonly madeHere?: true;
};

/** Stops and removes containers that carry a label and were left behind. At least one limit is set. */
export type OrphanRule = Settings["orphans"][number];

/** `always`: on every pass whose other gates are open; `pressure`: only when the disk is under pressure as well. */
export type When = RetentionRule["when"];
