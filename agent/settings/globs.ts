import type { NameGlob, RetentionRule } from "./settings.ts";

/** As distribution/reference has it: a host with a port perhaps, components, a tag. Never a digest, never an id. */
export const COMPONENT = "[a-z0-9]+(?:(?:[.]|_{1,2}|-+)[a-z0-9]+)*";
export const TAG = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
const HOST = "(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]+)?/)";
export const TAGGED = `(?!sha256:)(${HOST}?${COMPONENT}(?:/${COMPONENT})*):(${TAG})`;

const PLAIN = new RegExp(`^${TAGGED}$`);

/** A name and tag that a request may hold as it stands (engine/envelope.ts). */
export function isPlainReference(reference: string): boolean {
  return PLAIN.test(reference);
}

/**
 * The names that distribution/reference takes, and the three wildcards: a first component that may be a host with its
 * port (capitals make one, too), small letters in the rest, a tag. nix/setting-types.nix has the same form.
 */
const FORM =
  /^(?:[A-Za-z0-9*?][A-Za-z0-9._*?-]*(?::[0-9]+)?\/)?[a-z0-9*?][a-z0-9._*?-]*(?:\/[a-z0-9*?][a-z0-9._*?-]*)*(?::[A-Za-z0-9_*?][A-Za-z0-9._*?-]*)?$/;

/** `"ghcr.io/acme/worker:sha-*"` -> NameGlob; `undefined` for what no name could ever fit. */
export function parseNameGlob(text: string): NameGlob | undefined {
  if (!FORM.test(text)) return undefined;
  const { repository, tag } = parts(text);
  return { repository: toRegExp(repository), tag: tag === null ? null : toRegExp(tag), text };
}

/** A colon before the last slash belongs to a port. */
function parts(text: string): { readonly repository: string; readonly tag: string | null } {
  const colon = text.lastIndexOf(":");
  return colon > text.lastIndexOf("/")
    ? { repository: text.slice(0, colon), tag: text.slice(colon + 1) }
    : { repository: text, tag: null };
}

/** `**` is anything, `*` anything but a slash, `?` one character but a slash. Written here: the front loads it. */
function toRegExp(glob: string): RegExp {
  const source = glob.replace(/\*{2,}|[*?]|[^*?]+/g, (part) => {
    if (part.startsWith("**")) return ".*";
    if (part === "*") return "[^/]*";
    return part === "?" ? "[^/]" : part.replaceAll(".", "\\.");
  });
  return new RegExp(`^${source}$`, "u");
}

/** Without one letter or digit in the repository a glob names whatever has as many slashes: nobody means that. */
export function namesEverything({ text }: NameGlob): boolean {
  return !/[A-Za-z0-9]/.test(parts(text).repository);
}

/** Whether the rule's repositories name this; a rule of labels alone names whatever carries one. Pure. */
export function namesTag({ match }: Pick<RetentionRule, "match">, repository: string, tag: string): boolean {
  if (match.repositories.length === 0) return true;
  return match.repositories.some(
    (glob) => glob.repository.test(repository) && (glob.tag === null || glob.tag.test(tag)),
  );
}
