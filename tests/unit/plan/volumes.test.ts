import { describe, expect, it } from "vitest";
import type { ContainerSummary, Mount } from "../../../agent/engine/types.ts";
import { judgeContainer } from "../../../agent/plan/containers.ts";
import { volumeKeepers } from "../../../agent/plan/volumes.ts";
import { ago, container, containerDetail, DAY, hexId, NOW, settingsOf } from "../support.ts";

const ANONYMOUS = "a".repeat(64);
const volume = (source: string, destination = "/data"): Mount => ({ type: "volume", source, destination });
const bind = (source: string, destination = source): Mount => ({ type: "bind", source, destination });

/** Long stopped; listed as created, never started either. */
function left(name: string, mounts: readonly Mount[], changes: Partial<ContainerSummary> = {}) {
  return container({
    id: hexId(name),
    names: [name],
    state: "exited",
    createdAt: ago(9 * DAY),
    mounts,
    ...changes,
  });
}

/** `"keep holds-volumes"`, or whatever else comes of it. */
function verdict(one: ContainerSummary, ...others: readonly ContainerSummary[]): string {
  const detail = containerDetail({
    id: one.id,
    state: one.state,
    createdAt: one.createdAt,
    ...(one.state === "created" ? { startedAt: null, finishedAt: null } : {}),
  });
  const keepers = volumeKeepers([one, ...others]);
  const { action, because } = judgeContainer({ summary: one, detail }, keepers, settingsOf({}).prune, NOW);
  return `${action} ${because}`;
}

const created = { state: "created" } as const;
const running = { state: "running", createdAt: ago(DAY / 2) } as const;

describe("a container that is past its limit", () => {
  it.each<readonly [string, ContainerSummary, readonly ContainerSummary[]]>([
    [
      "a stopped builder of buildx, whose volume `docker buildx rm` finds through it alone",
      left("buildx_buildkit_ci0", [volume("buildx_buildkit_ci0_state", "/var/lib/buildkit")]),
      [],
    ],
    ["a data-only container, never started", left("data", [volume(ANONYMOUS)], created), []],
    ["one that was never started and has a named volume", left("data", [volume("db")], created), []],
    [
      "one that was never started, all of whose mounts another one has",
      left("data", [bind("/srv"), bind("/etc/app")], created),
      [left("app", [bind("/etc/app"), bind("/srv"), bind("/run")], running)],
    ],
    [
      "one whose anonymous volume a younger container took from it",
      left("data", [volume(ANONYMOUS)]),
      [left("app", [volume(ANONYMOUS)], running)],
    ],
  ])("stays: %s", (_, one, others) => {
    expect(verdict(one, ...others)).toBe("keep holds-volumes");
  });

  it.each<readonly [string, ContainerSummary, readonly ContainerSummary[]]>([
    ["without mounts", left("job", []), []],
    ["with volumes that nobody else has", left("job", [volume(ANONYMOUS), volume("cache")]), []],
    [
      "that shares a named volume, which is found by its name",
      left("job", [volume("cache")]),
      [left("app", [volume("cache")], running)],
    ],
    [
      "that took an anonymous volume from an older container",
      left("job", [volume(ANONYMOUS)], { createdAt: ago(8 * DAY) }),
      [left("data", [volume(ANONYMOUS)])],
    ],
    [
      "never started, with one of whose two mounts another one runs",
      left("job", [bind("/var/run/docker.sock"), bind("/builds")], created),
      [left("app", [bind("/var/run/docker.sock")], running)],
    ],
    [
      "that mounts what a builder mounts, by another name",
      left("job", [volume("buildx_buildkit_ci0_state", "/var/lib/buildkit")]),
      [],
    ],
  ])("goes: one %s", (_, one, others) => {
    expect(verdict(one, ...others)).toBe("remove expired");
  });

  it("says who has its volume, and what would remove a builder", () => {
    const data = left("data", [volume(ANONYMOUS)]);
    const app = left("app", [volume(ANONYMOUS)], running);
    const builder = left("buildx_buildkit_ci0", [volume("buildx_buildkit_ci0_state", "/var/lib/buildkit")]);
    const reasons = volumeKeepers([data, app, builder]);
    expect(reasons.get(data.id)).toBe("container app mounts a volume from it");
    expect(reasons.get(builder.id)).toContain("`docker buildx rm`");
    expect(reasons.get(app.id)).toBeUndefined();
  });
});
