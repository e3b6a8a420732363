import type { EngineError } from "../engine/errors.ts";
import type { EngineReader } from "../engine/reader.ts";
import type { Labels } from "../engine/types.ts";
import type { EngineWriter } from "../engine/writer.ts";
import { isDangling } from "../plan/images.ts";
import type { StopGuard } from "./guard.ts";
import { type Outcome, remove } from "./remove.ts";

/** What became of images without a name. */
export interface Cleared {
  readonly removed: readonly string[];
  /** The first that is still there; `null`: there is none any more. */
  readonly left: {
    readonly id: string;
    readonly because: "named" | "in-use" | "built-on" | "not-reached" | "failed" | "away";
    readonly reason: string;
  } | null;
}

/** The engine allows fewer layers than this in an image, and each commit adds one. */
const LONGEST_CHAIN = 200;

/**
 * Removes an image that has lost its name, then those below it in turn: the classic store keeps each snapshot that a
 * resumed container was committed on, nameless, for as long as there is one above it. Ends at the first that has a name
 * or is not of the work item. Engine errors are returned; only bugs throw.
 */
export async function removeNameless(
  { reader, writer }: { readonly reader: EngineReader; readonly writer: EngineWriter },
  guard: StopGuard,
  from: string,
  ofItem: (labels: Labels) => boolean,
): Promise<Cleared> {
  const removed: string[] = [];
  for (let id = from; id !== "" && removed.length < LONGEST_CHAIN; ) {
    let below = "";
    const outcome = await remove(
      {
        look: async () => {
          const image = await reader.image(id);
          if (!ofItem(image.labels)) return { because: "not-selected", reason: "it is of no such work item" };
          below = image.parentId;
          if (isDangling(image)) return null;
          const names = [...image.tags, ...image.digests].join(", ");
          return { because: "tagged", reason: `it has the name ${names}` };
        },
        send: async () => void (await writer.removeImage(id)),
      },
      guard,
    );
    if (outcome.fate !== "removed" && outcome.fate !== "gone") return { removed, left: leftBy(id, outcome) };
    if (below !== "" || outcome.fate === "removed") removed.push(id);
    id = below;
  }
  return { removed, left: null };
}

function leftBy(id: string, outcome: Exclude<Outcome, { fate: "removed" | "gone" }>): Cleared["left"] {
  if (outcome.fate === "untagged") return null;
  if (outcome.fate === "kept") {
    const { because, reason } = outcome.kept;
    if (because === "not-selected") return null;
    return { id, because: because === "tagged" ? "named" : "in-use", reason };
  }
  const failed = (error: EngineError) =>
    ({ id, because: error.endsThePass ? "away" : "failed", reason: error.message }) as const;
  if (outcome.fate === "failed") return failed(outcome.error);
  const { ending } = outcome;
  if (ending.by === "engine") return failed(ending.error);
  return { id, because: "not-reached", reason: ending.by === "stop" ? "told to stop" : "the pass ended" };
}
