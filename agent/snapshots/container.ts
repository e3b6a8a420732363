import type { ContainerDetail, ContainerSummary } from "../engine/types.ts";

export interface Named {
  readonly id: string;
  readonly name: string;
}

export type Picked =
  | { readonly found: "one"; readonly container: Named }
  | { readonly found: "none" }
  | { readonly found: "several"; readonly names: readonly string[] };

/** What `docker ps` shows of an id. A shorter one comes from a slip, and what it names may be removed. */
const SHORTEST_ID = 12;

/** By whole id, else by exact name, else by the start of an id that only one has. Pure. */
export function pickContainer(text: string, containers: readonly ContainerSummary[]): Picked {
  const named = ({ id, names }: ContainerSummary): Named => ({ id, name: names[0] ?? id.slice(0, 12) });
  const exact = containers.find(({ id, names }) => id === text || names.includes(text.replace(/^\//, "")));
  if (exact !== undefined) return { found: "one", container: named(exact) };
  const isId = text.length >= SHORTEST_ID && /^[0-9a-f]+$/.test(text);
  const [first, ...more] = isId ? containers.filter(({ id }) => id.startsWith(text)) : [];
  if (first === undefined) return { found: "none" };
  if (more.length === 0) return { found: "one", container: named(first) };
  return { found: "several", names: [first, ...more].map((container) => named(container).name) };
}

/** Why this container's work is not to be kept; `null`: it ended well. Pure. */
export function refusal({ state, exitCode, oomKilled }: ContainerDetail): string | null {
  if (state === "created") return "it was never started";
  if (state !== "exited") return `it is ${state}, and has not ended by itself`;
  if (oomKilled) return "the kernel killed a process in it for lack of memory";
  if (exitCode === null) return "the engine does not say how it ended";
  return exitCode === 0 ? null : `it ended with exit code ${exitCode}`;
}
