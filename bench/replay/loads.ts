import { generator, readTrace, type TraceLine } from "./trace.ts";

/** Loads of the default table: two that were mined, three that are derived from the changes with a fixed seed. */

const DAY = 86_400;

interface Load {
  readonly disks: readonly string[];
  readonly lines: () => TraceLine[];
}

const recipeRuns = () => readTrace(new URL("recipe-runs.jsonl.gz", import.meta.url));

export const LOADS: Readonly<Record<string, Load>> = {
  changes: { disks: ["50GB", "100GB", "200GB", "400GB"], lines: recipeRuns },
  rerun: { disks: ["50GB", "100GB", "200GB"], lines: () => rerun(recipeRuns()) },
  flap: { disks: ["50GB", "100GB", "200GB"], lines: () => flap(recipeRuns()) },
  nightly: { disks: ["50GB", "100GB", "200GB"], lines: () => nightly(recipeRuns()) },
  "ci-a": {
    disks: ["20GB", "40GB", "60GB", "80GB"],
    lines: () => readTrace(new URL("ci-a.jsonl.gz", import.meta.url)),
  },
};

const inOrder = (lines: TraceLine[]) => lines.sort((a, b) => a.at - b.at);

/** Each line with the line of the same recipe that follows it. */
function withNext(lines: readonly TraceLine[]): { line: TraceLine; next: TraceLine | undefined }[] {
  const later = new Map<string, TraceLine>();
  return lines
    .toReversed()
    .map((line) => {
      const next = later.get(line.recipe);
      later.set(line.recipe, line);
      return { line, next };
    })
    .reverse();
}

/** After each run one more with probability 3/4, again and again, two days apart in the mean, until the next change. */
export function rerun(lines: readonly TraceLine[]): TraceLine[] {
  const random = generator(2);
  const more: TraceLine[] = [];
  for (const { line, next } of withNext(lines)) {
    const end = (next?.at ?? Number.POSITIVE_INFINITY) + DAY;
    let at = line.at;
    while (random() < 0.75) {
      at += Math.ceil(-Math.log(1 - random()) * 2 * DAY);
      if (at >= end) break;
      more.push({ ...line, at });
    }
  }
  return inOrder([...lines, ...more]);
}

/** Old and new side by side: three times the new state up to 3 days early, the old one up to 2 days late. */
export function flap(lines: readonly TraceLine[]): TraceLine[] {
  const random = generator(3);
  const more: TraceLine[] = [];
  for (const { line, next } of withNext(lines)) {
    for (let time = 0; next !== undefined && time < 3; time += 1) {
      more.push({ ...next, at: next.at - Math.floor(random() * 3 * DAY) });
      more.push({ ...line, at: next.at + Math.floor(random() * 2 * DAY) });
    }
  }
  return inOrder([...lines, ...more]);
}

/** Each night eight of the n recipes known so far in their newest state, of rank n^u in the order they came. */
export function nightly(lines: readonly TraceLine[]): TraceLine[] {
  const random = generator(4);
  const newest = new Map<string, TraceLine>();
  const more: TraceLine[] = [];
  let night = Math.ceil((lines[0]?.at ?? 0) / DAY) * DAY;
  for (const line of lines) {
    for (; night < line.at; night += DAY) {
      const known = [...newest.values()];
      for (let job = 0; job < 8; job += 1) {
        const picked = known[Math.floor(known.length ** random()) - 1];
        if (picked !== undefined) more.push({ ...picked, at: night + job * 600 });
      }
    }
    newest.set(line.recipe, line);
  }
  return inOrder([...lines, ...more]);
}
