import { resolve } from "node:path";
import { DockerodeClient } from "../engine/client.ts";
import { Reader } from "../engine/reader.ts";
import { Writer } from "../engine/writer.ts";
import { type Clock, commandClock } from "../host/clock.ts";
import { makeFolder } from "../host/paths.ts";
import { nearestFolder, stateDirectory } from "../host/places.ts";
import { type HostPorts, hostPorts } from "../pass/host.ts";
import { namesOne, namesTag } from "../settings/globs.ts";
import { loadWhole } from "../settings/load-whole.ts";
import type { Problem } from "../settings/parse.ts";
import { INSTALLED_SETTINGS } from "../settings/read.ts";
import { retentionRules } from "../settings/rules.ts";
import type { Settings } from "../settings/settings.ts";
import { visible } from "../text.ts";

/** The settings are not valid; the message names every problem. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
}

/** So many are told in full: settings that a program made wrong would fill the screen and the journal. */
const MAX_PROBLEMS = 50;

export function describeProblems(file: string, problems: readonly Problem[]): string {
  const lines = problems
    .slice(0, MAX_PROBLEMS)
    .map(({ path, found, expected }) =>
      visible(`  ${path === "" ? "the document" : path}: found ${found}, expected ${expected}`),
    );
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  if (problems.length > MAX_PROBLEMS) lines.push(`  and ${problems.length - MAX_PROBLEMS} more`);
  return [visible(`${file}: ${count}`), ...lines].join("\n");
}

export interface CommonOptions {
  readonly settings?: string | undefined;
  readonly stateDir?: string | undefined;
}

export interface Context {
  readonly settings: Settings;
  readonly stateDir: string;
  /** That of the settings, else the state folder: a folder can be locked too, and needs no room on a full disk. */
  readonly lockFile: string;
  readonly client: DockerodeClient;
  readonly clock: Clock;
  readonly host: HostPorts;
  readonly reader: Reader;
  readonly writer: Writer;
  /** Whether the envelope goes by the shorter age limit of `prune.emergency`; never, unless told so. */
  inEmergency(holds: boolean): void;
}

interface Needs {
  /** The command keeps a state: its folder is made where it is missing. */
  readonly writes?: boolean;
  readonly giveUp?: AbortSignal;
  readonly mayCommit?: boolean;
}

/** Throws SettingsError. */
export function openContext(options: CommonOptions, needs: Needs = {}): Context {
  const loaded = loadWhole(options.settings);
  if (!loaded.ok)
    throw new SettingsError(describeProblems(options.settings ?? INSTALLED_SETTINGS, loaded.problems));
  const { settings } = loaded;
  const stateDir = stateDirectory(options.stateDir, settings.stateDir);
  if (needs.writes === true) prepareStateDir(stateDir);
  const rules = retentionRules(settings);
  let ageLimit = settings.prune.until;
  const client = new DockerodeClient({
    socketPath: settings.engine.socketPath,
    timeout: settings.engine.timeout,
    permissions: {
      get ageLimit() {
        return ageLimit;
      },
      mayUntag: (repository, tag) =>
        rules.some((rule) => namesTag(rule, repository, tag)) &&
        !namesOne(settings.prune.keepImages, repository, tag),
      mayStop: settings.orphans.length > 0,
      mayRemoveNetworks: settings.prune.networksAbove !== null,
      mayCommit: needs.mayCommit ?? false,
    },
    ...(needs.giveUp === undefined ? {} : { giveUp: needs.giveUp }),
  });
  const lockFile = settings.lockFile ?? nearestFolder(resolve(stateDir));
  return {
    settings,
    stateDir,
    lockFile,
    clock: commandClock(),
    host: hostPorts(stateDir, lockFile),
    client,
    reader: new Reader(client),
    writer: new Writer(client, settings.engine.deleteTimeout),
    inEmergency: (holds) => {
      ageLimit = (holds ? settings.prune.emergency : null)?.until ?? settings.prune.until;
    },
  };
}

/** Makes the state folder, which is also the default lock. */
function prepareStateDir(dir: string): void {
  try {
    makeFolder(dir);
  } catch {
    // Saving the state says why.
  }
}
