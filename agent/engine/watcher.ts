import type { Door } from "./door.ts";
import { EVENT_FILTERS } from "./envelope.ts";
import { EngineError } from "./errors.ts";
import type { Labels } from "./types.ts";

/** A container was started, or an image came or went. Times are milliseconds since the epoch. */
export type EngineEvent =
  | {
      readonly kind: "start";
      readonly at: number;
      readonly container: string;
      /** The image as the container's maker named it. */
      readonly imageName: string;
      readonly labels: Labels;
    }
  | { readonly kind: "image"; readonly at: number; readonly name: string; readonly pulled: boolean }
  | { readonly kind: "gone"; readonly at: number; readonly image: string };

/** An event is a line of some hundred bytes; labels are the longest part of it. */
const LONGEST_LINE = 1024 * 1024;

/**
 * Listens until the engine ends the stream; says `"open"` first, once the engine listens to us. Throws EngineError when
 * there is no stream, or it breaks.
 * @param since milliseconds; the engine repeats up to 256 events (of all kinds) from that millisecond on
 */
export async function* listen(door: Door, since: number): AsyncGenerator<EngineEvent | "open"> {
  const query = { filters: EVENT_FILTERS, since: (Math.floor(since) / 1000).toFixed(3) };
  const response = await door.stream({ method: "GET", path: "/events", query });
  let rest = "";
  try {
    yield "open";
    for await (const chunk of response.setEncoding("utf8")) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > LONGEST_LINE) throw new Error("a line that does not end");
      for (const line of lines) {
        const event = toEvent(line);
        if (event !== null) yield event;
      }
    }
  } catch (error) {
    throw new EngineError("cut-off", `GET /events: the stream broke off (${(error as Error).message})`);
  } finally {
    response.destroy();
  }
}

/** One line of the stream; `null` for what is not asked for, or not understood. Source: GET /events, API 1.40. */
export function toEvent(line: string): EngineEvent | null {
  let event: Record<string, unknown>;
  try {
    event = Object(JSON.parse(line));
  } catch {
    return null;
  }
  const { Type, Action, Actor, time, timeNano } = event;
  const at = typeof timeNano === "number" ? timeNano / 1e6 : Number(time) * 1000;
  const { ID, Attributes } = Object(Actor);
  if (typeof ID !== "string" || !Number.isFinite(at)) return null;
  const attributes: Record<string, unknown> = Object(Attributes);
  if (Type === "container" && Action === "start") {
    const labels = Object.entries(attributes).filter(
      (entry): entry is [string, string] => typeof entry[1] === "string",
    );
    return {
      kind: "start",
      at,
      container: ID,
      imageName: String(attributes.image ?? ""),
      labels: Object.assign(Object.create(null), Object.fromEntries(labels)),
    };
  }
  if (Type === "image" && Action === "delete") return { kind: "gone", at, image: ID };
  // An id, or what was pulled: "redis:7-alpine".
  if (Type === "image") return { kind: "image", at, name: ID, pulled: Action === "pull" };
  return null;
}
