import { join } from "node:path";
import * as v from "valibot";
import { readFile, replaceFile } from "../host/files.ts";
import { makeFolder } from "../host/paths.ts";
import type { Frozen } from "../json.ts";
import { STATE_FILE } from "../state/types.ts";
import { checked } from "./check.ts";
import { LARGEST_CONFIG, type Owned } from "./config.ts";

/**
 * What is remembered of credentials between runs, in the state folder: who owns which entry, and how the last checks
 * went. Never a secret, nor anything that is made from one. Two files, for two commands that may run as two users.
 */
const OWNED_FILE = "auth.json";
const CHECKS_FILE = "auth-check.json";

const owned = v.object({
  version: v.literal(1),
  owned: v.record(v.string(), v.object({ username: v.string() })),
});
const lastCheck = v.object({
  at: v.number(),
  checks: v.array(checked),
});

type LastCheck = Frozen<v.InferOutput<typeof lastCheck>>;

/** What earlier runs wrote. A file that is absent or damaged owns nothing: then nothing is removed. Never throws. */
export function loadOwned(dir: string): Owned {
  return read(join(dir, OWNED_FILE), owned)?.owned ?? {};
}

/** Throws what the filesystem says. */
export function saveOwned(dir: string, entries: Owned): void {
  replace(dir, OWNED_FILE, { version: 1, owned: entries });
}

/** `null`: there was none, or its file cannot be read. Never throws. */
export function loadLastCheck(dir: string): LastCheck | null {
  return read(join(dir, CHECKS_FILE), lastCheck);
}

/** Throws what the filesystem says. */
export function saveLastCheck(dir: string, last: LastCheck): void {
  replace(dir, CHECKS_FILE, { version: 1, ...last });
}

function read<T extends v.GenericSchema>(path: string, schema: T): v.InferOutput<T> | null {
  try {
    return v.parse(schema, JSON.parse(readFile(path, { maxBytes: LARGEST_CONFIG }).bytes.toString("utf8")));
  } catch {
    return null;
  }
}

function replace(dir: string, name: string, document: object): void {
  makeFolder(dir);
  replaceFile(join(dir, name), JSON.stringify(document), STATE_FILE);
}
