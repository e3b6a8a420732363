import { readJson } from "../json.ts";
import { base64, type Login } from "./redact.ts";
import { HUB, hostNameOf, lookedUpAs, registryName } from "./servers.ts";

/** The largest config file that is read, in bytes. */
export const LARGEST_CONFIG = 4 * 1024 * 1024;

/**
 * What becomes of a Docker client's config.json. Pure: text in, text out. Everything that is not an entry of ours is
 * kept as it stands: other registries, `credsStore`, `credHelpers`, `HttpHeaders`, and keys that nobody knows yet.
 */

/** Entries that an earlier run wrote, by config key. Never a secret, nor anything made from one. */
export type Owned = Readonly<Record<string, { readonly username: string }>>;

/** Something in the file by which Docker's client never looks at our entry. */
export interface Shadow {
  /** `"docker.io"` */
  readonly registry: string;
  /** The key that does it: `credHelpers["registry.example.org"]`, `credsStore`. */
  readonly by: string;
  /** The helper it names: the program is docker-credential-<helper>. */
  readonly helper: string;
}

export interface Merge {
  /** The new file; `null`: nothing would change. */
  readonly text: string | null;
  /** Registries by the names people use. */
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
  /** Entries that we once wrote and no longer want, which somebody else has changed since: they stay. */
  readonly left: readonly string[];
  readonly shadows: readonly Shadow[];
  /** What to remember for next time. */
  readonly owned: Owned;
}

interface Entry {
  readonly auth?: unknown;
  readonly identitytoken?: unknown;
  readonly registrytoken?: unknown;
  readonly username?: unknown;
  readonly password?: unknown;
}

/**
 * @param wanted by config key (servers.ts)
 * @throws Unusable
 */
export function mergeConfig(file: string | null, wanted: ReadonlyMap<string, Login>, before: Owned): Merge {
  const { document, auths } = parseConfig(file);
  const mine = new Map(Object.entries(before));
  const next = new Map(Object.entries(auths));
  const owned = new Map<string, { username: string }>();
  const added: string[] = [];
  const changed: string[] = [];
  const removed: string[] = [];
  const left: string[] = [];

  for (const [key, login] of wanted) {
    const entry = next.get(key);
    const auth = base64(`${login.username}:${login.password}`);
    if (entry !== undefined && holdsOnly(entry, auth)) {
      if (mine.get(key)?.username === login.username) owned.set(key, { username: login.username });
      continue;
    }
    (next.has(key) ? changed : added).push(registryName(key));
    next.set(key, { auth });
    owned.set(key, { username: login.username });
  }
  for (const [key, { username }] of mine) {
    if (wanted.has(key) || !next.has(key)) continue;
    if (loginOf(next.get(key))?.username === username) {
      next.delete(key);
      removed.push(registryName(key));
    } else left.push(registryName(key));
  }

  const same = added.length + changed.length + removed.length === 0;
  return {
    // Tabs, as docker/cli writes it.
    text: same ? null : `${JSON.stringify({ ...document, auths: Object.fromEntries(next) }, null, "\t")}\n`,
    ...{ added, changed, removed, left },
    shadows: shadowsOf(document, [...wanted.keys()]),
    owned: Object.fromEntries(owned),
  };
}

/** What the client would use for each registry that has an entry. */
export interface Stored {
  /** By config key; `null`: an entry without a username and a password, such as one with an identity token. */
  readonly logins: ReadonlyMap<string, Login | null>;
  /** Keys that look like Docker Hub's and that no pull looks for. */
  readonly unread: readonly string[];
  readonly shadows: readonly Shadow[];
}

/** Reads what is stored. @param existing the file; `null` when there is none @throws Unusable */
export function storedLogins(existing: string | null): Stored {
  if (existing?.startsWith("\uFEFF")) throw new Unusable("the client does not read what begins with a BOM");
  const { document, auths } = parseConfig(existing);
  const logins = new Map<string, Login | null>();
  const unread: string[] = [];
  for (const [key, entry] of Object.entries(auths)) {
    const { auth } = Object(entry) as Entry;
    // One such entry, and the client gives up on the file (LoadFromReader).
    if (typeof auth === "string" && auth !== "" && decoded(auth) === null)
      throw new Unusable(
        `the client does not read it: the "auth" of ${JSON.stringify(key)} is no login in base64`,
      );
    const server = lookedUpAs(key);
    if (server === null) {
      // Tokens of the client's own web login stand beside Hub's entry.
      if (!/\/(?:access|refresh)-token$/.test(key)) unread.push(key);
    } else if (key === server || !logins.has(server)) logins.set(server, loginOf(entry));
  }
  // Also for a registry without an entry: the client asks its helper.
  const shadows = shadowsOf(document, [...new Set([HUB, ...logins.keys(), ...helped(document)])]);
  return { logins, unread, shadows };
}

