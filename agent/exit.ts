/**
 * Exit codes, after sysexits(3) where it has one, each with what `--help` says of it.
 * `process.exitCode` is set to `bug` before anything else runs and only a finished command lowers it,
 * so a promise that never settles cannot end in a green 0.
 */
const CODES = {
  ok: [0, "done, or deliberately deferred"],
  pressureRemains: [10, "the pass ran, the disk is still above the high watermark"],
  fallback: [11, "snapshots resolve: no fresh snapshot, the fallback was printed"],
  usage: [64, "wrong usage"],
  refused: [
    65,
    "dockerfiles check: no such label, or a file not read; snapshots commit: no such container, or it did not end well",
  ],
  unavailable: [69, "engine or registry unreachable, or a fact could not be read"],
  bug: [70, "a bug in this program"],
  incomplete: [75, "something planned could not be done or removed, or a signal came first"],
  credentials: [77, "a registry refused the stored username or password"],
  settings: [78, "the settings are not valid, or no credentials are configured"],
} as const;

type Codes = typeof CODES;

export const Exit = Object.fromEntries(Object.entries(CODES).map(([name, [code]]) => [name, code])) as {
  readonly [Name in keyof Codes]: Codes[Name][0];
};

export type ExitCode = Codes[keyof Codes][0];

export const EXIT_HELP: readonly (readonly [ExitCode, string])[] = Object.values(CODES);
