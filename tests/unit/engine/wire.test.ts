import { describe, expect, it } from "vitest";
import { EngineError } from "../../../agent/engine/errors.ts";
import {
  toBuildCache,
  toContainer,
  toContainers,
  toImage,
  toImages,
  toNetwork,
  toNetworks,
} from "../../../agent/engine/wire.ts";
import { toInfo, toServices, toTasks, toVersion } from "../../../agent/engine/wire-swarm.ts";

const DIGEST = `app@sha256:${"a".repeat(64)}`;

describe("the names of an image", () => {
  it.each<readonly [string, string[] | null, string[] | null, string[], string[]]>([
    ["a tag", ["app:1"], [], ["app:1"], []],
    ["none at all, as 20.10 writes it", ["<none>:<none>"], ["<none>@<none>"], [], []],
    ["none at all, as others do", null, null, [], []],
    ["a digest alone", [], [DIGEST], [], [DIGEST]],
    ["a digest alone, as the containerd store lists it among the tags", [DIGEST], [DIGEST], [], [DIGEST]],
    ["a tag and a digest, as that store lists them", ["app:1", DIGEST], [DIGEST], ["app:1"], [DIGEST]],
    [
      "of a layer that is missing: a bare id in RepoDigests is no name",
      [DIGEST],
      [`sha256:${"a".repeat(64)}`],
      [],
      [DIGEST],
    ],
    ["of an artifact whose tag moved on: its own bare id", null, [`sha256:${"b".repeat(64)}`], [], []],
  ])("%s", (_, RepoTags, RepoDigests, tags, digests) => {
    const image = { Id: "sha256:1", RepoTags, RepoDigests, Size: 1 };
    expect(toImages([{ ...image, Created: 0 }])).toMatchObject([{ tags, digests }]);
    expect(toImage({ ...image, Created: "" })).toMatchObject({ tags, digests });
  });
});

it.each(["RepoTags", "RepoDigests"])(
  "an answer without %s is malformed: no image is taken for nameless",
  (key) => {
    const { [key]: _, ...image } = { Id: "sha256:1", RepoTags: [], RepoDigests: [], Size: 1 } as Record<
      string,
      unknown
    >;
    expect(() => toImages([{ ...image, Created: 0 }])).toThrow(EngineError);
    expect(() => toImage({ ...image, Created: "" })).toThrow(EngineError);
  },
);

it("a size that was not measured (-1) is none, and takes nothing off a sum", () => {
  const state = { Status: "exited", StartedAt: "", FinishedAt: "" };
  expect(toContainer({ Id: "c", Created: "", State: state, SizeRw: -1 }).sizeBytes).toBeNull();
  const image = { Id: "i", RepoTags: [], RepoDigests: [], Size: -1 };
  expect(toImages([{ ...image, Created: 0 }])[0]?.sizeBytes).toBe(0);
  expect(toImage({ ...image, Created: "" }).sizeBytes).toBe(0);
  expect(toBuildCache({ BuildCache: [{ ID: "b", Size: -1 }] })[0]?.sizeBytes).toBe(0);
});

it.each([
  ["text for a number", { RunningTasks: "2", DesiredTasks: 2 }],
  ["no DesiredTasks", { RunningTasks: 0 }],
  ["negative tasks", { RunningTasks: -1, DesiredTasks: -1 }],
  ["a list", []],
])("a service's status with %s is malformed: no service is taken for settled", (_, ServiceStatus) => {
  const service = { ID: "s", Spec: { Name: "web", Labels: {}, Mode: { Global: {} } }, ServiceStatus };
  expect(() => toServices([service])).toThrow(/services: unexpected answer/);
});

const CONTAINER = { Id: "c", Names: null, ImageID: "i", State: "exited", Created: 1, Labels: null };

