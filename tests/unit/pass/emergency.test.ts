import { describe, expect, it } from "vitest";
import { emergencyOf } from "../../../agent/pass/emergency.ts";
import { runPass } from "../../../agent/pass/pass.ts";
import { readPressure } from "../../../agent/pass/pressure.ts";
import { previewGates, previewPlan } from "../../../agent/pass/preview.ts";
import { ago, DAY, filesystem, GiB, HOUR, settingsOf } from "../support.ts";
import { Fake } from "./fake.ts";
import { all, at, play, portsOf } from "./play.ts";
import { diskOf, PLAN } from "./rows.ts";
import { cacheRecord, dangling, exited, type Hook, readDisk, world } from "./world.ts";

const EMERGENCY = { prune: { emergency: { at: "95%", until: "1h" }, networksAbove: null } };
/** Three hours old: garbage, and younger than `prune.until`. */
const YOUNG = { createdAt: ago(3 * HOUR) };
const youngContainer = (name: string) =>
  exited(name, { ...YOUNG, startedAt: ago(3 * HOUR), finishedAt: ago(3 * HOUR) });
const youngHost = (used: number | string = 97) => ({
  disk: { "/": used, "/var/lib/docker": used },
  containers: [exited("c1"), exited("c2"), youngContainer("c3")],
  images: [dangling("i1"), dangling("i2"), dangling("i3", YOUNG)],
  cache: [cacheRecord(), cacheRecord({ id: "b2", lastUsedAt: ago(3 * HOUR) })],
});
const AND_YOUNG = [...PLAN, "remove c3", "remove i3", "prune cache 3600"];
const WHY = "emergency: / is 97% full, the mark is 95%: age limit 1h instead of 1d";

