/** Who logs in at a registry, and with what: a password, or better a personal access token (PAT). */
export interface Login {
  readonly username: string;
  readonly password: string;
}

/**
 * Takes secrets out of a text that others wrote (an engine, a registry, node), in every form in which they travel:
 * plain, as base64 with the username before it (Docker's config, HTTP basic), and as they read inside JSON, an address
 * or a quoted text. Every error text of agent/auth goes through this before it is shortened, shown, logged or kept.
 */
type Redact = (text: string) => string;

const SHOWN = "[secret]";
/** Of a secret that is cut off, so much is shown to nobody; shorter pieces are in any text. */
const PIECE = 8;

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
  // Longest first: a short form may be a part of a longer one.
  const forms = [...new Set(secrets.flatMap(formsOf))]
    .filter((form) => form !== "")
    .sort((a, b) => b.length - a.length);
  return (text) => {
    const whole = forms.reduce((rest, form) => rest.replaceAll(form, SHOWN), text);
    return forms.reduce(withoutCutOff, whole);
  };
}

/** Somebody else may have shortened the text in the midst of a secret: its end is then the beginning of one. */
function withoutCutOff(text: string, form: string): string {
  const [, body = "", dots = ""] = /^(.*?)(\.\.\.|…)?$/s.exec(text) ?? [];
  for (let length = Math.min(form.length - 1, body.length); length >= PIECE; length--) {
    if (body.endsWith(form.slice(0, length))) return `${body.slice(0, -length)}${SHOWN}${dots}`;
  }
  return text;
}

/** As Go and JavaScript write a text: in JSON, quoted (%q, with and without other alphabets), in an address. */
function formsOf(secret: string): string[] {
  const quoted = JSON.stringify(secret).slice(1, -1);
  const ascii = quoted.replace(/[^\x20-\x7e]/g, unicode);
  const html = (text: string) => text.replace(/[<>&\u2028\u2029]/g, unicode);
  const component = encodeURIComponent(secret);
  const query = component.replace(/[!'()*]/g, percent);
  const url = secret.replaceAll("+", "-").replaceAll("/", "_");
  return [
    ...[secret, quoted, ascii, html(quoted), html(ascii), component, query],
    ...[query.replaceAll("%20", "+"), lowerPercents(component), encodeURI(secret), url],
  ].flatMap((form) => [form, form.replace(/(?:=|%3D|%3d)+$/, "")]);
}

const unicode = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
const percent = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
const lowerPercents = (text: string) => text.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase());

export const base64 = (text: string) => Buffer.from(text, "utf8").toString("base64");
