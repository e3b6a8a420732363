import type { Stats } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Exit, type ExitCode } from "../exit.ts";
import { exclusively } from "../host/exclusive.ts";
import { FileChanged, type FileRead, readFile, replaceFile } from "../host/files.ts";
import { makeFolder, removeFile, statLink, UnsafeFile } from "../host/paths.ts";
import { event } from "../log/events.ts";
import type { Journal } from "../log/journal.ts";
import { LARGEST_CONFIG, type Merge, mergeConfig, Unusable } from "./config.ts";
import { loadOwned, saveOwned } from "./memory.ts";
import { type Login, redactor } from "./redact.ts";
import type { Registries } from "./registries.ts";
import { registryName } from "./servers.ts";

export const DEFAULT_TARGET = "/root/.docker/config.json";

interface ApplyPorts {
  readonly journal: Journal;
  readonly stateDir: string;
  /** Where a relative `passwordFile` is looked up: systemd's $CREDENTIALS_DIRECTORY. */
  readonly credentialsDirectory: string | undefined;
}

/**
 * Puts the wanted credentials into the client's config file, and takes out those that an earlier run put there and that
 * are wanted no more. All or nothing: one secret that cannot be read leaves the file as it is. What happened is in the
 * journal; the result is the exit code.
 */
export function applyRegistries(ports: ApplyPorts, { registries }: Registries, target: string): ExitCode {
  const wanted = new Map<string, Login>();
  try {
    for (const [key, { username, passwordFile }] of registries) {
      const password = readSecret(registryName(key), passwordFile, ports.credentialsDirectory);
      wanted.set(key, { username, password });
    }
    inTurn(ports.stateDir, () => {
      // Somebody may log in at the same moment: then everything is judged anew.
      for (let tries = 1; ; tries++) {
        try {
          return put(ports, target, wanted);
        } catch (error) {
          if (!(error instanceof FileChanged) || tries === TRIES) throw error;
        }
      }
    });
    return Exit.ok;
  } catch (error) {
    const reason = redactor([...wanted.values()])((error as Error).message);
    ports.journal.emit(event("auth.failed", { target, reason }));
    return error instanceof Unusable ? Exit.settings : Exit.incomplete;
  }
}

/** How often a file is judged that somebody else changes meanwhile. */
const TRIES = 20;

/** One run after the other, where the state folder lets them: two that end together would lose each other's entries. */
function inTurn(stateDir: string, work: () => void): void {
  let begun = false;
  try {
    makeFolder(stateDir);
    exclusively(join(stateDir, ".auth.lock"), () => {
      begun = true;
      work();
    });
  } catch (error) {
    if (begun) throw error;
    // What is wrong with the folder is said when there is something to remember.
    work();
  }
}

/** Throws FileChanged where somebody else wrote the file meanwhile, Unusable, and what the filesystem says. */
function put({ journal, stateDir }: ApplyPorts, target: string, wanted: ReadonlyMap<string, Login>): void {
  const file = readTarget(target);
  const before = loadOwned(stateDir);
  const merge = naming(target, () => mergeConfig(file?.text ?? null, wanted, before));
  const closed = merge.text === null && wanted.size > 0 && file !== null && (file.stats.mode & 0o077) !== 0;
  const text = closed ? file.text : merge.text;
  if (text !== null) writeTarget(target, text, file?.stats ?? null);
  for (const shadow of merge.shadows) journal.emit(event("auth.shadowed", { target, ...shadow }));
  remember(stateDir, merge, before, journal);
  const { added, changed, removed, left } = merge;
  if (text === null) journal.emit(event("auth.unchanged", { target, registries: wanted.size, left }));
  else journal.emit(event("auth.applied", { target, added, changed, removed, left, closedToOthers: closed }));
}

function naming<T>(target: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof Unusable ? new Unusable(`${target} is left as it is: ${error.message}`) : error;
  }
}

const LARGEST_SECRET = 64 * 1024;

/**
 * The one line of a secret file. Throws Unusable, which names the registry and the file and quotes neither's content.
 */
function readSecret(registry: string, passwordFile: string, credentialsDirectory = ""): string {
  const unusable = (why: string) => new Unusable(`the password of ${registry} (${passwordFile}): ${why}`);
  const absolute = passwordFile.startsWith("/");
  if (!absolute && credentialsDirectory === "")
    throw unusable("a relative path is a credential of systemd's, and $CREDENTIALS_DIRECTORY is not set");
  const path = absolute ? passwordFile : join(credentialsDirectory, passwordFile);
  let bytes: Buffer;
  try {
    ({ bytes } = readFile(path, { maxBytes: LARGEST_SECRET, links: true }));
  } catch (error) {
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
  // A PAT has none of these; a key file or an env file in its place has, and so has what was pasted from a page.
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(secret)) {
    throw unusable("the file holds more than one line, or a character that cannot be seen");
  }
  return secret;
}

interface TargetFile {
  readonly text: string;
  readonly stats: Stats;
}

/** `null`: there is no such file. Throws Unusable for what is not a plain file. */
function readTarget(target: string): TargetFile | null {
  // Somebody else keeps the file behind a link (sops.templates, a dotfile manager); replacing it would cut it off.
  if (statLink(target)?.isSymbolicLink())
    throw new Unusable(`${target} is a symbolic link, which is left to whoever made it`);
  let read: FileRead;
  try {
    read = readFile(target, { maxBytes: LARGEST_CONFIG });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error instanceof UnsafeFile ? new Unusable(message) : error;
  }
  if (read.stats.nlink > 1) throw new Unusable(`${target} has more than one name (hard links)`);
  return { text: read.bytes.toString("utf8"), stats: read.stats };
}

/**
 * Replaces the file as a whole. Docker's own folder holds nothing for others: it is closed to them, and must be root's
 * or that of the file's owner. Another folder may be somebody else's, and is left. A new file is for the user whose
 * folder it is in. Throws what replaceFile does.
 */
function writeTarget(target: string, text: string, existing: Stats | null): void {
  const folder = dirname(target);
  makeFolder(folder, 0o700);
  // What a version before 0.2 left where it was killed: a secret may be in it.
  removeFile(join(folder, `.${basename(target)}.ci-docker-auth`));
  const own = basename(folder) === ".docker";
  const us = process.geteuid?.() ?? 0;
  const theirs = existing === null || existing.uid === us ? statLink(folder)?.uid : existing.uid;
  try {
    replaceFile(target, text, {
      mode: 0o600,
      ...(existing === null ? (own ? { owner: "folder" } : {}) : { owner: existing }),
      ...(own ? { folderOf: [0, us, theirs ?? us] } : {}),
      expect: existing,
    });
  } catch (error) {
    throw error instanceof UnsafeFile ? new Unusable(error.message) : error;
  }
}

function remember(stateDir: string, { owned }: Merge, before: object, journal: Journal): void {
  if (JSON.stringify(owned) === JSON.stringify(before)) return;
  try {
    saveOwned(stateDir, owned);
  } catch (error) {
    // Then the entry will not be removed by us one day; that is the harmless side.
    journal.emit(event("state.unwritable", { reason: (error as Error).message }));
  }
}
