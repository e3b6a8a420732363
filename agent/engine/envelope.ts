import { COMPONENT, TAG, TAGGED } from "../settings/globs.ts";

/**
 * Which requests may ever leave. Everything else throws before a byte is sent; door.ts calls this for each
 * request at the last point before node:http, so no caller can go round it.
 *
 * What only some settings or commands need (a tag's removal, a stop, a commit) leaves only where `Permissions` say so.
 * Two requests carry a body, each only of the one shape it has: the check of registry credentials, and a commit's
 * labels.
 *
 * Not here, and never to be: volumes, /system/prune, /images/prune, /containers/prune, force, v, image deletes
 * without noprune=true, /build/prune without exactly one age limit.
 */

/** What the settings and the command in hand allow beyond the requests that every pass may send. */
export interface Permissions {
  /** Seconds, which no prune request may undercut: `prune.until`, in an emergency `prune.emergency.until`. */
  readonly ageLimit: number;
  /** Whether a rule names images of this name and tag: `"ghcr.io/acme/worker:sha-1"`. */
  readonly mayUntag: (repository: string, tag: string) => boolean;
  /** A rule of `orphans` is in force. */
  readonly mayStop: boolean;
  /** `prune.networksAbove` is set. */
  readonly mayRemoveNetworks: boolean;
  /** This is `snapshots commit`. */
  readonly mayCommit: boolean;
}

/** What a pass without rules may do. */
export const BASE_PERMISSIONS: Omit<Permissions, "ageLimit"> = {
  mayUntag: () => false,
  mayStop: false,
  mayRemoveNetworks: false,
  mayCommit: false,
};

const HEX64 = "[0-9a-f]{64}";

interface Allowed {
  readonly method: "GET" | "DELETE" | "POST";
  /** Of the path after the API version. */
  readonly path: RegExp;
  /** What the settings must say besides; gets what the path's groups caught. */
  readonly permitted?: (permissions: Permissions, ...groups: string[]) => boolean;
  /** Query keys that may be present, each with what its value may be. */
  readonly query?: Readonly<Record<string, (value: string, permissions: Permissions) => boolean>>;
  readonly required?: readonly string[];
  /** What the body must be; absent: there is none. */
  readonly body?: (text: string) => boolean;
}

const equals = (wanted: string) => (value: string) => value === wanted;

/** A filter document of known keys with lists that are not empty: `dangling: []` deletes tagged images on 20.10. */
const filters =
  (...keys: readonly string[]) =>
  (value: string): boolean => {
    const document = inOurSpelling(value);
    if (document === undefined) return false;
    return Object.entries(document).every(
      ([key, list]) =>
        keys.includes(key) &&
        Array.isArray(list) &&
        list.length > 0 &&
        list.every((item) => typeof item === "string" && item !== ""),
    );
  };

/** `{"until":["86400s"]}` and nothing else: whole seconds, no fewer than the age limit in force. */
function untilOnly(value: string, { ageLimit }: Permissions): boolean {
  const match = /^\{"until":\["([1-9]\d{0,10})s"\]\}$/.exec(value);
  return match !== null && Number(match[1]) >= ageLimit;
}

/** `{"username":…,"password":…,"serveraddress":…}`: these three texts and nothing else, in our own spelling. */
function loginOnly(text: string): boolean {
  const document = inOurSpelling(text) ?? {};
  const keys = Object.keys(document);
  return keys.length === LOGIN_KEYS.length && LOGIN_KEYS.every((key) => typeof document[key] === "string");
}

/** `{"Labels":{…}}`: labels of our own and nothing else, in our own spelling. */
function ownLabelsOnly(text: string): boolean {
  const { Labels: labels, ...rest } = inOurSpelling(text) ?? {};
  return (
    Object.keys(rest).length === 0 &&
    typeof labels === "object" &&
    labels !== null &&
    Object.entries(labels).every(
      ([key, value]) => /^ci-docker-prune\.snapshot(?:\.[a-z-]+)?$/.test(key) && typeof value === "string",
    )
  );
}

/** What `watch` listens to: containers that start, images that come and go. */
export const EVENT_FILTERS =
  '{"type":["container","image"],"event":["start","pull","load","tag","import","delete"]}';

const LOGIN_KEYS = ["username", "password", "serveraddress"];

