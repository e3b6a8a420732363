import { join } from "node:path";
import { readFile, replaceFile } from "../host/files.ts";
import { makeFolder } from "../host/paths.ts";
import type { QuietSettings } from "../settings/rules.ts";
import { VERSION } from "../version.ts";
import { type Check, type Checked, isText, listOf, objectOf, orNull, recordOf } from "./checks.ts";

/**
 * What the full program made of the settings, for quiet passes: reading them by the schema takes a quiet pass as long
 * as all the rest. It counts as long as the settings read the same to the letter, so the schema stays the one judge.
 */
const FILE = "quiet.json";
const MOST_BYTES = 16 * 1024 * 1024;

/** So many settings are known, the last used first: of a host that is also looked at by hand, or by tests. */
const MOST = 4;

/** What is in it is as we wrote it, or the quiet pass fails by it and hands on. */
const areSettings = recordOf((_): _ is unknown => true) as Check as Check<QuietSettings>;

const areKnown = listOf(
  objectOf({
    /** Of the settings; `null`: there were none. */
    text: orNull(isText),
    settings: areSettings,
    /** Watched paths on filesystems that answer at once (host/disk.ts). */
    local: listOf(isText),
  }),
);
type Remembered = Checked<typeof areKnown>[number];

/** `null`: nothing is known of settings that read like this. Never throws. */
export function recallSettings(dir: string, text: string | null) {
  return read(dir).find((one) => one.text === text) ?? null;
}

/** A folder that cannot be written costs quiet passes some time, and nothing else. */
export function rememberSettings(
  dir: string,
  text: string | null,
  settings: QuietSettings,
  local: readonly string[],
): void {
  try {
    makeFolder(dir);
    const others = read(dir).filter((one) => one.text !== text);
    const known: readonly Remembered[] = [{ text, settings, local }, ...others].slice(0, MOST);
    const document = JSON.stringify({ version: VERSION, known });
    replaceFile(join(dir, FILE), document, { mode: 0o600, durable: false });
  } catch {
    // The pass says what is wrong with the folder when it saves its state.
  }
}

function read(dir: string): readonly Remembered[] {
  try {
    const { bytes, stats } = readFile(join(dir, FILE), { maxBytes: MOST_BYTES });
    // It names a file that is written. Root takes no word for that from the user whose folder this is.
    if (stats.uid !== process.geteuid?.() || (stats.mode & 0o022) !== 0) return [];
    const { version, known } = JSON.parse(bytes.toString("utf8"));
    return version === VERSION && areKnown(known) ? known : [];
  } catch {
    return [];
  }
}