describe("prune.emergency", () => {
  it("at its mark the shorter age holds, after all that goes anyway", async () => {
    const { fake, exit } = await play({ world: youngHost(), settings: EMERGENCY });
    expect(fake.writes).toEqual(AND_YOUNG);
    expect(exit).toBe(10);
    const of = (id: string) => fake.said("object.removed").find(({ names }) => String(names) === id);
    expect(of("c1")?.reason).toBe("exited for longer than prune.until");
    expect(of("c3")?.reason).toBe("exited for longer than prune.emergency.until");
    expect(fake.said("object.removed").map(({ id }) => id)).toEqual(expect.arrayContaining(["b1", "b2"]));
    // Nothing is told of twice.
    expect(fake.finished).toMatchObject({ kept: 0, removed: { container: 3, image: 3, "build-cache": 2 } });
  });

  it("says why, when it starts and with its plan", async () => {
    const { fake } = await play({ world: youngHost(), settings: EMERGENCY });
    expect(fake.said("pass.started")[0]?.emergency).toBe(WHY);
    expect(fake.said("prune.planned")[0]).toMatchObject({ untilSeconds: DAY, emergencyUntilSeconds: HOUR });
    expect(fake.said("step.finished").map(({ by, kind }) => `${by} ${kind}`)).toEqual([
      ...["prune container", "prune image", "prune build-cache"],
      ...["emergency container", "emergency image", "emergency build-cache"],
    ]);
  });

  it.each<readonly [string, number | string, object]>([
    ["below its mark", 94, EMERGENCY],
    ["without the setting", 97, { prune: { networksAbove: null } }],
  ])("%s what is young stays", async (_, used, settings) => {
    const { fake } = await play({ world: youngHost(used), settings });
    expect(fake.writes).toEqual(PLAN);
    expect(fake.said("pass.started")[0]).not.toHaveProperty("emergency");
    expect(fake.said("prune.planned")[0]).not.toHaveProperty("emergencyUntilSeconds");
    expect(fake.ageLimit).toBe("usual");
  });

  it("a disk that cannot be read makes none, whatever the pass was asked for", async () => {
    const options = { withoutPressure: true };
    const disk = { "/": 97, "/var/lib/docker": "EIO" };
    const { fake } = await play({ world: { ...youngHost(), disk }, settings: EMERGENCY, options });
    expect(fake.writes).toEqual(PLAN);
  });

  it("leaves what is younger still, in use, kept or below something that stays", async () => {
    const keep = { labels: { "ci-docker-prune.keep": "" } };
    const host = {
      ...youngHost(),
      containers: [exited("c3", { ...YOUNG, finishedAt: ago(600) }), { ...youngContainer("c4"), ...keep }],
      images: [
        dangling("i3", { ...YOUNG, ...keep }),
        dangling("i4", { createdAt: ago(600) }),
        dangling("i5", { ...YOUNG, tags: ["app:1"] }),
      ],
      cache: [],
    };
    const { fake } = await play({ world: host, settings: EMERGENCY });
    expect(fake.writes).toEqual(["prune cache 86400", "prune cache 3600"]);
  });

  it("each deletion is looked at by the same limit", async () => {
    const used = at(
      "inspect c3",
      (_request, _nth, host) => {
        const found = host.containers.find(({ names }) => names[0] === "c3");
        Object.assign(found ?? {}, { finishedAt: ago(600) });
      },
      2,
    );
    const { fake } = await play({ world: youngHost(), settings: EMERGENCY, hook: used });
    expect(fake.writes).toEqual(AND_YOUNG.filter((write) => write !== "remove c3"));
    expect(fake.said("object.kept")).toMatchObject([{ names: ["c3"], rule: "young" }]);
  });

  it.each<readonly [string, string, readonly string[], number]>([
    ["what goes anyway was enough", "remove i2", PLAN, 3],
    ["the young containers were enough", "remove c3", [...PLAN, "remove c3"], 2],
    ["the young images were enough", "remove i3", [...PLAN, "remove c3", "remove i3"], 1],
  ])("ends below its mark: %s", async (_, request, writes, kept) => {
    const { fake } = await play({ world: youngHost(), settings: EMERGENCY, hook: at(request, diskOf(94)) });
    expect(fake.writes).toEqual(writes);
    expect(fake.finished.kept).toBe(kept);
    for (const { rule } of fake.said("object.kept").slice(0, kept - 1)) expect(rule).toBe("not-needed");
    expect(fake.said("object.kept").at(-1)).toMatchObject({ id: "b2", rule: "young" });
    expect(fake.ageLimit).toBe("usual");
  });

  it("in the middle of a step, the gates are asked after two seconds, and the disk with them", async () => {
    const images = ["i3", "i4", "i5", "i6"].map((name) => dangling(name, YOUNG));
    const slow = at("remove i3", (_request, _nth, host, fake) => {
      diskOf(94)("", 1, host, fake);
      fake.pass(2000);
    });
    const host = { ...youngHost(), containers: [], images, cache: [] };
    const { fake } = await play({ world: host, settings: EMERGENCY, hook: slow });
    expect(fake.writes).toEqual(["prune cache 86400", "remove i3"]);
    expect(fake.said("object.kept").map(({ names, rule }) => `${rule} ${names}`)).toEqual(
      Array(3).fill("not-needed "),
    );
  });

  it("does not begin in mid-pass, and does not begin anew", async () => {
    const fills = at("remove c1", diskOf(97));
    const late = await play({ world: youngHost(90), settings: EMERGENCY, hook: fills });
    expect(late.fake.writes).toEqual(PLAN);
    const twice = all(at("remove i2", diskOf(94)), at("prune cache 86400", diskOf(97)));
    const { fake } = await play({ world: youngHost(), settings: EMERGENCY, hook: twice });
    expect(fake.writes).toEqual(PLAN);
  });

  it("a disk that can no longer be read ends it", async () => {
    const hook = at("remove i2", diskOf("EIO"));
    const { fake } = await play({ world: youngHost(), settings: EMERGENCY, hook });
    expect(fake.writes).toEqual(PLAN);
  });

  it("the envelope lets the shorter prune through in such a pass alone, from its first request on", async () => {
    const seen: string[] = [];
    const hook: Hook = (request, _nth, _host, fake) => void seen.push(`${request}: ${fake.ageLimit}`);
    await play({ world: youngHost(), settings: EMERGENCY, hook });
    expect(seen).toContain("dangling: usual");
    expect(seen).toContain("prune cache 3600: emergency");
  });

  it("ends while the journal's reader is late: the limit and the envelope are of one moment all the same", async () => {
    const seen: string[] = [];
    const fake = new Fake(world(youngHost()), (request, _nth, _host, { ageLimit }) => {
      if (request.startsWith("prune cache")) seen.push(`${request}: ${ageLimit}`);
    });
    let left = 2;
    const taken = async () => {
      if (!fake.log.includes("prune cache 86400") || fake.log.at(-1) !== "list cache" || --left > 0) return;
      diskOf(94)("", 1, fake.world, fake);
      fake.pass(2000);
    };
    const ports = { ...portsOf(fake), journal: { ...fake.journal, taken } };
    await runPass(ports, settingsOf(EMERGENCY), { dryRun: false, withoutPressure: false });
    expect(seen).toEqual(["prune cache 86400: emergency", "prune cache 3600: emergency"]);
  });

  it("an old image below a young one goes after it, and only with it", async () => {
    const images = [dangling("i1"), dangling("i3", { ...YOUNG, parentId: dangling("i1").id })];
    const host = { ...youngHost(), containers: [], images, cache: [] };
    const cache = ["prune cache 86400"];
    const { fake } = await play({ world: host, settings: EMERGENCY });
    expect(fake.writes).toEqual([...cache, "remove i3", "remove i1", "prune cache 3600"]);
    const { fake: over } = await play({
      world: { ...host, images: [...images] },
      settings: EMERGENCY,
      hook: at("prune cache 86400", diskOf(94)),
    });
    expect(over.writes).toEqual(cache);
  });

  it("`plan` and `status` say why, and show the same plan", async () => {
    const fake = new Fake(world(youngHost()));
    const ports = { ...portsOf(fake), settings: settingsOf(EMERGENCY) };
    const seen = await previewGates(ports, false);
    expect(seen.gates[0]).toMatchObject({ verdict: "open", facts: { emergency: WHY } });
    expect(seen.gates[0]?.reason).toBe(`${seen.pressure.verdict.reason}; ${WHY}`);
    const plan = await previewPlan(ports, seen);
    if (!plan.known) throw new Error(plan.reason);
    const young = plan.value.plan.remove.filter(({ reason }) => reason.includes("prune.emergency.until"));
    expect(young.map(({ names, id }) => names[0] ?? id)).toEqual(["c3", dangling("i3").id, "RUN make"]);
    const below = new Fake(world(youngHost(94)));
    const usual = await previewGates({ ...ports, ...portsOf(below) }, false);
    expect(usual.gates[0]).toEqual(usual.pressure.verdict);
  });

  it("comes before any named image, and a dry run shows it", async () => {
    const settings = { ...EMERGENCY, disk: { highWatermark: "80%" } };
    const { fake } = await play({ world: youngHost(), settings, options: { dryRun: true } });
    expect(fake.writes).toEqual([]);
    const young = fake.said("object.planned").filter(({ reason }) => /emergency/.test(String(reason)));
    expect(young.map(({ kind }) => kind)).toEqual(["container", "image", "build-cache"]);
    expect(fake.ageLimit).toBe("usual");
  });
});

