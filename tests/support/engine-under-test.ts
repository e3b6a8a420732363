/** The engine that this run of the tests is about: the one CDP_ENGINE names, else the machine's own. */
import { describe } from "vitest";
import { type Availability, defaultEngine, engineAvailable, usesContainerdStore } from "./engines.ts";

export const engine = defaultEngine();

/** True when it keeps its images in containerd's store. */
export const containerd = usesContainerdStore(engine);

/**
 * A suite on that engine. Where the engine, or something else it `needs`, cannot be had, it is skipped, with the reason
 * in its title.
 */
export function onEngine(title: string, ...rest: [...needs: Availability[], suite: () => void]): void {
  const needs = rest.slice(0, -1) as Availability[];
  const missing = [engineAvailable(engine), ...needs].find(({ ok }) => !ok);
  const reason = missing === undefined || missing.ok ? "" : ` (skipped: ${missing.reason})`;
  describe.skipIf(reason !== "")(`${title} on engine ${engine}${reason}`, rest.at(-1) as () => void);
}
