import { describe, expect, it } from "vitest";
import type { Task } from "../../../agent/engine/types.ts";
import { busyWhy, tasksAreDone } from "../../../agent/gates/converging.ts";
import { ago, service } from "../support.ts";

/** `"complete/shutdown"`, the youngest first, all of one slot. */
function tasks(states: readonly string[], slot = "1"): Task[] {
  return states.map((text, nth) => {
    const [state = "", desiredState = ""] = text.split("/");
    return {
      serviceId: "s1",
      slot,
      createdAt: ago(nth * 60),
      state,
      desiredState,
      at: ago(nth * 60),
      hadContainer: true,
    };
  });
}

const done = (restart: string, running: number, desired: number, ...slots: readonly Task[][]) =>
  tasksAreDone(service({ restart, status: { running, desired, completed: 0 } }), slots.flat());

describe("the tasks of a service that does not run them all", () => {
  it.each([
    ["a one-shot that ended well", done("none", 0, 1, tasks(["complete/shutdown"]))],
    ["a migration that ended well", done("on-failure", 0, 1, tasks(["complete/shutdown"]))],
    [
      "a migration that ended well at its second try",
      done("on-failure", 0, 1, tasks(["complete/shutdown", "failed/shutdown"])),
    ],
    [
      "one that does its work every so often, and waits",
      done("any", 0, 1, tasks(["ready/ready", "complete/shutdown"])),
    ],
    [
      "one of two that ended well, while the other runs",
      done("none", 1, 2, tasks(["complete/shutdown"]), tasks(["running/running"], "2")),
    ],
  ])("are done: %s", (_, is) => {
    expect(is).toBe(true);
  });

  it.each([
    ["a one-shot that failed", done("none", 0, 1, tasks(["failed/shutdown"]))],
    [
      "a new one under way after one that ended well",
      done("none", 0, 1, tasks(["preparing/running", "complete/shutdown"])),
    ],
    ["a first one under way", done("none", 0, 1, tasks(["pending/running"]))],
    ["one that ended well and is followed by another", done("any", 0, 1, tasks(["complete/shutdown"]))],
    ["a crash loop that waits", done("any", 0, 1, tasks(["ready/ready", "failed/shutdown"]))],
    ["one that waits and never ran", done("any", 0, 1, tasks(["ready/ready"]))],
    ["a slot without a task yet", done("none", 0, 2, tasks(["complete/shutdown"]))],
    [
      "one of two done, the other under way",
      done("none", 0, 2, tasks(["complete/shutdown"]), tasks(["starting/running"], "2")),
    ],
    ["more that run than the engine counts", done("none", 0, 1, tasks(["running/running"]))],
    [
      "two of which nobody knows which came last",
      done("none", 0, 1, [...tasks(["complete/shutdown"]), ...tasks(["preparing/running"])]),
    ],
    [
      "one under way that has no date",
      done("none", 0, 1, [
        ...tasks(["complete/shutdown"]),
        ...tasks(["preparing/running"]).map((task) => ({ ...task, createdAt: null })),
      ]),
    ],
    ["none at all", done("none", 0, 1)],
  ])("are not done: %s", (_, is) => {
    expect(is).toBe(false);
  });

  it("settle its counts, and nothing else", () => {
    const short = service({ tasksDone: true, status: { running: 0, desired: 1, completed: 0 } });
    expect(busyWhy(short, false)).toBeNull();
    expect(busyWhy({ ...short, tasksDone: false }, false)).toBe("0 of 1 tasks run");
    expect(busyWhy({ ...short, updateState: "paused" }, false)).toBe("update paused");
  });
});
