import * as v from "valibot";
import { readFile } from "../host/files.ts";
import { parseObject } from "./json.ts";
import { serverKey } from "./servers.ts";

/** What `auth apply --registries FILE` reads: which credentials the host shall have. Never a secret itself. */
export interface Registries {
  /** The client's config file. */
  readonly target: string | null;
  /** By config key (servers.ts). */
  readonly registries: ReadonlyMap<string, { readonly username: string; readonly passwordFile: string }>;
}

/** One thing wrong: where, and what may stand there. What stood there is not said, for it may be a secret. */
export interface RegistriesProblem {
  /** `"registries.docker.io.username"`; `""` is the document itself. */
  readonly path: string;
  readonly expected: string;
}

export type ParsedRegistries =
  | { readonly ok: true; readonly value: Registries }
  | { readonly ok: false; readonly problems: readonly RegistriesProblem[] };

const plain = (text: string) => text !== "" && !/[\u0000-\u001f\u007f]/.test(text);

const username = v.pipe(
  v.string("a username"),
  // HTTP basic and Docker's own file end the username at the first colon.
  v.check(
    (text) => plain(text) && !text.includes(":"),
    "a username: not empty, no colon, no control character",
  ),
);

const passwordFile = v.pipe(
  v.string("the path of a file with the password, or the name of a credential"),
  v.check(
    (text) => plain(text) && (text.startsWith("/") || !/\/|^\.\.?$/.test(text)),
    "an absolute path, or the name of a credential in $CREDENTIALS_DIRECTORY",
  ),
);

const target = v.pipe(
  v.string("an absolute path"),
  v.check((text) => plain(text) && text.startsWith("/") && !text.endsWith("/"), "an absolute path of a file"),
);

/** Valibot takes a list for an object. */
const noList = (expected: string) => v.custom<object>((raw) => !Array.isArray(raw), expected);

const strict = <T extends v.ObjectEntries>(entries: T) => {
  const keys = Object.keys(entries).join(", ");
  const expected = `an object with the keys ${keys}`;
  return v.pipe(
    noList(expected),
    v.objectWithRest(entries, v.never(`no such key; the keys here are: ${keys}`), expected),
  );
};

const byRegistry = "an object: registry -> username and passwordFile";

const schema = strict({
  target: v.optional(target),
  registries: v.pipe(
    noList(byRegistry),
    v.record(
      v.pipe(
        v.string(),
        v.check(
          (text) => serverKey(text) !== undefined,
          'a registry such as "docker.io" or "registry.example.org:5000", without scheme and path',
        ),
      ),
      strict({ username, passwordFile }),
      byRegistry,
    ),
  ),
});

/** Unknown JSON -> Registries, or all that is wrong with it. Pure. */
export function parseRegistries(raw: unknown): ParsedRegistries {
  const result = v.safeParse(schema, raw);
  if (!result.success) {
    const problems = result.issues.map(({ path, message }) => ({
      path: path?.map(({ key }) => String(key)).join(".") ?? "",
      expected: message,
    }));
    return { ok: false, problems };
  }
  const registries = new Map<string, { username: string; passwordFile: string }>();
  for (const [name, entry] of Object.entries(result.output.registries)) {
    const key = serverKey(name) as string;
    if (registries.has(key)) {
      return { ok: false, problems: [{ path: `registries.${name}`, expected: "each registry once" }] };
    }
    registries.set(key, entry);
  }
  return { ok: true, value: { target: result.output.target ?? null, registries } };
}

const LARGEST = 4 * 1024 * 1024;

/** Reads the file; one that cannot be read or is not JSON is a problem too. */
export function loadRegistries(path: string): ParsedRegistries {
  let text: string;
  try {
    text = readFile(path, { maxBytes: LARGEST, links: true, pipes: 5 }).bytes.toString("utf8");
  } catch (error) {
    return { ok: false, problems: [{ path: "", expected: `a readable file (${(error as Error).message})` }] };
  }
  const parsed = parseObject(text);
  if (!parsed.ok) return { ok: false, problems: [{ path: "", expected: `a JSON object; ${parsed.reason}` }] };
  return parseRegistries(parsed.value);
}
