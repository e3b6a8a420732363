import * as v from "valibot";
import { settingsSchema } from "./schema.ts";
import type { Settings } from "./settings.ts";

/** One thing wrong with the settings: where, what stood there, what may stand there. */
export interface Problem {
  /** `"disk.paths[1]"`; `""` is the document itself. */
  readonly path: string;
  /** The value as JSON, shortened. */
  readonly found: string;
  readonly expected: string;
}

export type Parsed =
  | { readonly ok: true; readonly settings: Settings }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export const DEFAULT_PATHS = ["/", "/var/lib/docker", "/var/lib/containerd"] as const;

/** Unknown JSON -> Settings, or all that is wrong with it. Pure. */
export function parseSettings(raw: unknown): Parsed {
  const result = v.safeParse(settingsSchema, raw);
  if (!result.success) return { ok: false, problems: result.issues.map(problemOf) };
  const parsed = result.output as unknown as Omit<Settings, "disk"> & {
    readonly disk: Omit<Settings["disk"], "paths"> & { readonly paths?: readonly string[] };
  };
  const { paths } = parsed.disk;
  const settings: Settings = {
    ...parsed,
    disk: { ...parsed.disk, paths: paths ?? DEFAULT_PATHS, pathsNamed: paths !== undefined },
  };
  const problems = contradictions(settings, raw);
  return problems.length === 0 ? { ok: true, settings } : { ok: false, problems };
}

/** What no single key shows. */
function contradictions(settings: Settings, raw: unknown): Problem[] {
  const { highWatermark: high, lowWatermark: low } = settings.disk;
  if (low === null) return [];
  const reversed =
    (low.kind === "used-percent" && high.kind === "used-percent" && low.percent >= high.percent) ||
    (low.kind === "free-bytes" && high.kind === "free-bytes" && low.bytes <= high.bytes);
  if (!reversed) return [];
  const found = (raw as { disk?: { lowWatermark?: unknown } }).disk?.lowWatermark;
  return [
    {
      path: "disk.lowWatermark",
      found: show(found),
      expected: "a mark that leaves more room than disk.highWatermark",
    },
  ];
}

function problemOf(issue: v.BaseIssue<unknown>): Problem {
  const keys = issue.path?.map((item) => item.key) ?? [];
  const path = keys.reduce<string>(
    (text, key) =>
      typeof key === "number" ? `${text}[${key}]` : text === "" ? String(key) : `${text}.${key}`,
    "",
  );
  return { path, found: show(issue.input), expected: issue.message };
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