const ALLOWED: readonly Allowed[] = [
  { method: "GET", path: /^\/version$/ },
  { method: "GET", path: /^\/info$/ },
  {
    method: "GET",
    path: /^\/events$/,
    query: { filters: equals(EVENT_FILTERS), since: (value) => /^\d{1,10}(\.\d{1,9})?$/.test(value) },
    required: ["filters"],
  },
  { method: "GET", path: /^\/services$/, query: { status: equals("true") } },
  { method: "GET", path: /^\/tasks$/, query: { filters: filters("service", "desired-state") } },
  {
    method: "GET",
    path: /^\/containers\/json$/,
    query: { filters: filters("status", "health", "id") },
  },
  { method: "GET", path: new RegExp(`^/containers/${HEX64}/json$`), query: { size: equals("true") } },
  {
    method: "GET",
    path: /^\/images\/json$/,
    query: {
      all: equals("true"),
      filters: (value) => ["dangling", "reference", "label"].some((key) => filters(key)(value)),
    },
  },
  { method: "GET", path: new RegExp(`^/images/sha256:${HEX64}/json$`) },
  { method: "GET", path: new RegExp(`^/images/sha256:${HEX64}/history$`) },
  { method: "GET", path: /^\/system\/df$/, query: { type: equals("build-cache") } },
  { method: "DELETE", path: new RegExp(`^/containers/${HEX64}$`) },
  {
    method: "DELETE",
    path: new RegExp(`^/images/sha256:${HEX64}$`),
    query: { noprune: equals("true") },
    required: ["noprune"],
  },
  {
    method: "DELETE",
    path: new RegExp(`^/images/${TAGGED}$`),
    permitted: ({ mayUntag }, repository = "", tag = "") => mayUntag(repository, tag),
    query: { noprune: equals("true") },
    required: ["noprune"],
  },
  {
    method: "POST",
    path: new RegExp(`^/containers/${HEX64}/stop$`),
    permitted: ({ mayStop }) => mayStop,
    query: { t: (value) => /^\d{1,4}$/.test(value) },
    required: ["t"],
  },
  {
    method: "POST",
    path: /^\/commit$/,
    permitted: ({ mayCommit }) => mayCommit,
    query: {
      container: (value) => new RegExp(`^${HEX64}$`).test(value),
      repo: (value) => new RegExp(`^ci-snapshot/${COMPONENT}$`).test(value),
      tag: (value) => new RegExp(`^${TAG}$`).test(value),
    },
    required: ["container", "repo", "tag"],
    body: ownLabelsOnly,
  },
  { method: "GET", path: /^\/networks$/, query: { filters: filters("scope", "type") } },
  { method: "GET", path: new RegExp(`^/networks/${HEX64}$`) },
  {
    // Of local scope alone: the ids of a swarm's networks are no hexadecimal numbers.
    method: "DELETE",
    path: new RegExp(`^/networks/${HEX64}$`),
    permitted: ({ mayRemoveNetworks }) => mayRemoveNetworks,
  },
  { method: "POST", path: /^\/build\/prune$/, query: { filters: untilOnly }, required: ["filters"] },
  { method: "POST", path: /^\/auth$/, body: loginOnly },
];

/** Thrown for a request that is not on the list: a bug in this program, never an engine's fault. */
export class ForbiddenRequest extends Error {
  override readonly name = "ForbiddenRequest";
}

/**
 * Throws {@link ForbiddenRequest} unless this very request is on the list.
 * @param body as sent; `undefined`: none. It may hold a secret, and is never part of the error.
 */
export function assertAllowed(method: string, target: string, permissions: Permissions, body?: unknown) {
  const refuse = (why: string): never => {
    throw new ForbiddenRequest(`refused before sending: ${method} ${JSON.stringify(target)}: ${why}`);
  };
  const [rawPath = "", rawQuery, ...more] = target.split("?");
  if (more.length > 0) refuse("more than one question mark");
  // Nothing we send needs escaping in its path; an escape would be read differently here and there.
  if (!/^[\w./:-]*$/.test(rawPath) || /(?:^|\/)\.{1,2}(?:\/|$)/.test(rawPath) || rawPath.includes("//"))
    refuse("odd path");
  const path = rawPath.replace(/^\/v\d+\.\d+(?=\/)/, "");
  const rules = ALLOWED.filter((rule) => {
    const match = rule.method === method ? rule.path.exec(path) : null;
    return match !== null && (rule.permitted?.(permissions, ...match.slice(1)) ?? true);
  });
  if (rules.length === 0) refuse("no such request is allowed");
  const query = rawQuery === undefined ? [] : [...new URLSearchParams(rawQuery)];
  const keys = query.map(([key]) => key);
  if (new Set(keys).size !== keys.length) refuse("a query key stands twice");
  const fits = rules.some(
    (rule) =>
      query.every(
        ([key, value]) =>
          Object.hasOwn(rule.query ?? {}, key) && rule.query?.[key]?.(value, permissions) === true,
      ) && (rule.required ?? []).every((key) => keys.includes(key)),
  );
  if (!fits) refuse("this query is not allowed");
  if (body === undefined && rules.some((rule) => rule.body === undefined)) return;
  if (body === undefined) refuse("without its body");
  if (!rules.some((rule) => typeof body === "string" && rule.body?.(body) === true))
    refuse("this body is not allowed");
}

/** The object of a text that JSON.stringify would write: of a key that stands twice, others may read either value. */
function inOurSpelling(text: string): Record<string, unknown> | undefined {
  try {
    const document: unknown = JSON.parse(text);
    const isObject = typeof document === "object" && document !== null && !Array.isArray(document);
    return isObject && JSON.stringify(document) === text ? { ...document } : undefined;
  } catch {
    return undefined;
  }
}
