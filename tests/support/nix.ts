import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Nix without a store of the machine: evaluation only, and what flakes copy goes into a scratch folder. */

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function run(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Ran {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: options.cwd ?? ROOT,
    env: options.env ?? process.env,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  return { code: status, stdout: stdout ?? "", stderr: `${stderr ?? ""}${error?.message ?? ""}` };
}

const have = (command: string, ...args: string[]) => run(command, args).code === 0;

/** Why a part cannot run here; `null` when it can. */
export type Missing = string | null;

export const nixMissing: Missing = have("nix-instantiate", "--version")
  ? null
  : "no nix-instantiate; Debian's package is nix-bin";

/** A folder with nixpkgs' `lib/` in it: NIXPKGS_LIB (the repository nix-community/nixpkgs.lib will do), else <nixpkgs>. */
export const NIXPKGS_LIB =
  process.env.NIXPKGS_LIB ?? run("nix-instantiate", ["--find-file", "nixpkgs"]).stdout.trim();

export const libMissing: Missing =
  nixMissing ??
  (NIXPKGS_LIB !== "" && existsSync(join(NIXPKGS_LIB, "lib/default.nix"))
    ? null
    : "no nixpkgs' lib; NIXPKGS_LIB may name a folder that holds lib/");

/** It, as a Nix expression. */
export const LIB = `(import ${NIXPKGS_LIB}/lib)`;

export const systemdMissing: Missing = (() => {
  const version = Number(/^systemd (\d+)/.exec(run("systemd-analyze", ["--version"]).stdout)?.[1] ?? 0);
  return version >= 250 ? null : "no systemd-analyze of systemd 250 or later";
})();

export const bothMissing = (...missing: readonly Missing[]): Missing =>
  missing.find((reason) => reason !== null) ?? null;

/** A title for `describe.skipIf(missing !== null)`, so that the reason is in the list of what was skipped. */
export const title = (name: string, missing: Missing) =>
  missing === null ? name : `${name} (skipped: ${missing})`;

export function scratch(name: string): string {
  return mkdtempSync(join(tmpdir(), `cdp-nix-${name}-`));
}

/** Evaluates an expression, strictly; throws what Nix says. Paths in it are relative to the repository. */
export function evaluate(expression: string): unknown {
  const { code, stdout, stderr } = run("nix-instantiate", [
    ...["--store", "dummy://", "--eval", "--strict", "--json"],
    ...["-E", expression],
  ]);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** `nix` with flakes, offline, on a store of its own. */
export function nixWithFlakes(args: readonly string[], store: string): Ran {
  const place = (name: string) => {
    const dir = join(store, name);
    mkdirSync(dir, { recursive: true });
    return dir;
  };
  return run("nix", ["--extra-experimental-features", "nix-command flakes", "--offline", ...args], {
    env: {
      PATH: process.env.PATH,
      HOME: place("home"),
      NIX_STORE_DIR: place("store"),
      NIX_STATE_DIR: place("var"),
      NIX_LOG_DIR: place("log"),
      NIX_CONF_DIR: place("conf"),
    },
  });
}
