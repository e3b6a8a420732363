import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { parseTimer, readTimer } from "../../../agent/host/timer.ts";

/** As systemd 252 and 257 answer (tests/systemd asks the real one). */
const ACTIVE = `NextElapseUSecRealtime=Sun 2026-08-02 00:00:00 UTC
LastTriggerUSec=Sat 2026-08-01 00:00:07 UTC
LoadState=loaded
ActiveState=active
`;

describe("what systemctl says of the timer", () => {
  it("is when it fires next, and when it did last", () => {
    expect(parseTimer(ACTIVE)).toEqual({
      unit: "ci-docker-prune.timer",
      installed: true,
      active: true,
      next: Date.UTC(2026, 7, 2),
      last: Date.UTC(2026, 7, 1, 0, 0, 7),
    });
  });

  it.each([
    ["not installed", ACTIVE.replace("=loaded", "=not-found"), { installed: false }],
    ["masked", ACTIVE.replace("=loaded", "=masked"), { installed: false }],
    ["stopped", ACTIVE.replace("=active", "=inactive"), { active: false, installed: true }],
    ["never fired", ACTIVE.replace(/LastTrigger.*/, "LastTriggerUSec=n/a"), { last: null }],
    ["not planned", ACTIVE.replace(/NextElapse.*/, "NextElapseUSecRealtime="), { next: null }],
    ["in a zone that was not asked for", ACTIVE.replace(/00:00:00 UTC/, "02:00:00 CEST"), { next: null }],
    [
      "with a fraction of a second",
      ACTIVE.replace("00:00:07 UTC", "00:00:07.5 UTC"),
      { last: Date.UTC(2026, 7, 1, 0, 0, 7) },
    ],
    ["with a date that is none", ACTIVE.replace("2026-08-02", "2026-13-40"), { next: null }],
    ["with a property that was not asked for", `Id=x=y\n${ACTIVE}`, { active: true }],
  ])("%s", (_, text, expected) => {
    expect(parseTimer(text)).toMatchObject(expected);
  });

  it("is nothing where it says nothing", () => {
    expect([parseTimer(""), parseTimer("what?\n")]).toEqual([null, null]);
  });
});

describe("systemctl", () => {
  const path = process.env.PATH;
  const dir = mkdtempSync(join(tmpdir(), "systemctl-"));
  const systemctl = (script: string) => {
    writeFileSync(join(dir, "systemctl"), `#!/bin/sh\n${script}\n`);
    chmodSync(join(dir, "systemctl"), 0o755);
    process.env.PATH = `${dir}:${path}`;
  };
  afterEach(() => {
    process.env.PATH = path;
    rmSync(join(dir, "systemctl"), { force: true });
  });

  it("is asked in UTC", async () => {
    systemctl(`[ "$TZ" = UTC ] && printf '${ACTIVE.replaceAll("\n", "\\n")}'`);
    expect((await readTimer())?.next).toBe(Date.UTC(2026, 7, 2));
  });

  it.each([
    ["fails", "echo LoadState=loaded; exit 1"],
    ["hangs", "exec sleep 30"],
  ])("that %s tells nothing, in time", async (_, script) => {
    systemctl(script);
    const startedAt = performance.now();
    expect(await readTimer(0.3)).toBeNull();
    expect(performance.now() - startedAt).toBeLessThan(2000);
  });

  it("that is not there tells nothing", async () => {
    process.env.PATH = dir;
    expect(await readTimer()).toBeNull();
  });
});
