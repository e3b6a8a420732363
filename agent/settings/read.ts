import { readFile } from "../host/files.ts";
import { statLink } from "../host/paths.ts";

/** Where the NixOS module and the installation by hand put the settings of the service. */
export const INSTALLED_SETTINGS = "/etc/ci-docker-prune/settings.json";

const LARGEST = 4 * 1024 * 1024;
/** Seconds: of `--settings <(…)`, whatever makes the settings may take a moment. */
const PIPE_PATIENCE = 10;

/** The text of a settings file, before anybody judged it. */
export interface SettingsText {
  /** As it was named; absent: nobody named one. */
  readonly path: string | undefined;
  /** `null`: there is no file, so the defaults hold. */
  readonly text: string | null;
}

let handedOver: SettingsText | null = null;

/** What the front has read already is not read again: a pipe can be read once. */
export function takeOver(read: SettingsText | null): void {
  handedOver = read;
}

/** What was taken over, where it is of this path. */
export const takenOver = (path: string | undefined): SettingsText | null =>
  handedOver?.path === path ? handedOver : null;

/** Reads a settings file, the service's where none is named. Throws what the filesystem says. */
export function readSettings(path: string | undefined, installed = INSTALLED_SETTINGS): SettingsText {
  const taken = takenOver(path);
  if (taken !== null) return taken;
  const file = path ?? (statLink(installed) === null ? null : installed);
  if (file === null) return { path, text: null };
  const { bytes } = readFile(file, { maxBytes: LARGEST, links: true, pipes: PIPE_PATIENCE });
  return { path, text: bytes.toString("utf8") };
}
