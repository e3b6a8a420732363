import fc from "fast-check";
import type {
  ContainerDetail,
  ContainerSummary,
  ImageDetail,
  NetworkDetail,
  Service,
} from "../../agent/engine/types.ts";
import { known } from "../../agent/facts.ts";
import type { Observation } from "../../agent/gates/observation.ts";
import type { FilesystemReport, PassFinished } from "../../agent/log/events.ts";
import type { Scope } from "../../agent/observe/candidates.ts";
import { NOTHING_RULED } from "../../agent/observe/ruled.ts";
import type { Candidates, Remembered } from "../../agent/plan/decide.ts";
import { NONE_OF_EACH } from "../../agent/plan/plan.ts";
import { parseSettings } from "../../agent/settings/parse.ts";
import type { Settings } from "../../agent/settings/settings.ts";

/** The moment all tests take for now: 2026-08-01 12:00 UTC. */
export const NOW = Date.UTC(2026, 7, 1, 12);
export const HOUR = 3600;
export const DAY = 24 * HOUR;
export const GiB = 2 ** 30;

/** Milliseconds: so many seconds before NOW. */
export const ago = (seconds: number): number => NOW - seconds * 1000;

/**
 * Any character but half a surrogate pair, the first 128 more often. The "binary" unit of fast-check is the same, but it
 * works for a second before the first text.
 */
export const anyCharacter: fc.Arbitrary<string> = fc
  .oneof(fc.nat(0x7f), fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10ffff }))
  .map((code) => String.fromCodePoint(code));

const parsedBefore = new Map<string, Settings>();

/** Settings as a file with this content gives them; of the same content the same ones, since parsing takes a while. */
export function settingsOf(raw: unknown): Settings {
  const text = JSON.stringify(raw);
  const known = parsedBefore.get(text);
  if (known !== undefined) return known;
  const parsed = parseSettings(raw);
  if (!parsed.ok) throw new Error(`test settings are not valid: ${JSON.stringify(parsed.problems)}`);
  parsedBefore.set(text, parsed.settings);
  return parsed.settings;
}

/** `"a"` -> a 64-digit hexadecimal id that starts with it, in the alphabet of ids. */
export function hexId(text: string): string {
  return Buffer.from(text).toString("hex").padEnd(64, "0").slice(0, 64);
}

export const imageId = (text: string): string => `sha256:${hexId(text)}`;

export function service(changes: Partial<Service> = {}): Service {
  return {
    id: "s1",
    name: "web",
    labels: {},
    mode: "replicated",
    totalCompletions: 1,
    status: { running: 1, desired: 1, completed: 0 },
    updateState: "none",
    images: ["redis:7-alpine"],
    createdAt: ago(30 * DAY),
    updatedAt: ago(30 * DAY),
    ...changes,
  };
}

export function container(changes: Partial<ContainerSummary> = {}): ContainerSummary {
  return {
    id: hexId("c1"),
    names: ["brave_noether"],
    imageId: imageId("base"),
    imageName: "base:1",
    state: "running",
    createdAt: ago(HOUR),
    labels: {},
    mounts: [],
    networks: ["bridge"],
    ...changes,
  };
}

export function containerDetail(changes: Partial<ContainerDetail> = {}): ContainerDetail {
  return {
    id: hexId("c1"),
    state: "exited",
    createdAt: ago(3 * DAY),
    startedAt: ago(3 * DAY),
    finishedAt: ago(2 * DAY),
    exitCode: 0,
    oomKilled: false,
    sizeBytes: 1000,
    ...changes,
  };
}

export function image(changes: Partial<ImageDetail> = {}): ImageDetail {
  return {
    id: imageId("i1"),
    tags: [],
    digests: [],
    parentId: "",
    sizeBytes: 1000,
    labels: {},
    createdAt: ago(3 * DAY),
    lastTaggedAt: null,
    layers: [],
    ...changes,
  };
}

/** A manager with nothing on it, unless told otherwise. */
export function observation(changes: Partial<Observation> = {}): Observation {
  return {
    swarm: known({ role: "manager" }),
    services: known([]),
    failingGlobals: known(new Set<string>()),
    live: known([]),
    overdue: new Set(),
    idleBuilders: new Set(),
    starting: known([]),
    ...changes,
  };
}

/** Also as a finished pass reports it. */
export function filesystem(changes: Partial<FilesystemReport> = {}): FilesystemReport {
  return {
    paths: ["/"],
    device: "1",
    totalBytes: 100 * GiB,
    usedBytes: 50 * GiB,
    availableBytes: 50 * GiB,
    usedPercent: 50,
    inodesUsedPercent: 10,
    totalInodes: 1_000_000,
    freeInodes: 900_000,
    highWatermarkPercent: 80,
    ...changes,
  };
}

/** A pass that found no pressure, unless told otherwise. */
export function finished(changes: Partial<PassFinished> = {}): PassFinished {
  return {
    outcome: "below-watermark",
    exitCode: 0,
    reason: "below the high watermark of 80%: the cache stays as it is",
    freedBytes: 0,
    claimedBytes: 0,
    durationSeconds: 0.25,
    filesystems: [filesystem()],
    removed: NONE_OF_EACH,
    removedBytes: NONE_OF_EACH,
    kept: 0,
    gone: 0,
    failed: 0,
    objects: [],
    rules: [],
    deferralsInARow: 0,
    deferredForSeconds: null,
    engineRequests: 0,
    gate: null,
    ...changes,
  };
}

/** Candidates of which no rule of the settings names any. */
export const unruled = (candidates: Omit<Candidates, "ruled" | "networks">): Candidates => ({
  networks: [],
  ...candidates,
  ruled: NOTHING_RULED,
});

/** A state that remembers these dangling images, milliseconds by id, and nothing else. */
export const rememberedDangling = (dangling: Readonly<Record<string, number>>): Remembered => ({
  dangling,
  firstSeen: {},
  lastUsed: {},
});

/** A pass under pressure without rules. */
export const PRUNE_ONLY: Scope = {
  prune: settingsOf({}).prune,
  rules: { retention: [], orphans: [], pressed: true },
  networks: false,
  forecastCache: false,
};

/** An unused network, three days old. */
export const network = (name: string, changes: Partial<NetworkDetail> = {}): NetworkDetail => ({
  id: hexId(name),
  name,
  driver: "bridge",
  scope: "local",
  createdAt: ago(3 * DAY),
  labels: {},
  ingress: false,
  configOnly: false,
  endpoints: 0,
  ...changes,
});