function parseConfig(existing: string | null) {
  // Docker's client takes an empty file for an empty document.
  const document = parseObject(existing === null || existing.trim() === "" ? "{}" : existing);
  // Go reads keys whatever their case; of two that differ in nothing else, one is lost.
  const odd = Object.keys(document).find((key) => READ_KEYS.some((name) => isOther(key, name)));
  if (odd !== undefined)
    throw new Unusable(`its key ${JSON.stringify(odd)} is to be written in the usual case`);
  const auths = document.auths ?? {};
  if (!isObject(auths)) throw new Unusable('its "auths" is not an object');
  return { document, auths };
}

const READ_KEYS = ["auths", "credsStore", "credHelpers"];
const isOther = (key: string, name: string) => key !== name && key.toLowerCase() === name.toLowerCase();

const helped = ({ credHelpers }: Readonly<Record<string, unknown>>): string[] =>
  isObject(credHelpers) ? Object.keys(credHelpers).filter((key) => lookedUpAs(key) === key) : [];

function holdsOnly(entry: unknown, auth: string): boolean {
  if (!isObject(entry)) return false;
  const { auth: held, identitytoken, registrytoken } = entry as Entry;
  // Either token would be used instead of the password.
  return held === auth && !identitytoken && !registrytoken;
}

/** `{"auth": base64("user:password")}`, or both as they stand -> the login; `null` for anything else. */
function loginOf(entry: unknown): Login | null {
  const { auth, identitytoken, username, password } = Object(entry) as Entry;
  if (identitytoken) return null;
  if (typeof auth === "string" && auth !== "") return decoded(auth);
  const told = typeof username === "string" && typeof password === "string" && username !== "";
  return told ? { username, password } : null;
}

/** As Go's StdEncoding has it: no other alphabet, with all of its padding; line ends count for nothing. */
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Source: docker/cli, cli/config/configfile/file.go (decodeAuth). */
function decoded(auth: string): Login | null {
  const plain = auth.replace(/[\r\n]/g, "");
  const text = BASE64.test(plain) ? Buffer.from(plain, "base64").toString("utf8") : "";
  const colon = text.indexOf(":");
  if (colon < 1) return null;
  // Old clients padded the password with NULs.
  return { username: text.slice(0, colon), password: text.slice(colon + 1).replace(/^\0+|\0+$/g, "") };
}

/**
 * Docker's client asks a helper of its own for a registry in `credHelpers`, else the one in `credsStore`, and then
 * never the file; an empty name in `credHelpers` brings the file back for that registry. Helpers go by the very key;
 * one under Hub's host name is told as well, for there people look for it. Source: docker/cli,
 * cli/config/configfile/file.go (getConfiguredCredentialStore).
 */
function shadowsOf(document: Readonly<Record<string, unknown>>, keys: readonly string[]): Shadow[] {
  const { credsStore, credHelpers } = document;
  const helpers = isObject(credHelpers) ? Object.entries(credHelpers) : [];
  return keys.flatMap((key): Shadow[] => {
    const own = helpers.find(([name]) => name === key) ?? helpers.find(([name]) => name === hostNameOf(key));
    const [by, helper] =
      own === undefined ? ["credsStore", credsStore] : [`credHelpers[${JSON.stringify(own[0])}]`, own[1]];
    return typeof helper === "string" && helper !== "" ? [{ registry: registryName(key), by, helper }] : [];
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Names what cannot be used, as the end of a sentence. It quotes nothing that was read: a secret may stand there. */
export class Unusable extends Error {}

/**
 * Text -> JSON object. A key that is there twice, or a number that would be rounded, is a fault: what is written back
 * would differ. Throws {@link Unusable}, which says where the text breaks and never how it reads there.
 */
export function parseObject(text: string): Record<string, unknown> {
  const read = readJson(text);
  if (read.ok && isObject(read.value)) return read.value;
  if (read.ok) throw new Unusable("it is not a JSON object");
  const [{ path, found, expected } = { path: "", found: "", expected: "" }] = read.faults;
  throw new Unusable(path === "" ? `it is ${found}` : `at ${path}, expected ${expected}`);
}
