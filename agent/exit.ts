/**
 * Exit codes, after sysexits(3) where it has one.
 * `process.exitCode` is set to `bug` before anything else runs and only a finished command lowers it,
 * so a promise that never settles cannot end in a green 0.
 */
export const Exit = {
  /** The work is done, or the pass was deliberately deferred. */
  ok: 0,
  /** The pass ran under disk pressure and the disk is still above the high watermark. */
  pressureRemains: 10,
  /** `snapshots resolve`: no fresh snapshot, the fallback was printed. */
  fallback: 11,
  /** The command line could not be understood (EX_USAGE). */
  usage: 64,
  /**
   * What was handed over is not as it must be (EX_DATAERR): a Dockerfile does not make an image with the labels asked
   * for or could not be read; a container to be committed is not there, or did not end well.
   */
  refused: 65,
  /** The engine or a registry could not be reached, or a fact a decision needs could not be read (EX_UNAVAILABLE). */
  unavailable: 69,
  /** A bug in this program (EX_SOFTWARE). */
  bug: 70,
  /** Something that was planned could not be done or removed, or a signal came first (EX_TEMPFAIL). */
  incomplete: 75,
  /** A registry refused the stored username or password (EX_NOPERM). */
  credentials: 77,
  /** The settings, or a file they name, are not valid (EX_CONFIG). */
  settings: 78,
} as const;

export type ExitCode = (typeof Exit)[keyof typeof Exit];

/** What each code means, for `--help`. */
export const EXIT_HELP: readonly (readonly [ExitCode, string])[] = [
  [Exit.ok, "done, or deliberately deferred"],
  [Exit.pressureRemains, "the pass ran, the disk is still above the high watermark"],
  [Exit.fallback, "snapshots resolve: no fresh snapshot, the fallback was printed"],
  [Exit.usage, "wrong usage"],
  [
    Exit.refused,
    "dockerfiles check: a label is missing; snapshots commit: no such container, or it did not end well",
  ],
  [Exit.unavailable, "engine or registry unreachable, or a fact could not be read"],
  [Exit.bug, "a bug in this program"],
  [Exit.incomplete, "something planned could not be done or removed, or a signal came first"],
  [Exit.credentials, "a registry refused the stored username or password"],
  [Exit.settings, "the settings are not valid, or no credentials are configured"],
];
