import { EngineError } from "../../agent/engine/errors.ts";
import type { EngineReader } from "../../agent/engine/reader.ts";
import { toBuildCache, toContainer, toContainers, toImage, toImages } from "../../agent/engine/wire.ts";

/** An object as the engine lists it, and as it says when asked; no answer written down: it must not be asked. */
export interface Listed {
  readonly list: Readonly<Record<string, unknown>>;
  readonly inspect?: Readonly<Record<string, unknown>> | "gone";
}

/** What an engine would answer, in its own JSON but for dates in lists, which are written as ISO here. */
export interface EngineLists {
  readonly containers?: readonly Listed[];
  readonly danglingImages?: readonly Listed[];
  readonly allImages?: readonly Listed[];
  readonly buildCache?: readonly object[];
}

function forbidden(what: string): never {
  throw new Error(`the plan needs no answer to this, and must not ask: ${what}`);
}

/** Lists say the same Created as inspections, in seconds; the zero time where nothing is told. */
function imageRow({ list, inspect }: Listed): object {
  const told = list.Created ?? (typeof inspect === "object" ? inspect.Created : undefined);
  return { ...list, Created: Date.parse((told ?? "0001-01-01T00:00:00Z") as string) / 1000 };
}

/** An engine that answers from a scenario, through the same wire.ts as a real one. */
export function listedEngine(lists: EngineLists): EngineReader {
  const found = (all: readonly Listed[], id: string, key: string): Readonly<Record<string, unknown>> => {
    const entry = all.find(({ list }) => list[key] === id);
    if (entry?.inspect === undefined) return forbidden(`inspect ${id}`);
    if (entry.inspect === "gone") throw new EngineError("gone", `no such object: ${id}`, 404);
    return entry.inspect;
  };
  return {
    version: async () => forbidden("version"),
    info: async () => forbidden("info"),
    services: async () => forbidden("services"),
    tasks: async () => forbidden("tasks"),
    containersOf: async () => forbidden("containers of these ids"),
    startingContainers: async () => forbidden("starting containers"),
    diskUsage: async () => forbidden("disk usage"),
    namedImages: async () => forbidden("named images"),
    networks: async () => forbidden("networks"),
    network: async () => forbidden("a network"),
    history: async () => forbidden("history"),
    pulledFrom: async () => forbidden("where an image is from"),
    containers: async (states) =>
      toContainers(
        (lists.containers ?? [])
          .filter(({ list }) => states.includes(list.State as string))
          .map(({ list }) => ({ ...list, Created: Date.parse(list.Created as string) / 1000 })),
      ),
    container: async (id) => toContainer({ Id: id, ...found(lists.containers ?? [], id, "Id") }),
    danglingImages: async () =>
      toImages((lists.danglingImages ?? forbidden("dangling images")).map(imageRow)),
    allImages: async () => toImages((lists.allImages ?? forbidden("all images")).map(imageRow)),
    image: async (id) => {
      const { list } = (lists.danglingImages ?? []).find((entry) => entry.list.Id === id) ?? { list: {} };
      const inspect = found(lists.danglingImages ?? [], id, "Id");
      return toImage({
        ...list,
        Created: undefined,
        Parent: list.ParentId,
        Config: { Labels: list.Labels },
        ...inspect,
      });
    },
    buildCache: async () => toBuildCache({ BuildCache: lists.buildCache ?? forbidden("build cache") }),
  };
}
