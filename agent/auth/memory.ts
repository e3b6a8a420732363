import { join } from "node:path";
import * as v from "valibot";
import { readFile, replaceFile } from "../host/files.ts";
import { makeFolder } from "../host/paths.ts";
import type { Checked } from "./check.ts";
import type { Owned } from "./config.ts";

/**
 * What is remembered of credentials between runs, in the state folder: who owns which entry, and how the last checks
 * went. Never a secret, nor anything that is made from one. Two files, for two commands that may run as two users.
 */
const OWNED_FILE = "auth.json";
const CHECKS_FILE = "auth-check.json";

const LARGEST = 4 * 1024 * 1024;

/** The outcome of the last `auth check`. */
export interface LastCheck {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly checks: readonly Checked[];
}

const ownedSchema = v.object({
  version: v.literal(1),
  owned: v.record(v.string(), v.object({ username: v.string() })),
});

const checksSchema = v.object({
  version: v.literal(1),
  at: v.number(),
  checks: v.array(
    v.object({
      registry: v.string(),
      username: v.nullable(v.string()),
      result: v.string() as unknown as v.GenericSchema<Checked["result"]>,
      reason: v.string(),
      rateLimit: v.nullable(
        v.object({
          limit: v.number(),
          remaining: v.number(),
          windowSeconds: v.nullable(v.number()),
          source: v.nullable(v.string()),
        }),
      ),
      rateLimitReason: v.nullable(v.string()),
    }),
  ),
});

/** What earlier runs wrote. A file that is absent or damaged owns nothing: then nothing is removed. Never throws. */
export function loadOwned(dir: string): Owned {
  return read(join(dir, OWNED_FILE), ownedSchema)?.owned ?? {};
}

/** Throws what the filesystem says. */
export function saveOwned(dir: string, owned: Owned): void {
  replace(dir, OWNED_FILE, { version: 1, owned });
}

/** `null`: there was none, or its file cannot be read. Never throws. */
export function loadLastCheck(dir: string): LastCheck | null {
  const found = read(join(dir, CHECKS_FILE), checksSchema);
  return found === null ? null : { at: found.at, checks: found.checks };
}

/** Throws what the filesystem says. */
export function saveLastCheck(dir: string, last: LastCheck): void {
  replace(dir, CHECKS_FILE, { version: 1, ...last });
}

function read<T extends v.GenericSchema>(path: string, schema: T): v.InferOutput<T> | null {
  try {
    return v.parse(schema, JSON.parse(readFile(path, { maxBytes: LARGEST }).bytes.toString("utf8")));
  } catch {
    return null;
  }
}

function replace(dir: string, name: string, document: object): void {
  makeFolder(dir);
  replaceFile(join(dir, name), JSON.stringify(document), { mode: 0o644, owner: "folder" });
}
