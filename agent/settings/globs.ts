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

/** `"ghcr.io/acme/worker:sha-*"`: which names of images are meant, in the form `docker image ls` shows them. */
export interface NameGlob {
  readonly repository: Glob;
  /** `null`: any tag. */
  readonly tag: Glob | null;
  /** As the operator wrote it. */
  readonly text: string;
}

/** One pattern with the three wildcards: `**` is anything, `*` anything but a slash, `?` one character but a slash. */
export class Glob {
  /** `"a"`, `"?"`, `"*"`, `"**"` */
  readonly items: readonly string[];

  constructor(text: string) {
    this.items = (text.match(/\*+|[^*]/g) ?? []).map((item) => (item.length > 1 ? "**" : item));
  }

  /**
   * Whether the whole text fits. Follows every way through the glob at once, so that the time is bounded by the lengths
   * of both: a regular expression may backtrack for hours.
   */
  test(text: string): boolean {
    /** `reached[i]`: what was read so far fits the first `i` items. */
    let reached = this.#pastStars([true]);
    for (const character of text) {
      const next: boolean[] = [];
      for (const [at, item] of this.items.entries()) {
        if (reached[at] !== true) continue;
        if (item === "**" || (item === "*" && character !== "/")) next[at] = true;
        else if (item === character || (item === "?" && character !== "/")) next[at + 1] = true;
      }
      reached = this.#pastStars(next);
    }
    return reached[this.items.length] === true;
  }

  /** Stars may stand for nothing. */
  #pastStars(reached: boolean[]): boolean[] {
    for (const [at, item] of this.items.entries()) {
      if (reached[at] === true && item.startsWith("*")) reached[at + 1] = true;
    }
    return reached;
  }
}

/**
 * The names that distribution/reference takes, and the three wildcards: a first component that may be a host with its
 * port (capitals make one, too), small letters in the rest, a tag. nix/setting-types.nix has the same form.
 */
const PART = "[a-z0-9*?][a-z0-9._*?-]*";
const FORM = new RegExp(
  [
    ...["^(?:[A-Za-z0-9*?][A-Za-z0-9._*?-]*(?::[0-9]+)?/)?", `${PART}(?:/${PART})*`],
    "(?::[A-Za-z0-9_*?][A-Za-z0-9._*?-]*)?$",
  ].join(""),
);

/** `"ghcr.io/acme/worker:sha-*"` -> NameGlob; `undefined` for what no name could ever fit. */
export function parseNameGlob(text: string): NameGlob | undefined {
  if (!FORM.test(text)) return undefined;
  // A colon before the last slash belongs to a port.
  const colon = text.lastIndexOf(":");
  const [repository, tag] =
    colon > text.lastIndexOf("/") ? [text.slice(0, colon), text.slice(colon + 1)] : [text, null];
  return { repository: new Glob(repository), tag: tag === null ? null : new Glob(tag), text };
}

/**
 * A family that holds every image by its default name: the repository has a star and no letter or digit, and the tag,
 * if any, may be `latest`. `"**:build-*"` and names of a fixed length such as `"??????:*"` are families of their own.
 */
export function namesEverything({ repository, tag }: NameGlob): boolean {
  const text = repository.items.join("");
  return text.includes("*") && !/[A-Za-z0-9]/.test(text) && (tag === null || tag.test("latest"));
}

export const namesOne = (globs: readonly NameGlob[], repository: string, tag: string): boolean =>
  globs.some((glob) => glob.repository.test(repository) && (glob.tag === null || glob.tag.test(tag)));

/** Whether the rule's repositories name this; a rule of labels alone names whatever carries one. Pure. */
export function namesTag(
  { match }: { readonly match: { readonly repositories: readonly NameGlob[] } },
  repository: string,
  tag: string,
): boolean {
  return match.repositories.length === 0 || namesOne(match.repositories, repository, tag);
}