it.each([[{}], [{ Image: null }]])(
  "a service that does not tell its image is malformed: %j",
  (ContainerSpec) => {
    const spec = { Name: "web", Labels: {}, Mode: { Global: {} } };
    const service = { ID: "s", Spec: { ...spec, TaskTemplate: {} } };
    expect(toServices([service])[0]?.images).toEqual([]);
    const TaskTemplate = { ContainerSpec };
    for (const more of [{ Spec: { ...spec, TaskTemplate } }, { PreviousSpec: { ...spec, TaskTemplate } }])
      expect(() => toServices([{ ...service, ...more }])).toThrow(/services: unexpected answer/);
  },
);

it.each(["Names", "Labels"])(
  "a listed container without %s is malformed: by those it may be a run",
  (key) => {
    expect(() => toContainers([{ ...CONTAINER, [key]: undefined }])).toThrow(/containers: unexpected answer/);
  },
);

it("a list in an object's place is malformed: it does not tell what is in it", () => {
  const service = { ID: "s", Spec: { Name: "web", Labels: {}, Mode: { Global: {} } } };
  const image = { Id: "i", RepoTags: [], RepoDigests: [], Created: "" };
  for (const read of [
    () => toContainers([{ ...CONTAINER, NetworkSettings: [] }]),
    () => toServices([{ ...service, Spec: { ...service.Spec, TaskTemplate: [] } }]),
    () => toServices([{ ...service, UpdateStatus: [] }]),
    () => toImage({ ...image, Config: [] }),
    () => toImage({ ...image, Metadata: [] }),
  ])
    expect(read).toThrow(/unexpected answer/);
});

it.each([{ LastTagTime: "0001-01-01T00:00:00Z" }, {}, null])(
  "an image got no name last by %j",
  (Metadata) => {
    const image = { Id: "i", RepoTags: [], RepoDigests: [], Created: "" };
    expect(toImage({ ...image, Metadata }).lastTaggedAt).toBeNull();
  },
);

describe("keys that every object of JavaScript inherits", () => {
  /** As JSON: `__proto__` in an object literal would be something else. */
  const record = (value: string) =>
    JSON.parse(`{"__proto__":${value},"constructor":${value},"prototype":${value}}`);
  const NAMES = ["__proto__", "constructor", "prototype"];
  const IMAGE = { Id: "i", RepoTags: [], RepoDigests: [], Size: 1, Created: 1 };

  it("are labels like others, of containers, images and services", () => {
    const Labels = record('"yes"');
    const service = { ID: "s", Spec: { Name: "web", Labels, Mode: { Global: {} } } };
    for (const labels of [
      toContainers([{ ...CONTAINER, Labels }])[0]?.labels,
      toImages([{ ...IMAGE, Labels }])[0]?.labels,
      toImage({ ...IMAGE, Created: "", Config: { Labels } }).labels,
      toServices([service])[0]?.labels,
    ]) {
      expect(Object.entries(labels ?? {})).toEqual(NAMES.map((name) => [name, "yes"]));
    }
  });

  it("are networks like others, and no mode of a service", () => {
    const NetworkSettings = { Networks: record("{}") };
    expect(toContainers([{ ...CONTAINER, NetworkSettings }])[0]?.networks).toEqual(NAMES);
    const Spec = { Name: "web", Labels: {}, Mode: { constructor: {} } };
    expect(() => toServices([{ ID: "s", Spec }])).toThrow(/unknown mode "constructor"/);
  });

  it("are not labels where there are none, and must be texts where there are", () => {
    expect(Object.keys(toContainers([CONTAINER])[0]?.labels ?? {})).toEqual([]);
    expect(() => toContainers([{ ...CONTAINER, Labels: { a: 1 } }])).toThrow(EngineError);
    expect(() => toContainers([{ ...CONTAINER, Labels: ["a"] }])).toThrow(EngineError);
  });
});

it.each([true, false, undefined])("the kernel killed a part of a container: %s", (OOMKilled) => {
  const container = toContainer({ Id: "c", Created: "", State: { Status: "exited", OOMKilled } });
  expect(container.oomKilled).toBe(OOMKilled ?? false);
});

