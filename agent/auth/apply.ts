import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { Exit, type ExitCode } from "../exit.ts";
import { authApplied, authFailed, authShadowed, authUnchanged, stateUnwritable } from "../log/events.ts";
import type { Journal } from "../log/journal.ts";
import { type Merge, mergeConfig } from "./config.ts";
import type { Login } from "./login.ts";
import { loadOwned, saveOwned } from "./memory.ts";
import { redactor } from "./redact.ts";
import type { Registries } from "./registries.ts";
import { registryName } from "./servers.ts";

export const DEFAULT_TARGET = "/root/.docker/config.json";

export interface ApplyPorts {
  readonly journal: Journal;
  readonly stateDir: string;
  /** Where a relative `passwordFile` is looked up: systemd's $CREDENTIALS_DIRECTORY. */
  readonly credentialsDirectory: string | undefined;
}

/** Names what cannot be used; the text never holds a secret. */
class Unusable extends Error {
  constructor(
    reason: string,
    readonly exitCode: ExitCode = Exit.settings,
  ) {
    super(reason);
  }
}

/**
 * Puts the wanted credentials into the client's config file, and takes out those that an earlier run put there and that
 * are wanted no more. All or nothing: one secret that cannot be read leaves the file as it is. What happened is in the
 * journal; the result is the exit code.
 */
export function applyRegistries(
  { journal, stateDir, credentialsDirectory }: ApplyPorts,
  { registries }: Registries,
  target: string,
): ExitCode {
  const logins: Login[] = [];
  try {
    const wanted = new Map<string, Login>();
    for (const [key, { username, passwordFile }] of registries) {
      const password = readSecret(registryName(key), passwordFile, credentialsDirectory);
      const login = { username, password };
      logins.push(login);
      wanted.set(key, login);
    }
    const file = readTarget(target);
    const before = loadOwned(stateDir);
    const merged = mergeConfig(file?.text ?? null, wanted, before);
    if (!merged.ok) throw new Unusable(`${target} is left as it is: ${merged.reason}`);
    const { merge } = merged;
    for (const shadow of merge.shadows) journal.emit(authShadowed({ target, ...shadow }));
    if (merge.text !== null) writeTarget(target, merge.text, file);
    const closed = merge.text === null && wanted.size > 0 && closeToOthers(target, file);
    remember(stateDir, merge, before, journal);
    const { added, changed, removed, left } = merge;
    if (merge.text === null && !closed) {
      journal.emit(authUnchanged({ target, registries: wanted.size, left }));
    } else {
      journal.emit(authApplied({ target, added, changed, removed, left, closedToOthers: closed }));
    }
    return Exit.ok;
  } catch (error) {
    const exitCode = error instanceof Unusable ? error.exitCode : Exit.incomplete;
    journal.emit(authFailed({ target, reason: redactor(logins)((error as Error).message) }));
    return exitCode;
  }
}

const LARGEST_SECRET = 64 * 1024;

/** The one line of a secret file. Throws Unusable, which names the registry and the file and quotes neither's content. */
function readSecret(
  registry: string,
  passwordFile: string,
  credentialsDirectory: string | undefined,
): string {
  const unusable = (why: string) => new Unusable(`the password of ${registry} (${passwordFile}): ${why}`);
  if (!passwordFile.startsWith("/") && (credentialsDirectory ?? "") === "") {
    throw unusable("a relative path is a credential of systemd's, and $CREDENTIALS_DIRECTORY is not set");
  }
  const path = passwordFile.startsWith("/")
    ? passwordFile
    : join(credentialsDirectory as string, passwordFile);
  let bytes: Buffer;
  try {
    if (statSync(path).size > LARGEST_SECRET) throw unusable("the file is larger than 64 KiB");
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof Unusable) throw error;
    throw unusable((error as Error).message);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw unusable("the file is not UTF-8 text");
  }
  const secret = text.replace(/[\r\n]+$/, "");
  if (secret.trim() === "") throw unusable("the file is empty");
  // A PAT has none of these; a key file or an env file in its place has.
  if (/[\u0000-\u001f\u007f]/.test(secret)) {
    throw unusable("the file holds more than one line, or a control character");
  }
  return secret;
}

interface TargetFile {
  readonly text: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** `null`: there is no such file. Throws Unusable for what is not a plain file. */
function readTarget(target: string): TargetFile | null {
  try {
    const { mode, uid, gid, ...stats } = lstatSync(target);
    // Somebody else keeps the file behind a link (sops.templates, a dotfile manager); replacing it would cut it off.
    if ((mode & constants.S_IFMT) === constants.S_IFLNK) {
      throw new Unusable(`${target} is a symbolic link, which is left to whoever made it`);
    }
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw new Unusable(`${target} is not a plain file`);
    if (stats.nlink > 1) throw new Unusable(`${target} has more than one name (hard links)`);
    return { text: readFileSync(target, "utf8"), mode: mode & 0o7777, uid, gid };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Replaces the file as a whole, so that no client ever reads half of it. Throws what the filesystem says. */
function writeTarget(target: string, text: string, existing: TargetFile | null): void {
  const folder = dirname(target);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Docker's own folder holds nothing for others. Another folder may be somebody else's, and is left.
  if (basename(folder) === ".docker" && (statSync(folder).mode & 0o077) !== 0) chmodSync(folder, 0o700);
  const temporary = join(folder, `.${basename(target)}.ci-docker-auth`);
  // Left behind where an earlier run was killed in the middle.
  rmSync(temporary, { force: true });
  try {
    const fd = openSync(temporary, "wx", 0o600);
    try {
      fchmodSync(fd, 0o600);
      if (
        existing !== null &&
        (existing.uid !== process.geteuid?.() || existing.gid !== process.getegid?.())
      ) {
        fchownSync(fd, existing.uid, existing.gid);
      }
      const bytes = Buffer.from(text, "utf8");
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

/** A file that stays as it is but lets others read it is closed to them. Tells whether that was needed. */
function closeToOthers(target: string, file: TargetFile | null): boolean {
  if (file === null || (file.mode & 0o077) === 0) return false;
  chmodSync(target, 0o600);
  return true;
}

function remember(stateDir: string, { owned }: Merge, before: object, journal: Journal): void {
  if (JSON.stringify(owned) === JSON.stringify(before)) return;
  try {
    saveOwned(stateDir, owned);
  } catch (error) {
    // Then the entry will not be removed by us one day; that is the harmless side.
    journal.emit(stateUnwritable((error as Error).message));
  }
}
