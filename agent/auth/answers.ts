/** What a look at one registry came to. */
export type CheckResult =
  | "accepted"
  /** The registry was reached and does not take this username with this password. */
  | "wrong-password"
  /** No answer: the name does not resolve, nobody listens, no route, too late. */
  | "unreachable"
  /** Somebody answered, but not with TLS that the engine trusts. */
  | "tls"
  /** Nothing is stored for this registry that could be checked. */
  | "no-credentials"
  /** The registry answered with something else; the reason has its words. */
  | "registry-error"
  /** The engine could not be asked. */
  | "engine-unavailable";

/**
 * What the engine's refusal of POST /auth means. Pure.
 *
 * The one place where errors are told apart by their words, because the engine leaves nothing else: measured on 20.10,
 * 26.1 and 28.5, it answers 401 for a wrong password only where the registry hands out tokens (as Docker Hub does). A
 * registry with HTTP basic, an unreachable one and one with an untrusted certificate are all 500. The words are those
 * of moby's registry/auth.go ("login attempt to … failed with status: 401 Unauthorized") and, unchanged since long,
 * of Go's net, net/http, crypto/tls and crypto/x509. What matches nothing is "registry-error" and shows its words.
 */
export function resultOf(status: number | undefined, words: string): Exclude<CheckResult, "accepted"> {
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