it("the mounts of a container: volumes by name, binds by their path on the host", () => {
  const Mounts = [
    { Type: "volume", Name: "v", Source: "/var/lib/docker/volumes/v/_data", Destination: "/data" },
    { Type: "bind", Source: "/srv", Destination: "/srv" },
    { Type: "tmpfs", Destination: "/tmp" },
  ];
  const [container] = toContainers([{ ...CONTAINER, Mounts }]);
  expect(container?.mounts).toEqual([
    { type: "volume", source: "v", destination: "/data" },
    { type: "bind", source: "/srv", destination: "/srv" },
    { type: "tmpfs", source: "", destination: "/tmp" },
  ]);
});

it("networks, whose endpoints an inspection alone tells", () => {
  const network = {
    Id: "n",
    Name: "ci_default",
    Driver: "bridge",
    Scope: "local",
    Created: "2026-01-01T00:00:00Z",
  };
  const told = {
    id: "n",
    name: "ci_default",
    driver: "bridge",
    scope: "local",
    ingress: false,
    configOnly: false,
  };
  expect(toNetworks([{ ...network, Containers: {}, Labels: { a: "b" } }])).toMatchObject([
    { ...told, createdAt: Date.UTC(2026, 0, 1), labels: { a: "b" } },
  ]);
  expect(toNetwork({ ...network, Ingress: true, ConfigOnly: true, Containers: { c: {} } })).toMatchObject({
    ...told,
    ingress: true,
    configOnly: true,
    endpoints: 1,
  });
  expect(() => toNetworks([{ ...network, Scope: undefined }])).toThrow(EngineError);
});

it("the parents of a record of the build cache, as a list (API 1.42) or alone", () => {
  const record = { ID: "b", Size: 1 };
  const parents = (told: object) => toBuildCache({ BuildCache: [{ ...record, ...told }] })[0]?.parents;
  expect(parents({ Parents: ["a", "c"] })).toEqual(["a", "c"]);
  expect(parents({ Parent: "a" })).toEqual(["a"]);
  expect(parents({ Parent: "" })).toEqual([]);
});

it.each([
  [{ MinAPIVersion: "1.24" }, "1.24"],
  [{ MinAPIVersion: "" }, "0.0"],
  [{}, "0.0"],
])("the oldest API version of an engine that says %j is %s", (told, oldestApi) => {
  expect(toVersion({ Version: "28", ApiVersion: "1.51", ...told })).toMatchObject({ oldestApi });
});

describe("what tells whether something goes on", () => {
  const state = { Status: "running", StartedAt: "", FinishedAt: "" };

  it.each([
    [{ ExecIDs: ["e1", "e2"] }, 2],
    [{ ExecIDs: null }, 0],
    [{}, undefined],
  ])("commands in a container: %j", (more, execs) => {
    expect(toContainer({ Id: "c", Created: "", State: state, ...more }).execs).toBe(execs);
  });

  it("the slot of a task, and the node of one of a global service", () => {
    const task = {
      ServiceID: "s",
      CreatedAt: "2026-01-01T00:00:00Z",
      DesiredState: "ready",
      Status: { State: "new", Timestamp: "" },
    };
    expect(
      toTasks([
        { ...task, Slot: 2, NodeID: "n" },
        { ...task, NodeID: "n" },
      ]),
    ).toMatchObject([{ slot: "2", createdAt: Date.UTC(2026, 0, 1) }, { slot: "n" }]);
  });

  it("whether a task is followed by another", () => {
    const spec = { Name: "s", Mode: { Global: {} } };
    const restart = (RestartPolicy?: object) =>
      toServices([
        { ID: "s", CreatedAt: "", UpdatedAt: "", Spec: { ...spec, TaskTemplate: { RestartPolicy } } },
      ])[0]?.restart;
    expect([restart(), restart({}), restart({ Condition: "none" })]).toEqual(["any", "any", "none"]);
  });

  it("the socket of containerd", () => {
    const info = { DockerRootDir: "/d", Swarm: { LocalNodeState: "inactive" } };
    expect(toInfo(info).containerdSocket).toBeNull();
    expect(toInfo({ ...info, Containerd: { Address: "/run/x.sock" } }).containerdSocket).toBe("/run/x.sock");
  });
});
