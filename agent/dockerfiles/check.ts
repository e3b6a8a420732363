import { type BuildOptions, type Image, imageOf } from "./image.ts";
import { parse } from "./parse.ts";
import { Refusal } from "./refusal.ts";
import { splitAssignment } from "./words.ts";

/** A label that an image must carry. */
export interface Wanted {
  readonly name: string;
  /** Null: any. */
  readonly value: string | null;
}

/** One line of the verdict about a file. */
export interface Finding {
  readonly ok: boolean;
  /** From 1; null: about the file as a whole. */
  readonly line: number | null;
  /** What was asked for: `name=value` or `name`; null: about none of them. */
  readonly label: string | null;
  readonly message: string;
}

/** `"a=b=c"` -> a must be "b=c"; `"a"` -> a must be there; null: it names nothing. */
export function parseWanted(text: string): Wanted | null {
  const [name, value = null] = splitAssignment(text);
  return name === "" ? null : { name, value };
}

/** A finding for every wanted label, or one for a file that cannot be built or read. */
export function checkDockerfile(text: string, wanted: readonly Wanted[], options: BuildOptions): Finding[] {
  try {
    const image = imageOf(parse(text), options);
    return wanted.map((label) => judge(image, label));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return [{ ok: false, line: error.line, label: null, message: error.message }];
  }
}

function judge(image: Image, wanted: Wanted): Finding {
  const label = wanted.value === null ? wanted.name : `${wanted.name}=${wanted.value}`;
  const found = image.labels.get(wanted.name);
  const fail = (line: number, message: string): Finding => ({ ok: false, line, label, message });
  // Whatever was set before it may have been overridden.
  const { unnamed } = image;
  if (unnamed !== null && (found === undefined || unnamed.order > found.order))
    return fail(unnamed.line, `the name of a label cannot be told: ${unnamed.value.unknown}`);
  if (found === undefined) return fail(image.line, absent(image, wanted));
  const { value, line } = found;
  if (wanted.value === null) return { ok: true, line, label, message: `${stageOf(image)} carries ${label}` };
  if (value.unknown !== null)
    return fail(line, `the value of label ${wanted.name} cannot be told: ${value.unknown}`);
  if (value.text !== wanted.value) {
    const unset = [...new Set(value.unset)];
    const note = unset.length === 0 ? "" : ` (nothing in this stage sets ${unset.join(", ")})`;
    return fail(line, `label ${wanted.name} is "${value.text}", not "${wanted.value}"${note}`);
  }
  return { ok: true, line, label, message: `${stageOf(image)} carries ${label}` };
}

const stageOf = ({ stage }: Image) => (stage === null ? "the final stage" : `stage ${stage}`);

function absent(image: Image, { name }: Wanted): string {
  const { base } = image;
  const notes = [];
  if (image.onBuild.has(name)) notes.push("ONBUILD sets it for images built from this one only");
  if (base !== null && base.unknown !== null)
    notes.push(`what FROM ${base.name} brings cannot be told: ${base.unknown}`);
  else if (base !== null) notes.push(`labels of the base image ${base.name} are not read`);
  return `${stageOf(image)} carries no label ${name}${notes.map((note) => `; ${note}`).join("")}`;
}
