import { parseSettings } from "../../agent/settings/parse.ts";

/** `{...}` and `[...]` around what a key holds: from a value to the whole document. */
type Wrap = (value: unknown) => unknown;

const join = (path: string, key: string) => (path === "" ? key : `${path}.${key}`);

/** The keys of the object at a path, as the agent names them when it meets one that it does not know. */
function known(wrap: Wrap, path: string): readonly string[] {
  const parsed = parseSettings(wrap({ "?": 1 }));
  if (parsed.ok) throw new Error(`nothing refused at ${path}`);
  const problem = parsed.problems.find(({ path: at }) => at === join(path, "?"));
  return problem?.expected.split("here are: ")[1]?.split(", ") ?? [];
}

function keysBelow(wrap: Wrap, path: string): string[] {
  return known(wrap, path).flatMap((key) => {
    const here = join(path, key);
    const section = keysBelow((value) => wrap({ [key]: value }), here);
    const items = keysBelow((value) => wrap({ [key]: [value] }), `${here}[0]`);
    return section.length > 0 ? section : [here, ...items];
  });
}

/** Every key of the settings: `"disk.paths"`, `"retention"`, `"retention[].match.labels"`. */
export const keysOfAgent = (): string[] =>
  keysBelow((value) => value, "").map((key) => key.replaceAll("[0]", "[]"));
