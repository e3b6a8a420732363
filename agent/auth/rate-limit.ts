import * as v from "valibot";
import { type Fact, known, unknown } from "../facts.ts";
import { readJson } from "../json.ts";
import { type Bytes, formatBytes } from "../units.ts";
import { base64, type Login, redactor } from "./redact.ts";

/**
 * How many pulls an account of Docker Hub has left. A HEAD request for a manifest shows it and, other than GET, is not
 * counted as a pull. Source: Docker's manual, "Docker Hub pull usage and limits"; the repository exists for this.
 * The only place from which the agent itself goes to the network; everything else the engine does.
 */
export const rateLimit = v.object({
  /** Pulls in a window. */
  limit: v.number(),
  remaining: v.number(),
  /** `null`: the registry did not say. */
  windowSeconds: v.nullable(v.number()),
  /** What is counted: a user's id or an address; `null`: the registry did not say. */
  source: v.nullable(v.string()),
});

type RateLimit = Readonly<v.InferOutput<typeof rateLimit>>;

export const HUB_ENDPOINTS = {
  /** Gives tokens for a login. */
  token: "https://auth.docker.io/token",
  /** The registry itself. */
  registry: "https://registry-1.docker.io",
};
export type Endpoints = Readonly<typeof HUB_ENDPOINTS>;

const REPOSITORY = "ratelimitpreview/test";
/** Of the token endpoint's answer, unpacked: a token takes a few KiB. */
const MAX_ANSWER: Bytes = 1024 * 1024;

/** `"100;w=21600"` -> 100 pulls in 21600 s; `undefined` for anything else. Pure. */
export function parseAllowance(header: string) {
  const [, pulls, window] = /^(\d{1,9})(?:\s*;\s*w=(\d{1,9}))?$/.exec(header.trim()) ?? [];
  if (pulls === undefined) return undefined;
  return { pulls: Number(pulls), windowSeconds: window === undefined ? null : Number(window) };
}

/** Whether a secret may be sent there: by TLS, or within the machine. Pure. */
export function mayCarrySecrets(endpoint: string): boolean {
  if (!URL.canParse(endpoint)) return false;
  const { protocol, hostname, username, password } = new URL(endpoint);
  if (username !== "" || password !== "") return false;
  return (
    protocol === "https:" ||
    (protocol === "http:" && /^(?:127(?:\.\d+){3}|localhost|\[::1\])$/.test(hostname))
  );
}

/**
 * @returns the allowance, or unknown with a reason that holds no secret; also where the registry names no limit, as for
 * paid accounts
 */
export async function readRateLimit(login: Login, at: Endpoints, deadline: number): Promise<Fact<RateLimit>> {
  const what = "pull allowance";
  const secrets: string[] = [];
  // Not AbortSignal.timeout: its timer does not keep the process alive.
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), deadline * 1000);
  const ask = (address: URL, method: "GET" | "HEAD", authorization: string) =>
    // A redirect could carry the login elsewhere; these endpoints have none.
    fetch(address, { method, headers: { authorization }, redirect: "error", signal: controller.signal });
  try {
    const address = new URL(at.token);
    address.searchParams.set("service", "registry.docker.io");
    address.searchParams.set("scope", `repository:${REPOSITORY}:pull`);
    const basic = base64(`${login.username}:${login.password}`);
    const answer = await ask(address, "GET", `Basic ${basic}`);
    const body = readJson(await textOf(answer));
    const { access_token, token = access_token } = Object(body.ok ? body.value : null);
    if (!answer.ok) return unknown(what, `the token endpoint answered ${answer.status}`);
    if (typeof token !== "string" || token === "") return unknown(what, "the token endpoint gave no token");
    secrets.push(token);

    const base = at.registry.replace(/\/+$/, "");
    const seen = await ask(new URL(`${base}/v2/${REPOSITORY}/manifests/latest`), "HEAD", `Bearer ${token}`);
    const limit = parseAllowance(seen.headers.get("ratelimit-limit") ?? "");
    const remaining = parseAllowance(seen.headers.get("ratelimit-remaining") ?? "");
    // 429 comes with the headers too, and says the same.
    if (!seen.ok && seen.status !== 429) return unknown(what, `the registry answered ${seen.status}`);
    if (limit === undefined || remaining === undefined) {
      return unknown(what, "the registry names no limit, as for accounts without one");
    }
    return known({
      limit: limit.pulls,
      remaining: remaining.pulls,
      windowSeconds: limit.windowSeconds,
      source: seen.headers.get("docker-ratelimit-source"),
    });
  } catch (error) {
    if (controller.signal.aborted) return unknown(what, `no answer within ${deadline} s`);
    const { message, cause } = error as Error & { cause?: { code?: string; message?: string } };
    return unknown(what, redactor([login], secrets)(cause?.code ?? cause?.message ?? message));
  } finally {
    clearTimeout(timer);
  }
}

/** The body as text. Throws what the network says, or where it is longer than {@link MAX_ANSWER}. */
async function textOf(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    size += chunk.length;
    // Leaving the loop ends the connection.
    if (size > MAX_ANSWER) throw new Error(`the answer is longer than ${formatBytes(MAX_ANSWER)}`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
