import { join } from "node:path";
import type { ImageDetail } from "../../../agent/engine/types.ts";
import { repositoryOf, snapshotLabels } from "../../../agent/snapshots/identity.ts";
import type { Host } from "../../../agent/snapshots/limits.ts";
import type { SnapshotPorts } from "../../../agent/snapshots/look.ts";
import { testFolder } from "../folder.ts";
import { Fake } from "../pass/fake.ts";
import { dangling, fails, type Hook, type World, world } from "../pass/world.ts";
import { ago, HOUR, settingsOf } from "../support.ts";

/** `"42"` -> the identity of that work item of project web. */
export const item = (workItem: string) => ({ project: "web", workItem });

export const nameOf = (workItem: string): string => `${repositoryOf(item(workItem))}:latest`;

/** The snapshot of a work item, called `name`, made so many hours ago. */
export function snapshot(name: string, workItem: string, hours: number, changes: Partial<ImageDetail> = {}) {
  const at = ago(hours * HOUR);
  const labels = snapshotLabels(item(workItem), at, "24h");
  return dangling(name, { tags: [nameOf(workItem)], labels, createdAt: at, lastTaggedAt: at, ...changes });
}

/** The engine with these things on it and nothing else, as the commands of snapshots see it. */
export function engine(changes: Partial<World>, hook?: Hook): { fake: Fake; ports: SnapshotPorts } {
  const fake = new Fake(world({ containers: [], images: [], cache: [], ...changes }), hook);
  const { reader, writer, clock } = fake;
  return { fake, ports: { reader, writer, clock, stop: fake.stop.signal } };
}

/** A folder of its own for state and lock. */
export function host(settings: object = {}): Host {
  const stateDir = testFolder();
  return { settings: settingsOf(settings), stateDir, lockFile: join(stateDir, "lock") };
}

/** Fails the first request of this text. */
export const failing =
  (request: string, ...kind: Parameters<typeof fails>): Hook =>
  (asked, nth) => {
    if (asked === request && nth === 1) fails(...kind);
  };
