import { join } from "node:path";
import { exclusively } from "../host/exclusive.ts";
import { appendLine, readFile, readTail, replaceFile } from "../host/files.ts";
import { makeFolder, statLink, UnsafeFile } from "../host/paths.ts";
import type { Layer, LedgerImage, LedgerUse } from "../plan/ledger.ts";
import { repositoryOf } from "../plan/usage.ts";
import type { Bytes } from "../units.ts";
import { type Check, isNumber, isText, listOf, objectOf, orNull } from "./checks.ts";
import { STATE_FILE } from "./types.ts";

/**
 * The ledger of uses: which images came to this host, and when each was used. One file in the state folder, a JSON
 * object a line, only ever added to; `watch` and every pass write the same lines. Times: milliseconds since the epoch.
 */

/** One line. The key that a kind of line alone has comes first, and tells the kind. */
export type LedgerLine =
  /** From here on the lines are about this engine (`ID` of /info); another one's images have other ids. */
  (
    | { readonly engine: string; readonly at: number }
    /** An image is there: when it came, and again when its names changed. */
    | ({ readonly image: string; readonly at: number } & ImageFacts & {
          /** By this name it was pulled just now. */
          readonly pulled?: string;
        })
    /** A container was started on an image. */
    | { readonly use: string; readonly at: number; readonly group: string | null }
    /** Nobody heard what happened between these two moments. */
    | { readonly gap: number; readonly at: number }
    /** A pass evicted it. */
    | { readonly evicted: string; readonly at: number }
  ) & {
    /** Who wrote it; absent: a pass. */
    readonly by?: "watch";
  };

export interface ImageFacts {
  readonly names: readonly string[];
  readonly digests: readonly string[];
  /** Compressed, as a registry sends it; `null` where it could not be told. */
  readonly bytes: Bytes | null;
  /** Digest and size of each layer; empty where they could not be told. */
  readonly layers: readonly (readonly [digest: string, bytes: Bytes])[];
}

export interface KnownImage extends ImageFacts {
  readonly id: string;
  readonly cameAt: number;
  readonly firstAt: number;
  /** When a pass evicted it last; `null`: never. */
  readonly evictedAt: number | null;
  /** Names by which it was seen to be pulled. */
  readonly pulled: readonly string[];
}

export interface Ledger {
  /** The engine that its last lines are about: lines about another one begin with a line that says so. */
  readonly engine: string | null;
  readonly images: ReadonlyMap<string, KnownImage>;
  /** In order of time. */
  readonly uses: readonly LedgerUse[];
  readonly gaps: readonly { readonly from: number; readonly to: number }[];
  /** What passes evicted, in order of time. */
  readonly evictions: readonly { readonly id: string; readonly at: number }[];
  /** Images that came back after a pass had evicted them, in order of time. */
  readonly regrets: readonly { readonly id: string; readonly evictedAt: number; readonly at: number }[];
  /** When its first line was written; `null`: it is empty. */
  readonly since: number | null;
  /** When its last line was written. */
  readonly until: number | null;
  /** What is wrong with the file, as sentences; the rest of it counts. */
  readonly warnings: readonly string[];
}

export const LEDGER_FILE = "uses.jsonl";
const LOCK = ".ledger.lock";
const YEAR = 365 * 86_400_000;
const MOST_USES = 100_000;
/** A use is a line of some 100 bytes, an image one of up to 10 KB. */
const MOST_BYTES = 64 * 1024 * 1024;
const TAIL_BYTES = 256 * 1024;
/** A clock may be a little ahead of another. */
const AHEAD = 3_600_000;

/**
 * Reads the ledger of an engine. Never throws: what cannot be read or understood is a warning, and the rest counts.
 * @param engine its id; lines about another engine are left out. `null`: that of the last line that names one
 * @param now lines from the future are left out
 * @param file its name, where it is a copy
 */
export function loadLedger(dir: string, engine: string | null, now: number, file = LEDGER_FILE): Ledger {
  try {
    return readLedger(linesOf(join(dir, file), file === LEDGER_FILE), engine, now);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const absent = code === "ENOENT" || code === "ENOTDIR";
    const warnings = absent ? [] : [`the ledger of uses cannot be read: ${message}`];
    return { ...readLedger([], engine, now), warnings };
  }
}

