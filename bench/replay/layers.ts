import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Layer } from "../../agent/plan/ledger.ts";

/**
 * Layers of an image that only its reference is known of. Six references of the traces are measured; the others get
 * the shape of a measured image (README.md, "Layers"). Pure but for the table of facts; the same reference and first
 * use give the same layers.
 */

interface Facts {
  readonly images: Readonly<Record<string, readonly Layer[]>>;
  readonly meta: Readonly<Record<string, { readonly base: string; readonly from_layers: number }>>;
  readonly pins: Readonly<Record<string, string>>;
}
const FACTS: Facts = JSON.parse(
  gunzipSync(readFileSync(new URL("layers.json.gz", import.meta.url))).toString("utf8"),
);

/**
 * Measured shapes, one for each name and flavour, that stand in for images of other names. Their order decides which
 * repository gets which; this one was chosen so that the traces' published sums come out (README.md).
 */
const TEMPLATES: readonly string[] = [
  "node:22-alpine",
  "mariadb:11.4",
  "docker:dind",
  "eclipse-mosquitto:2",
  "python:3.12-slim",
  "rabbitmq:management-alpine",
  "nginx:latest",
  "mysql:8.4",
  "wordpress:latest",
  "ghost:6.51.0",
  "chronograf:latest",
  "nextcloud:apache",
  "postgres:16-alpine",
  "python:3.12-alpine",
  "nginx:alpine",
  "influxdb:2-alpine",
  "redis:7",
  "postgres:16",
  "caddy:2-alpine",
  "mongo:8.0",
  "redis:7-alpine",
  "memcached:1.6",
];

/** On-disk sizes that were published; a size measured so holds for the repository whatever its template. */
const PUBLISHED: readonly (readonly [suffix: string, onDisk: number])[] = [
  ["/immich-server", 1.04e9],
  ["/immich-machine-learning", 1.66e9],
  ["/ollama", 3.3e9],
];
const ON_DISK = 2.6;

/** Official names: the measured image that is nearest by tag. */
const OFFICIAL: Readonly<Record<string, (tag: string) => string>> = {
  alpine: () => "alpine:3.22",
  caddy: () => "caddy:2-alpine",
  chronograf: () => "chronograf:latest",
  docker: () => "docker:dind",
  "eclipse-mosquitto": () => "eclipse-mosquitto:2",
  ghost: () => "ghost:6.51.0",
  influxdb: () => "influxdb:2-alpine",
  mariadb: (tag) => (tag.startsWith("10") ? "mariadb:10.11" : "mariadb:11.4"),
  memcached: () => "memcached:1.6",
  mongo: () => "mongo:8.0",
  mysql: () => "mysql:8.4",
  nextcloud: () => "nextcloud:apache",
  nginx: (tag) => (tag.includes("alpine") ? "nginx:alpine" : "nginx:latest"),
  postgres: (tag) => flavour(tag, "postgres:16-alpine", "postgres:14-bullseye", "postgres:16"),
  python: (tag) => (tag.includes("alpine") ? "python:3.12-alpine" : "python:3.12-slim"),
  rabbitmq: () => "rabbitmq:management-alpine",
  redis: (tag) => flavour(tag, "redis:7-alpine", "redis:6.2-bullseye", "redis:7"),
  wordpress: () => "wordpress:latest",
};

function flavour(tag: string, alpine: string, old: string, current: string): string {
  if (tag.includes("alpine")) return alpine;
  return /stretch|buster|bullseye|^13\.7$/.test(tag) ? old : current;
}

/** Days between two rebuilds of a distribution's image. */
const REBUILT_EVERY: Readonly<Record<string, number>> = {
  debian: 21,
  ubuntu: 17,
  alpine: 90,
  oraclelinux: 30,
};

/** `"debian trixie"`, `"ubuntu 24.04"`, `"alpine"`, `"oraclelinux"`. */
function releaseOf(measured: string): string {
  const [name = "", version = ""] = FACTS.meta[measured]!.base.split(" ");
  return name === "debian" || name === "ubuntu" ? `${name} ${version}` : name;
}

/** One size for a release, so that one digest has one size: that of the first image measured on it. */
const OS_BYTES = new Map<string, number>();
for (const [name, [os]] of Object.entries(FACTS.images)) {
  const release = releaseOf(name);
  if (!OS_BYTES.has(release)) OS_BYTES.set(release, os!.bytes);
}

const hex = (text: string) => createHash("sha256").update(text).digest("hex");
const unit = (text: string) => Number.parseInt(hex(text).slice(0, 13), 16) / 16 ** 13;

export interface Reference {
  /** Without `docker.io/`, `library/`, tag and digest. */
  readonly repository: string;
  readonly tag: string;
  /** Repository with digest or, where there is none, tag: what the content goes by. */
  readonly pin: string;
}

export function parseReference(reference: string): Reference {
  const [name = "", digest] = reference.split("@");
  const [, path = "", tag = "latest"] = /^(.*?)(?::([^:/]+))?$/.exec(name) ?? [];
  const repository = path.replace(/^docker\.io\//, "").replace(/^library\//, "");
  return { repository, tag, pin: `${repository}@${digest ?? tag}` };
}

/** Layers of a reference whose content was first used at `firstUse` (seconds since 1970), each digest once. */
export function layersOf(reference: string, firstUse: number): readonly Layer[] {
  const measured = FACTS.pins[reference];
  if (measured !== undefined) return distinct(FACTS.images[measured]!);
  const { repository, tag, pin } = parseReference(reference);
  const official = OFFICIAL[repository]?.(tag);
  const template = official ?? TEMPLATES[Math.floor(TEMPLATES.length * unit(`${repository}|template`))]!;
  const release = releaseOf(template);
  const os = OS_BYTES.get(release)!;
  const above = FACTS.images[template]!.slice(1);
  const scale = official === undefined ? scaleOf(repository, os, above) : 1;
  const epoch = Math.floor(firstUse / (REBUILT_EVERY[release.split(" ")[0]!]! * 86_400));
  return distinct([
    { digest: hex(`os|${release}|${epoch}`).slice(0, 12), bytes: os },
    ...above.map(({ bytes }, index) => ({
      digest: hex(
        index + 1 < FACTS.meta[template]!.from_layers
          ? `rt|${repository}|${epoch}|${index + 1}`
          : `${pin}|${index + 1}`,
      ).slice(0, 12),
      bytes: Math.floor(bytes * scale),
    })),
  ]);
}

/** 0.5 to 4, median 1.41, always the same for one repository. */
function scaleOf(repository: string, os: number, above: readonly Layer[]): number {
  const published = PUBLISHED.find(([suffix]) => repository.endsWith(suffix));
  if (published === undefined) return 0.5 * 8 ** unit(`${repository}|scale`);
  return (published[1] / ON_DISK - os) / above.reduce((sum, { bytes }) => sum + bytes, 0);
}

const distinct = (layers: readonly Layer[]): readonly Layer[] => [
  ...new Map(layers.map((layer) => [layer.digest, layer])).values(),
];
