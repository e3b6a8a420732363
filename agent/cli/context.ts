import { makeFolder } from "../audit/state.ts";
import { visible } from "../audit/text.ts";
import { DockerodeClient } from "../engine/client.ts";
import { Reader } from "../engine/reader.ts";
import { Writer } from "../engine/writer.ts";
import { Exit } from "../exit.ts";
import { stateDirectory } from "../host/places.ts";
import { loadSettings } from "../settings/load.ts";
import type { Problem } from "../settings/parse.ts";
import type { Settings } from "../settings/settings.ts";

/** The settings are not valid; the message names every problem. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
  readonly exitCode = Exit.settings;
  constructor(
    readonly file: string,
    readonly problems: readonly Problem[],
  ) {
    super(describeProblems(file, problems));
  }
}

export function describeProblems(file: string, problems: readonly Problem[]): string {
  const lines = problems.map(
    ({ path, found, expected }) =>
      `  ${path === "" ? "the document" : path}: found ${found}, expected ${expected}`,
  );
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return visibleLines(`${file}: ${count}\n${lines.join("\n")}`);
}

const visibleLines = (text: string) => text.split("\n").map(visible).join("\n");

export interface CommonOptions {
  readonly settings?: string | undefined;
  readonly stateDir?: string | undefined;
}

/** What every command that looks at a host needs. */
export interface Context {
  readonly settings: Settings;
  readonly stateDir: string;
  /** Folders can be locked as well as files, and need no room on a full disk. */
  readonly lockFile: string;
  readonly client: DockerodeClient;
  readonly reader: Reader;
  readonly writer: Writer;
}

/** Throws SettingsError. @param giveUp aborts requests in flight */
export function openContext(options: CommonOptions, giveUp?: AbortSignal): Context {
  const loaded = loadSettings(options.settings);
  if (!loaded.ok) throw new SettingsError(options.settings ?? "settings", loaded.problems);
  const { settings } = loaded;
  const stateDir = stateDirectory(options.stateDir, settings.stateDir, process.env, process.getuid?.() ?? 0);
  const client = new DockerodeClient({
    socketPath: settings.engine.socketPath,
    timeout: settings.engine.timeout,
    ageLimit: settings.prune.until,
    ...(giveUp === undefined ? {} : { giveUp }),
  });
  return {
    settings,
    stateDir,
    lockFile: settings.lockFile ?? stateDir,
    client,
    reader: new Reader(client),
    writer: new Writer(client, settings.engine.deleteTimeout),
  };
}

/** The state folder is the default lock, so it must be there; where it cannot be made, taking the lock says why. */
export function prepareStateDir(dir: string): void {
  try {
    makeFolder(dir);
  } catch {
    // takeLock and saveState report it, each for its own harm.
  }
}
