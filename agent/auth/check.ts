import * as v from "valibot";
import type { EngineClient } from "../engine/door.ts";
import { EngineError } from "../engine/errors.ts";
import { Exit, type ExitCode } from "../exit.ts";
import { readFile } from "../host/files.ts";
import { LARGEST_CONFIG, type Shadow, type Stored, storedLogins, Unusable } from "./config.ts";
import { type Endpoints, rateLimit, readRateLimit } from "./rate-limit.ts";
import { type Login, redactor } from "./redact.ts";
import { HUB, registryName } from "./servers.ts";

/** How the check of a registry can end, besides "accepted"; each with the words that its reason begins with. */
const LEADS = {
  "wrong-password": "the registry refuses this username or password",
  /** No answer: the name does not resolve, nobody listens, no route, too late. */
  unreachable: "the registry cannot be reached",
  /** Somebody answered, but not with TLS that the engine trusts. */
  tls: "the registry's TLS is not trusted",
  "no-credentials": "no credentials are configured",
  "registry-error": "the registry answered otherwise",
  "engine-unavailable": "the engine could not be asked",
} as const;

type Refusal = keyof typeof LEADS;
const RESULTS = ["accepted", ...(Object.keys(LEADS) as Refusal[])] as const;

/** What a look at one registry came to; it holds no secret, and is logged, shown and kept as it stands. */
export const checked = v.object({
  registry: v.string(),
  username: v.nullable(v.string()),
  result: v.picklist(RESULTS),
  /** A sentence without its full stop. */
  reason: v.string(),
  /** Docker Hub only. */
  rateLimit: v.nullable(rateLimit),
  /** Why there is no `rateLimit` where one could be; `null` else. */
  rateLimitReason: v.nullable(v.string()),
});

export type Checked = Readonly<v.InferOutput<typeof checked>>;

interface CheckPorts {
  readonly client: EngineClient;
  readonly endpoints: Endpoints;
  /** Seconds for the look at the pull allowance. */
  readonly deadline: number;
}

/** Reads the client's config file. A file that is not there stores nothing. Throws Unusable. */
export function readStored(target: string): Stored {
  let text: string | null = null;
  try {
    // The client follows a link too.
    text = readFile(target, { maxBytes: LARGEST_CONFIG, links: true }).bytes.toString("utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTDIR") throw new Unusable(message);
  }
  return storedLogins(text);
}

/** What is to be checked: this registry, or all that have an entry. @param only a config key (servers.ts) */
export function toCheck(stored: Stored, only: string | undefined): string[] {
  if (only !== undefined) return [only];
  // An entry for Docker Hub under a key that no pull uses is worth a word.
  const keys = [...stored.logins.keys()];
  return stored.unread.length === 0 || keys.includes(HUB) ? keys : [...keys, HUB];
}

/** Has the engine log in with what is stored for a registry. Whatever is answered is the result; only bugs throw. */
export async function checkRegistry(ports: CheckPorts, stored: Stored, key: string): Promise<Checked> {
  const registry = registryName(key);
  const login = stored.logins.get(key);
  const shadow = stored.shadows.find((one) => one.registry === registry);
  if (login === undefined || login === null || shadow !== undefined) {
    const reason = whyNone(stored, key, shadow);
    return { ...NOTHING, registry, username: null, result: "no-credentials", reason };
  }
  const { username } = login;
  const redact = redactor([login]);
  try {
    await ports.client.call({
      method: "POST",
      path: "/auth",
      body: { username, password: login.password, serveraddress: key },
      redact,
    });
  } catch (error) {
    if (!(error instanceof EngineError)) throw new Error(redact((error as Error).message));
    const words = redact(error.message);
    const result = error.status === undefined ? "engine-unavailable" : resultOf(error.status, words);
    return { ...NOTHING, registry, username, result, reason: `${LEADS[result]} (${words})` };
  }
  const accepted = { registry, username, result: "accepted", reason: "the credentials work" } as const;
  return { ...accepted, ...(key === HUB ? await allowance(ports, login) : NOTHING) };
}

const NOTHING = { rateLimit: null, rateLimitReason: null } as const;

async function allowance({ endpoints, deadline }: CheckPorts, login: Login) {
  const fact = await readRateLimit(login, endpoints, deadline);
  return fact.known ? { ...NOTHING, rateLimit: fact.value } : { ...NOTHING, rateLimitReason: fact.reason };
}

/** Why a pull would send nothing that is stored here. */
function whyNone({ logins, unread }: Stored, key: string, shadow: Shadow | undefined): string {
  if (shadow !== undefined)
    return `the client does not read the entry: ${shadow.by} leaves it to docker-credential-${shadow.helper}`;
  if (logins.has(key)) return "the entry holds no username and password that could be checked";
  return key === HUB && unread.length > 0
    ? `the client never reads the entry ${JSON.stringify(unread[0])}: it looks for ${HUB}`
    : LEADS["no-credentials"];
}

/** The worst of several, an operator's mistake before a registry's trouble. Pure. */
export function exitCodeOf(checks: readonly Checked[]): ExitCode {
  const results = checks.map(({ result }) => result);
  if (results.length === 0 || results.includes("no-credentials")) return Exit.settings;
  if (results.includes("wrong-password")) return Exit.credentials;
  return results.every((result) => result === "accepted") ? Exit.ok : Exit.unavailable;
}

/**
 * What the engine's refusal of POST /auth means. Pure.
 *
 * The one place where errors are told apart by their words, because the engine leaves nothing else: measured on 20.10,
 * 26.1 and 28.5, it answers 401 for a wrong password only where the registry hands out tokens (as Docker Hub does). A
 * registry with HTTP basic, an unreachable one and one with an untrusted certificate are all 500. The words are those
 * of moby's registry/auth.go ("login attempt to … failed with status: 401 Unauthorized") and, unchanged since long,
 * of Go's net, net/http, crypto/tls and crypto/x509. What matches nothing is "registry-error" and shows its words.
 */
export function resultOf(status: number | undefined, words: string): Refusal {
  if (status === 401 || WRONG_PASSWORD.test(words)) return "wrong-password";
  if (TLS.test(words)) return "tls";
  if (UNREACHABLE.test(words)) return "unreachable";
  return "registry-error";
}

/** "denied" is how GitHub's registry says it. */
const WRONG_PASSWORD = /failed with status: 401\b|: unauthorized: |: denied: /;

/** Not net/http's "TLS handshake timeout", which is no answer at all. */
const TLS = /\bx509: |\btls: |server gave HTTP response to HTTPS client/;

const UNREACHABLE = new RegExp(
  [
    "\\bdial (?:tcp|udp)\\b",
    "no such host",
    "connection re(?:fused|set)",
    "network is unreachable",
    "no route to host",
    "i/o timeout",
    "TLS handshake timeout",
    "Client\\.Timeout exceeded",
    "context deadline exceeded",
    "proxyconnect",
    ": EOF$",
  ].join("|"),
);
