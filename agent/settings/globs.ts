import type { NameGlob, RetentionRule } from "./settings.ts";

/** What a name may hold (distribution/reference, tags included), and the three wildcards. */
const FORM =
  /^[A-Za-z0-9*?][A-Za-z0-9._/*?-]*(?::[0-9]+\/[A-Za-z0-9._/*?-]+)?(?::[A-Za-z0-9_*?][A-Za-z0-9._*?-]*)?$/;

/** `"ghcr.io/acme/worker:sha-*"` -> NameGlob; `undefined` for what no name could ever fit. */
export function parseNameGlob(text: string): NameGlob | undefined {
  if (!FORM.test(text) || text.includes("//") || text.endsWith("/")) return undefined;
  const colon = text.lastIndexOf(":");
  const tagged = colon > text.lastIndexOf("/");
  const repository = tagged ? text.slice(0, colon) : text;
  if (repository.endsWith("/")) return undefined;
  return {
    repository: toRegExp(repository),
    tag: tagged ? toRegExp(text.slice(colon + 1)) : null,
    text,
  };
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
  const colon = text.lastIndexOf(":");
  const repository = colon > text.lastIndexOf("/") ? text.slice(0, colon) : text;
  return !/[A-Za-z0-9]/.test(repository);
}

/** Whether the rule's repositories name this; a rule of labels alone names whatever carries one. Pure. */
export function namesTag({ match }: Pick<RetentionRule, "match">, repository: string, tag: string): boolean {
  if (match.repositories.length === 0) return true;
  return match.repositories.some(
    (glob) => glob.repository.test(repository) && (glob.tag === null || glob.tag.test(tag)),
  );
}
