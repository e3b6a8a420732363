import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { passId, stateDirectory } from "../../../agent/host/places.ts";
import { program } from "../program.ts";

const ID = "0123456789abcdef0123456789abcdef";

describe("where the state lives", () => {
  it.each([
    ["the option", "/o", "/s", { STATE_DIRECTORY: "/var/lib/ci-docker-prune" }, 0, "/o"],
    ["the setting", undefined, "/s", { STATE_DIRECTORY: "/var/lib/ci-docker-prune" }, 0, "/s"],
    [
      "systemd's",
      undefined,
      null,
      { STATE_DIRECTORY: "/x:/private/ci-docker-prune" },
      7,
      "/private/ci-docker-prune",
    ],
    [
      "that of the unit of auth apply",
      undefined,
      null,
      { STATE_DIRECTORY: "/var/lib/ci-docker-auth" },
      0,
      "/var/lib/ci-docker-auth",
    ],
    [
      "not another service's",
      undefined,
      null,
      { STATE_DIRECTORY: "/var/lib/gitlab-runner" },
      0,
      "/var/lib/ci-docker-prune",
    ],
    ["root's usual place", undefined, null, {}, 0, "/var/lib/ci-docker-prune"],
    ["a user's usual place", undefined, null, { XDG_STATE_HOME: "/h/state" }, 7, "/h/state/ci-docker-prune"],
  ])("%s", (_, option, setting, env, uid, expected) => {
    expect(stateDirectory(option, setting, env, uid)).toBe(expected);
  });

  it("is told to be missing of a user without a home", () => {
    const home = process.env.HOME;
    process.env.HOME = "";
    try {
      expect(() => stateDirectory(undefined, null, {}, 7)).toThrow(/no home; name one with --state-dir/);
    } finally {
      process.env.HOME = home;
    }
  });
});

describe("the id of a pass", () => {
  it("is systemd's where systemd started this very process", () => {
    expect(passId({ INVOCATION_ID: ID, SYSTEMD_EXEC_PID: "42" }, 42)).toBe(ID);
  });

  it.each([
    ["is handed down by a service", { INVOCATION_ID: ID, SYSTEMD_EXEC_PID: "41", JOURNAL_STREAM: "8:1" }],
    ["is handed down by one of an older systemd", { INVOCATION_ID: ID, JOURNAL_STREAM: "8:1" }],
    ["is not there", { SYSTEMD_EXEC_PID: "42" }],
    ["is none", { INVOCATION_ID: "x", SYSTEMD_EXEC_PID: "42" }],
  ])("is its own where systemd's %s", (_, env) => {
    const ids = [passId(env, 42), passId(env, 42)];
    expect(ids).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), expect.stringMatching(/^[0-9a-f]{32}$/)]);
    expect(ids).not.toContain(ID);
    expect(ids[0]).not.toBe(ids[1]);
  });

  it("is that of an older systemd where the journal listens at our standard output", () => {
    const file = program(`
      import { fstatSync } from "node:fs";
      import { passId } from "./agent/host/places.ts";
      const { dev, ino } = fstatSync(1, { bigint: true });
      console.log(passId({ INVOCATION_ID: "${ID}", JOURNAL_STREAM: dev + ":" + ino }));`);
    expect(execFileSync(process.execPath, [file], { encoding: "utf8" }).trim()).toBe(ID);
  });
});
