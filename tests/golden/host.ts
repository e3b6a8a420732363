import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseDuration } from "../../agent/units.ts";
import { NOW } from "../unit/support.ts";
import type { EngineLists, Listed } from "./listed-engine.ts";

/** Times are ages: `"3d"`; `"in 3d"` is in the future; `"never"` the zero time; or a date. */
interface ContainerStory {
  readonly image?: string;
  readonly state?: string;
  readonly created?: string;
  /** The same as `created` unless told. */
  readonly started?: string;
  readonly finished?: string;
  readonly labels?: object;
  readonly mounts?: readonly object[];
  readonly size?: number;
  /** Its state as an inspection tells it, where that is another one. */
  readonly inspect?: string;
}

interface ImageStory {
  readonly created?: string | null;
  readonly tagged?: string;
  /** As the engine writes them. */
  readonly tags?: readonly string[] | null;
  readonly digests?: readonly string[] | null;
  readonly labels?: object;
  readonly parent?: string;
  /** When an earlier pass saw it dangling first. */
  readonly seen?: string;
  /** What the inspection tells otherwise. */
  readonly inspect?: "gone" | object;
  /** `false`: not among the dangling ones. */
  readonly listed?: false;
}

interface CacheStory {
  readonly used?: string | null;
  readonly type?: string;
  readonly parents?: readonly string[];
}

interface Host {
  readonly containers: Readonly<Record<string, ContainerStory>>;
  readonly images: Readonly<Record<string, ImageStory>>;
  readonly buildCache: Readonly<Record<string, CacheStory>>;
}

const HOST = JSON.parse(readFileSync(join(import.meta.dirname, "host.json"), "utf8")) as Host;

/** Milliseconds; `undefined` for `"never"`. */
function momentOf(age: string): number | undefined {
  if (age === "never") return undefined;
  const [, future, duration] = /^(in )?(.*)$/.exec(age) ?? [];
  const seconds = parseDuration(duration ?? "");
  return seconds === undefined ? Date.parse(age) : NOW + (future === undefined ? -1000 : 1000) * seconds;
}

function at(age: string): string {
  const moment = momentOf(age);
  return moment === undefined ? "0001-01-01T00:00:00Z" : new Date(moment).toISOString();
}

function containerOf([name, story]: [string, ContainerStory]): Listed {
  const { image = "base", state = "exited", created = "3d", started = created, finished = "2d" } = story;
  const { labels = {}, mounts = [], size, inspect } = story;
  return {
    list: {
      Id: name,
      Names: [`/${name}`],
      ImageID: `sha256:${image}`,
      State: state,
      Created: at(created),
      Labels: labels,
      Mounts: mounts,
    },
    inspect:
      inspect === "gone"
        ? "gone"
        : {
            Created: at(created),
            State: { Status: inspect ?? state, StartedAt: at(started), FinishedAt: at(finished) },
            ...(size === undefined ? {} : { SizeRw: size }),
          },
  };
}

function imageOf([name, story]: [string, ImageStory]): Listed {
  const { created = "2d", tagged, tags = null, digests = null, labels = null, parent, inspect = {} } = story;
  return {
    list: {
      Id: `sha256:${name}`,
      ParentId: parent === undefined ? "" : `sha256:${parent}`,
      RepoTags: tags,
      RepoDigests: digests,
      Size: 1000,
      Labels: labels,
      ...(inspect === "gone" && created !== null ? { Created: at(created) } : {}),
    },
    inspect:
      inspect === "gone"
        ? "gone"
        : {
            ...(created === null ? {} : { Created: at(created) }),
            ...(tagged === undefined ? {} : { Metadata: { LastTagTime: at(tagged) } }),
            ...inspect,
          },
  };
}

/** What an engine with this host on it answers. */
export function listsOfHost(): EngineLists {
  const images = Object.entries(HOST.images);
  return {
    containers: Object.entries(HOST.containers).map(containerOf),
    danglingImages: images.filter(([, { listed }]) => listed !== false).map(imageOf),
    allImages: images.map(imageOf),
    buildCache: Object.entries(HOST.buildCache).map(([name, { used = "2d", type = "regular", ...more }]) => ({
      ID: name,
      Size: 1000,
      Type: type,
      LastUsedAt: used === null ? null : at(used),
      InUse: "inUse" in more,
      Shared: "shared" in more,
      Parents: more.parents ?? null,
    })),
  };
}

/** Milliseconds by image id: when an earlier pass saw it dangling first. */
export const seenOnHost = (): Readonly<Record<string, number>> =>
  Object.fromEntries(
    Object.entries(HOST.images).flatMap(([name, { seen }]) =>
      seen === undefined ? [] : [[`sha256:${name}`, momentOf(seen) as number]],
    ),
  );