describe("what makes an emergency", () => {
  const look = async (disk: object, filesystems: readonly object[], emergency: object = { at: "95%" }) => {
    const settings = settingsOf({ prune: { emergency: { until: "1h", ...emergency } }, disk });
    const read = async () => filesystems.map((one) => ({ known: true as const, value: filesystem(one) }));
    return emergencyOf(settings, await readPressure({ readFilesystems: read }, settings.disk, []))?.why;
  };
  const used = (usedPercent: number, rest: object = {}) => ({ usedPercent, ...rest });
  const inodes = (inodesUsedPercent: number, freeInodes = 1000) => ({ inodesUsedPercent, freeInodes });

  it.each<readonly [string, object, readonly object[], object, boolean]>([
    ["one filesystem of two is enough", {}, [used(50), used(95)], { at: "95%" }, true],
    ["none at the mark", {}, [used(90), used(94)], { at: "95%" }, false],
    ["space left", {}, [used(90, { availableBytes: GiB })], { at: "2GiB free" }, true],
    ["more space left", {}, [used(90, { availableBytes: 3 * GiB })], { at: "2GiB free" }, false],
    ["a mark of another kind, below the high one", {}, [used(79)], { at: "90GiB free" }, false],
    ["inodes by the same percentage", {}, [used(50, inodes(96))], { at: "95%" }, true],
    ["inodes that are not judged", { inodes: false }, [used(85, inodes(96))], { at: "95%" }, false],
    ["inodes by a number", { inodes: "5000 free" }, [used(50, inodes(99))], { at: "95%" }, false],
    ["inodes against a mark in bytes", {}, [used(50, inodes(99))], { at: "2GiB free" }, false],
  ])("%s", async (_, disk, filesystems, emergency, expected) => {
    expect((await look(disk, filesystems, emergency)) !== undefined).toBe(expected);
  });

  it("names every limit that the shorter one stands in for", async () => {
    const settings = settingsOf({
      prune: { emergency: { at: "95%", until: "90m" }, containers: { until: "2d" }, images: false },
    });
    const read = async (paths: readonly string[]) =>
      readDisk(world({ disk: { "/": 99 } }), paths, () => false);
    const pressure = await readPressure({ readFilesystems: read }, settings.disk, []);
    expect(emergencyOf(settings, pressure)?.why).toBe(
      "emergency: / is 99% full, the mark is 95%: age limit 1h 30m instead of 2d and 1d",
    );
  });
});
