import { describe, expect, it } from "vitest";
import type { ContainerDetail } from "../../../agent/engine/types.ts";
import { pickContainer, refusal } from "../../../agent/snapshots/look.ts";
import { container, containerDetail } from "../support.ts";

describe("the container that a text means", () => {
  const id = (start: string) => start.padEnd(64, "0");
  const first = container({ id: id("abcdef0123456789"), names: ["job-1"] });
  const second = container({ id: id("abcdef0123450000"), names: ["job-2", "other/alias"] });
  /** Its name is the start of another one's id. */
  const third = container({ id: id("99"), names: ["abcdef012345"] });
  const nameless = container({ id: id("77"), names: [] });

  it.each([
    ["a whole id", first.id, first],
    ["a name", "job-2", second],
    ["a name as the engine's API writes it", "/job-2", second],
    ["the start of an id that only one has", "abcdef01234567", first],
    ["a name before the start of an id", "abcdef012345", third],
    ["an id of one without a name", nameless.id, nameless],
  ])("by %s", (_, text, wanted) => {
    const picked = pickContainer(text, [first, second, third, nameless]);
    expect(picked).toMatchObject({ found: "one", container: { id: wanted.id } });
  });

  it.each([
    ["the start of a name", "job"],
    ["too few digits of an id, which may be a slip", "abcdef01234"],
    ["digits that start no id", "ffffffffffff"],
    ["the end of an id", "23456789".padEnd(56, "0")],
    ["nothing", ""],
    ["a pattern", "job-."],
    ["capital letters", "JOB-1"],
  ])("is none by %s", (_, text) => {
    expect(pickContainer(text, [first, second])).toEqual({ found: "none" });
  });

  it("is none where several ids start so", () => {
    const picked = pickContainer("abcdef012345", [first, second]);
    expect(picked).toEqual({ found: "several", names: ["job-1", "job-2"] });
  });
});

describe("a container's work is kept", () => {
  const ended = (changes: Partial<ContainerDetail>) => refusal(containerDetail({ exitCode: 0, ...changes }));

  it("when it ended with exit code 0", () => {
    expect(ended({})).toBeNull();
  });

  it.each([
    [{ exitCode: 1 }, "it ended with exit code 1"],
    [{ exitCode: null }, "the engine does not say how it ended"],
    [{ oomKilled: true }, "the kernel killed a process in it for lack of memory"],
    [{ state: "created" }, "it was never started"],
    [{ state: "running" }, "it is running, and has not ended by itself"],
    [{ state: "something new" }, "it is something new, and has not ended by itself"],
  ] as const)("never with %j", (changes, reason) => {
    expect(ended(changes)).toBe(reason);
  });
});
