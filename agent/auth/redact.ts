import type { Login } from "./login.ts";

/**
 * Takes secrets out of a text that others wrote (an engine, a registry, node), in every form in which they travel:
 * plain, as base64 with the username before it (Docker's config, HTTP basic), and as they read inside JSON or an
 * address. Every error text of agent/auth goes through this before it is shown, logged or kept.
 */
export type Redact = (text: string) => string;

const SHOWN = "[secret]";

/** Pure. @param more further secrets that belong to no login, such as a token */
export function redactor(logins: readonly Login[], more: readonly string[] = []): Redact {
  const secrets = [
    ...logins.flatMap(({ username, password }) => [
      password,
      base64(password),
      base64(`${username}:${password}`),
    ]),
    ...more,
  ];
  const forms = new Set(
    secrets.flatMap((secret) => [
      secret,
      JSON.stringify(secret).slice(1, -1),
      encodeURIComponent(secret),
      secret.replace(/=+$/, ""),
    ]),
  );
  // Longest first: a short form may be a part of a longer one.
  const ordered = [...forms].filter((form) => form !== "").sort((a, b) => b.length - a.length);
  return (text) => ordered.reduce((rest, form) => rest.replaceAll(form, SHOWN), text);
}

export const base64 = (text: string) => Buffer.from(text, "utf8").toString("base64");
