import type { EngineClient } from "../engine/client.ts";
import { EngineError } from "../engine/errors.ts";
import { Exit, type ExitCode } from "../exit.ts";
import { readFile } from "../host/files.ts";
import { type CheckResult, resultOf } from "./answers.ts";
import { LARGEST_CONFIG, type Shadow, type Stored, storedLogins } from "./config.ts";
import type { Problem } from "./json.ts";
import type { Login } from "./login.ts";
import { type Endpoints, type RateLimit, readRateLimit } from "./rate-limit.ts";
import { redactor } from "./redact.ts";
import { HUB, registryName } from "./servers.ts";

/** What a look at one registry came to; it holds no secret, and is logged, shown and kept as it stands. */
export interface Checked {
  /** `"docker.io"` */
  readonly registry: string;
  readonly username: string | null;
  readonly result: CheckResult;
  /** A sentence without its full stop. */
  readonly reason: string;
  /** Docker Hub only. */
  readonly rateLimit: RateLimit | null;
  /** Why there is no `rateLimit` where one could be; `null` else. */
  readonly rateLimitReason: string | null;
}

export interface CheckPorts {
  readonly client: EngineClient;
  readonly endpoints: Endpoints;
  /** Seconds for the look at the pull allowance. */
  readonly deadline: number;
}

const LEADS: Readonly<Record<Exclude<CheckResult, "accepted">, string>> = {
  "wrong-password": "the registry refuses this username or password",
  unreachable: "the registry cannot be reached",
  tls: "the registry's TLS is not trusted",
  "no-credentials": "no credentials are configured",
  "registry-error": "the registry answered otherwise",
  "engine-unavailable": "the engine could not be asked",
};

/** Reads the client's config file. A file that is not there stores nothing. */
export function readStored(target: string): { readonly ok: true; readonly stored: Stored } | Problem {
  let text: string | null = null;
  try {
    // The client follows a link too.
    text = readFile(target, { maxBytes: LARGEST_CONFIG, links: true }).bytes.toString("utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTDIR") return { ok: false, reason: message };
  }
  return storedLogins(text);
}

/** What is to be checked: this registry, or all that have an entry. @param only a config key (servers.ts) */
export function toCheck(stored: Stored, only: string | undefined): string[] {
  if (only !== undefined) return [only];
  // Whoever wrote an entry for Docker Hub that no pull uses is told.
  const keys = [...stored.logins.keys()];
  return stored.unread.length === 0 || keys.includes(HUB) ? keys : [...keys, HUB];
}

/** Asks the engine to log in with what is stored for one registry. Throws nothing that the engine or a registry do. */
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

async function allowance(
  { endpoints, deadline }: CheckPorts,
  login: Login,
): Promise<Pick<Checked, "rateLimit" | "rateLimitReason">> {
  const fact = await readRateLimit(login, endpoints, deadline);
  return fact.known
    ? { rateLimit: fact.value, rateLimitReason: null }
    : { rateLimit: null, rateLimitReason: fact.reason };
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