/** @param decides evictions go by it: then it must be one that not every user may write to */
function linesOf(path: string, decides: boolean): string[] {
  const { bytes, stats } = readFile(path, { maxBytes: MOST_BYTES });
  if (decides && (stats.mode & 0o002) !== 0) throw new UnsafeFile(`every user may write to ${path}`);
  return bytes.toString("utf8").split("\n");
}

/** Pure. @param lines as they stand in the file; the last one may be torn */
export function readLedger(lines: readonly string[], engine: string | null, now: number): Ledger {
  const parsed = parseLines(lines);
  const mine = ofEngine(parsed.lines, engine);
  const told = mine.filter(({ at }) => at <= now + AHEAD).sort((a, b) => a.at - b.at);
  const images = new Map<string, KnownImage>();
  const uses: LedgerUse[] = [];
  const gaps: { from: number; to: number }[] = [];
  const regrets: { id: string; evictedAt: number; at: number }[] = [];
  const evictions: { id: string; at: number }[] = [];
  const evicted = new Map<string, number>();
  const unused = new Map<string, number>();
  const use = (id: string, at: number, group: string | null) => {
    const image = images.get(id);
    if (image !== undefined) uses.push({ at: at / 1000, image: toLedgerImage(image), group });
  };
  for (const line of told) {
    if ("image" in line) {
      const { image: id, at, pulled: name, ...facts } = line;
      const before = images.get(id);
      const evictedAt = evicted.get(id) ?? null;
      // Names that changed say nothing of when it came; one that was evicted, or pulled, has come anew.
      const back = evictedAt !== null && (before === undefined || before.cameAt < evictedAt);
      if (back) regrets.push({ id, evictedAt, at });
      const cameAt = before === undefined || back || name !== undefined ? at : before.cameAt;
      if (cameAt === at) unused.set(id, at);
      const pulled = [...(before?.pulled ?? []), ...(name === undefined ? [] : [name])];
      images.set(id, { ...facts, id, cameAt, firstAt: before?.firstAt ?? at, evictedAt, pulled });
    } else if ("use" in line) {
      unused.delete(line.use);
      use(line.use, line.at, line.group);
    } else if ("gap" in line) gaps.push({ from: line.gap, to: line.at });
    else if ("evicted" in line) {
      const gone = images.get(line.evicted);
      if (gone !== undefined) images.set(gone.id, { ...gone, evictedAt: line.at });
      evicted.set(line.evicted, line.at);
      evictions.push({ id: line.evicted, at: line.at });
    }
  }
  // An image that came and was not seen in use was wanted once: somebody pulled or built it.
  for (const [id, at] of unused) use(id, at, null);
  uses.sort((a, b) => a.at - b.at);
  const future = mine.length - told.length;
  const counted = uses.filter(({ at }) => at * 1000 >= now - YEAR).slice(-MOST_USES);
  return {
    engine: parsed.lines.findLast((line) => "engine" in line)?.engine ?? null,
    images,
    uses: counted,
    gaps,
    evictions,
    regrets,
    since: told[0]?.at ?? null,
    until: told.at(-1)?.at ?? null,
    warnings: [
      ...parsed.warnings,
      ...(future === 0 ? [] : [`the ledger of uses has ${future} lines from the future, which do not count`]),
    ],
  };
}

/** What a ledger covers, and how much of that nobody heard. Pure. */
export function coverageOf({ since, until, gaps }: Pick<Ledger, "since" | "until" | "gaps">) {
  return {
    since,
    until,
    coveredSeconds: since === null || until === null ? 0 : Math.floor((until - since) / 1000),
    gaps: gaps.length,
    gapSeconds: Math.round(gaps.reduce((sum, { from, to }) => sum + Math.max(0, to - from), 0) / 1000),
  };
}

function parseLines(lines: readonly string[]): { lines: LedgerLine[]; warnings: string[] } {
  const parsed: LedgerLine[] = [];
  let damaged = 0;
  for (const [index, line] of lines.entries()) {
    if (line === "") continue;
    const one = parseLine(line);
    if (one !== null) parsed.push(one);
    else if (index < lines.length - 1) damaged++;
  }
  const last = lines.at(-1) ?? "";
  return {
    lines: parsed,
    warnings: [
      ...(damaged === 0 ? [] : [`the ledger of uses has ${damaged} lines that nobody understands`]),
      ...(last === "" || parseLine(last) !== null ? [] : ["the last line of the ledger of uses is torn"]),
    ],
  };
}

