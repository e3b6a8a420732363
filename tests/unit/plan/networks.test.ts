import { describe, expect, it } from "vitest";
import type { NetworkDetail } from "../../../agent/engine/types.ts";
import { judgeNetworks, keptNetwork } from "../../../agent/plan/networks.ts";
import { ago, container, DAY, HOUR, hexId, NOW, network, settingsOf } from "../support.ts";

const on = (name: string, state = "exited") =>
  container({ id: hexId("job"), names: ["job"], state, networks: [name] });

/** `"remove n1 expired"`, in order. */
const judge = (
  networks: readonly NetworkDetail[],
  prune: object,
  containers: readonly ReturnType<typeof container>[] = [],
) =>
  judgeNetworks(networks, containers, settingsOf({ prune }).prune, NOW).map(
    ({ action, names: [name], because }) => `${action} ${name} ${because}`,
  );

const kept = (one: NetworkDetail, containers: readonly ReturnType<typeof container>[]) =>
  keptNetwork(one, containers, settingsOf({}).prune, NOW);

const days = (...ages: readonly number[]) =>
  ages.map((age, at) => network(`n${at}`, { createdAt: ago(age * DAY) }));

describe("unused networks of local scope", () => {
  it("beyond the number go, oldest first, until no more are left", () => {
    expect(judge(days(2, 9, 5, 3), { networksAbove: 2 })).toEqual([
      "remove n1 expired",
      "remove n2 expired",
      "keep n3 within-limits",
      "keep n0 within-limits",
    ]);
  });

  it("up to the number are not judged at all, nor any where the setting is null", () => {
    expect(judge(days(9, 9, 9), { networksAbove: 3 })).toEqual([]);
    expect(judge(days(9, 9, 9), { networksAbove: null })).toEqual([]);
    expect(judge(days(9, 9, 9), { networksAbove: 0 })).toHaveLength(3);
  });

  it("stay while they are younger than prune.until, undated, or carry a keep label; others go in their stead", () => {
    const networks = [
      network("old", { createdAt: ago(9 * DAY) }),
      network("kept", { createdAt: ago(8 * DAY), labels: { "ci-docker-prune.keep": "" } }),
      network("at", { createdAt: ago(DAY) }),
      network("past", { createdAt: ago(DAY + 1) }),
      network("young", { createdAt: ago(HOUR) }),
      network("undated", { createdAt: null }),
      network("tomorrow", { createdAt: ago(-HOUR) }),
    ];
    expect(judge(networks, { networksAbove: 0 })).toEqual([
      ...["remove old expired", "keep kept keep-label", "remove past expired", "keep at young"],
      ...["keep young young", "keep undated undatable", "keep tomorrow young"],
    ]);
    expect(judge(networks, { networksAbove: 0, labels: ["ci"] }).slice(0, 1)).toEqual([
      "keep old not-selected",
    ]);
  });

  it.each<readonly [string, Partial<NetworkDetail>]>([
    ["of a swarm", { scope: "swarm" }],
    ["an overlay", { driver: "overlay" }],
    ["the ingress", { ingress: true }],
    ["only a pattern for others", { configOnly: true }],
    ["predefined", { name: "docker_gwbridge" }],
    ["predefined", { name: "bridge" }],
  ])("are no others: %s", (_, changes) => {
    expect(judge([network("n", changes)], { networksAbove: 0 })).toEqual([]);
    expect(kept(network("n", changes), [])).not.toBeNull();
  });

  it.each(["running", "exited", "created", "paused"])("are on no container, not even a %s one", (state) => {
    expect(judge([network("n")], { networksAbove: 0 }, [on("n", state)])).toEqual([]);
    expect(judge([network("n")], { networksAbove: 0 }, [on(hexId("n"), state)])).toEqual([]);
    expect(kept(network("n"), [on("n", state)])).toEqual({
      because: "in-use",
      reason: "container job is on it",
    });
  });

  it("are what they were when they are looked at once more", () => {
    expect(kept(network("n", { createdAt: ago(HOUR) }), [])).toMatchObject({ because: "young" });
    expect(kept(network("n", { createdAt: null }), [])).toMatchObject({ because: "undatable" });
    const labels = { "ci-docker-prune.keep": "" };
    expect(kept(network("n", { labels }), [])).toMatchObject({ because: "keep-label" });
  });

  it("have no endpoint when they are looked at once more", () => {
    expect(kept(network("n"), [on("other")])).toBeNull();
    expect(kept(network("n", { endpoints: 1 }), [])).toMatchObject({ because: "in-use" });
  });
});
