import * as v from "valibot";
import { readFile } from "../host/files.ts";
import { type Problem, problemOf } from "../settings/parse.ts";
import { entriesOf, text } from "../settings/values.ts";
import { LARGEST_CONFIG, parseObject, Unusable } from "./config.ts";
import { serverKey } from "./servers.ts";

const plain = (raw: string) => raw !== "" && !/[\u0000-\u001f\u007f]/.test(raw);
const plainText = (expected: string, fits: (raw: string) => boolean) =>
  text(expected, (raw) => (plain(raw) && fits(raw) ? raw : undefined));

const registry = plainText(
  'a registry such as "docker.io" or "registry.example.org:5000", without scheme and path',
  (raw) => serverKey(raw) !== undefined,
);

const BY_REGISTRY = "an object: registry -> username and passwordFile";

const schema = entriesOf({
  target: v.optional(
    plainText("an absolute path of a file", (raw) => raw.startsWith("/") && !raw.endsWith("/")),
  ),
  registries: v.pipe(
    // Valibot takes a list for an object.
    v.custom<object>((raw) => !Array.isArray(raw), BY_REGISTRY),
    v.record(
      registry,
      entriesOf({
        // HTTP basic and Docker's own file end the username at the first colon.
        username: plainText(
          "a username: not empty, no colon, no control character",
          (raw) => !raw.includes(":"),
        ),
        passwordFile: plainText(
          "an absolute path of a file with the password, or the name of a credential in $CREDENTIALS_DIRECTORY",
          (raw) => raw.startsWith("/") || !/\/|^\.\.?$/.test(raw),
        ),
      }),
      BY_REGISTRY,
    ),
  ),
});

type Wanted = v.InferOutput<typeof schema>["registries"][string];

/** What `auth apply --registries FILE` reads: which credentials the host shall have. Never a secret itself. */
export interface Registries {
  /** The client's config file. */
  readonly target: string | null;
  /** By config key (servers.ts). */
  readonly registries: ReadonlyMap<string, Readonly<Wanted>>;
}

type ParsedRegistries =
  | { readonly ok: true; readonly value: Registries }
  /** All that is wrong. What stood there is not said, for it may be a secret. */
  | { readonly ok: false; readonly problems: readonly Omit<Problem, "found">[] };

/** Unknown JSON -> Registries, or all that is wrong with it. Pure. */
export function parseRegistries(raw: unknown): ParsedRegistries {
  const result = v.safeParse(schema, raw);
  if (!result.success)
    return { ok: false, problems: result.issues.map(problemOf).map(({ found: _, ...rest }) => rest) };
  const registries = new Map<string, Wanted>();
  for (const [name, entry] of Object.entries(result.output.registries)) {
    const key = serverKey(name) ?? name;
    if (registries.has(key)) {
      return { ok: false, problems: [{ path: `registries.${name}`, expected: "each registry once" }] };
    }
    registries.set(key, entry);
  }
  return { ok: true, value: { target: result.output.target ?? null, registries } };
}

/** Reads the file; one that cannot be read or is not JSON is a problem too. */
export function loadRegistries(path: string): ParsedRegistries {
  const unfit = (expected: string) => ({ ok: false, problems: [{ path: "", expected }] }) as const;
  try {
    const { bytes } = readFile(path, { maxBytes: LARGEST_CONFIG, links: true, pipes: 5 });
    return parseRegistries(parseObject(bytes.toString("utf8")));
  } catch (error) {
    const { message } = error as Error;
    return unfit(error instanceof Unusable ? `a JSON object; ${message}` : `a readable file (${message})`);
  }
}