const isTexts = listOf(isText);
const isLayer: Check = (value): value is unknown =>
  Array.isArray(value) && isText(value[0]) && isNumber(value[1]);
const KINDS_OF_LINES: readonly Check[] = [
  objectOf({ use: isText, group: orNull(isText) }),
  objectOf({
    image: isText,
    names: isTexts,
    digests: isTexts,
    bytes: orNull(isNumber),
    pulled: (value): value is unknown => value === undefined || isText(value),
    layers: listOf(isLayer),
  }),
  objectOf({ engine: isText }),
  objectOf({ gap: isNumber }),
  objectOf({ evicted: isText }),
];

/** `null` where it is none of ours. */
function parseLine(text: string): LedgerLine | null {
  try {
    const line: unknown = JSON.parse(text);
    const good = isNumber(Object(line).at) && KINDS_OF_LINES.some((fits) => fits(line));
    return good ? (line as LedgerLine) : null;
  } catch {
    return null;
  }
}

/** The lines that stand after a line that names this engine, and before one that names another. */
function ofEngine(lines: readonly LedgerLine[], engine: string | null): LedgerLine[] {
  const wanted = engine ?? lines.findLast((line) => "engine" in line)?.engine;
  let current: string | undefined;
  return lines.filter((line) => {
    if ("engine" in line) current = line.engine;
    return current === wanted && !("engine" in line);
  });
}

/** What the pure part goes by: one name a repository, compressed layers. */
export function toLedgerImage({ id, names, digests, bytes, layers }: KnownImage): LedgerImage {
  const name = names[0] ?? digests[0] ?? id;
  return {
    id,
    repository: repositoryOf(name),
    bytes,
    layers: layers.map(([digest, size]): Layer => ({ digest, bytes: size })),
  };
}

/**
 * The last event that `watch` wrote, as far as the end of the file tells; where it wrote none, since when it listens.
 * `null`: not told. Each of its lines carries `by`, so that a pass that wrote meanwhile does not count.
 */
export function heardUntil(dir: string): { readonly at: number; readonly event: boolean } | null {
  try {
    const tail = readTail(join(dir, LEDGER_FILE), TAIL_BYTES).split("\n");
    const own = tail.flatMap((line) => parseLine(line) ?? []).filter(({ by }) => by === "watch");
    // That it listens again is written at once, before what the engine repeats for it.
    const events = own.filter((line) => "use" in line || "image" in line);
    const told = (events.length === 0 ? own : events).map(({ at }) => at);
    return told.length === 0 ? null : { at: Math.max(...told), event: events.length > 0 };
  } catch {
    return null;
  }
}

/**
 * Adds lines, all or none, in one write: two writers cannot mix their lines. Compacts the file where it has grown
 * beyond its bounds. Throws what the filesystem says.
 */
export function appendLedger(dir: string, lines: readonly LedgerLine[], now: number): void {
  if (lines.length === 0) return;
  makeFolder(dir);
  exclusively(join(dir, LOCK), () => {
    const path = join(dir, LEDGER_FILE);
    appendLine(path, lines.map((line) => JSON.stringify(line)).join("\n"), STATE_FILE);
    if ((statLink(path)?.size ?? 0) > MOST_BYTES / 2) compact(dir, now);
  });
}

/** Keeps a year or 100,000 uses, whichever is less, and the images that they or the last month are about. */
function compact(dir: string, now: number): void {
  const { lines } = parseLines(linesOf(join(dir, LEDGER_FILE), false));
  const oldest = lines.filter((line) => "use" in line).at(-MOST_USES)?.at ?? 0;
  const from = Math.max(oldest, now - YEAR);
  const kept = lines.filter(({ at }) => at >= from);
  const wanted = new Set(kept.flatMap((line) => ("use" in line ? [line.use] : [])));
  const lastOf = new Map(lines.flatMap((line) => ("image" in line ? [[line.image, line] as const] : [])));
  const earlier = [...lastOf.values()].filter((line) => line.at < from && wanted.has(line.image));
  const engine = lines.findLast((line) => "engine" in line && line.at < from);
  const text = [...(engine === undefined ? [] : [engine]), ...earlier, ...kept];
  replaceFile(join(dir, LEDGER_FILE), `${text.map((line) => JSON.stringify(line)).join("\n")}\n`, STATE_FILE);
}
