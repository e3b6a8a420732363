/**
 * The unit that operators install, under a real systemd, against a real engine: what docs/install-without-nixos.md
 * says is done here command by command.
 *
 * One host for the whole file; the tests build on each other, in this order.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AgentEvent, recordedPasses } from "../support/agent.ts";
import type { Captured } from "../support/capture.ts";
import { codeBlocks } from "../support/docs.ts";
import { bothMissing, nixMissing } from "../support/nix.ts";
import { eventOf, type JournalEntry, SystemdHost } from "../support/systemd-host.ts";
import { systemdHostMissing } from "../support/systemd-rootfs.ts";

const REPOSITORY = fileURLToPath(new URL("../..", import.meta.url));
const UNIT = "ci-docker-prune";
const SETTINGS = "/etc/ci-docker-prune/settings.json";
const LOCK = "/run/lock/ci-docker-prune.lock";
/** Where the test copies what the page says to copy. */
const UPLOAD = "/root/upload";

const install = readFileSync(join(REPOSITORY, "docs/install-without-nixos.md"), "utf8");

let host: SystemdHost;
/** The journal before the test at hand. */
let cursor = "";

/** Runs code of a page, as root, and stops at the first command that fails. */
function follow(code: string): Promise<string> {
  host.write("/root/block.sh", code);
  return host.sh("sh -eu /root/block.sh", UPLOAD);
}

/** What systemd knows of a unit. */
async function show(unit: string, ...properties: string[]): Promise<Record<string, string>> {
  const text = await host.sh(`systemctl show ${unit} ${properties.map((name) => `-p ${name}`).join(" ")}`);
  return Object.fromEntries(text.split("\n").map((line) => line.split(/=(.*)/s).slice(0, 2)));
}

/** What was logged under this identifier since {@link mark}. (With a match, --after-cursor skips one entry too many.) */
async function loggedBy(identifier: string): Promise<JournalEntry[]> {
  const entries = await host.journal(`--after-cursor='${cursor}'`);
  return entries.filter(({ SYSLOG_IDENTIFIER }) => SYSLOG_IDENTIFIER === identifier);
}

/** The agent's own lines since {@link mark}, parsed. */
async function lines(): Promise<{ entry: JournalEntry; event: AgentEvent }[]> {
  return (await loggedBy(UNIT)).map((entry) => ({ entry, event: eventOf(entry) }));
}

interface Pass {
  readonly code: number;
  readonly said: string;
  readonly entries: readonly JournalEntry[];
  readonly events: readonly AgentEvent[];
  readonly finished: AgentEvent;
}

async function mark(): Promise<void> {
  const [last] = await host.journal("-n 1");
  cursor = last?.__CURSOR ?? "";
}

/** One pass by `systemctl start`. */
async function pass(): Promise<Pass> {
  await host.exec(`systemctl reset-failed ${UNIT}`); // and the count of starts: five in ten seconds are the limit
  await mark();
  const { code, stderr } = await host.exec(`systemctl start ${UNIT}`);
  return { code, said: stderr, ...(await lastPass()) };
}

async function lastPass(): Promise<Omit<Pass, "code" | "said">> {
  const found = await lines();
  const events = found.map(({ event }) => event);
  const finished = events.at(-1);
  if (finished?.event !== "pass.finished") {
    throw new Error(`the journal does not end with pass.finished: ${JSON.stringify(events)}`);
  }
  return { entries: found.map(({ entry }) => entry), events, finished };
}

const ofEvent = (events: readonly AgentEvent[], name: string) => events.filter(({ event }) => event === name);
const gate = (events: readonly AgentEvent[], name: string) =>
  ofEvent(events, "gate.verdict").findLast((line) => line.gate === name);

async function until(what: string, holds: () => Promise<boolean>, seconds = 30): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(50)) if (await holds()) return;
  throw new Error(`not within ${seconds} s: ${what}`);
}

const settings = (document: object) => host.write(SETTINGS, JSON.stringify({ lockFile: LOCK, ...document }));
const hasImage = async (id: string) => (await host.exec(`docker image inspect ${id}`)).code === 0;
const imageList = () => host.sh("docker image ls --all --no-trunc --quiet | sort");

async function startEngine(): Promise<void> {
  await host.exec("systemctl reset-failed docker.service docker.socket"); // three starts a minute are the limit
  await host.sh("systemctl start docker.service");
}

/** Images as a CI host has them; ids by role. */
const images: Record<"app" | "inUse" | "young" | "old", string> = { app: "", inUse: "", young: "", old: "" };
const LONG_AGO = "2025-01-01T00:00:00Z";

const reason = bothMissing(nixMissing, systemdHostMissing());

describe.skipIf(reason !== null)(`the unit under systemd${reason === null ? "" : ` (${reason})`}`, () => {
  beforeAll(async () => {
    host = await SystemdHost.start({ diskMiB: 640 });
    images.app = await host.loadImage({ ref: "ci.local/app:1", created: LONG_AGO, sizeMiB: 8 });
    images.inUse = await host.loadImage({ created: LONG_AGO, sizeMiB: 8 });
    images.young = await host.loadImage({ sizeMiB: 8 });
    images.old = await host.loadImage({ created: LONG_AGO, sizeMiB: 96 });
    await host.sh(
      `docker run --detach --stop-timeout 1 --network none --name keeper ${images.inUse} /bin/busybox sleep 86400`,
    );
    await host.sh("docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377");
  }, 300_000);

  afterAll(() => host?.stop(), 60_000);

  describe("installed by docs/install-without-nixos.md", () => {
    it("renders the units from nix/units.nix", () => {
      const checkout = mkdtempSync(join(tmpdir(), "cdp-units-"));
      try {
        symlinkSync(join(REPOSITORY, "nix"), join(checkout, "nix"));
        const [, render] = codeBlocks(install, "Build");
        const done = spawnSync("sh", ["-euc", render!], { cwd: checkout, encoding: "utf8" });
        expect(done.status, done.stderr).toBe(0);
        const files = [`${UNIT}.service`, `${UNIT}.timer`, `${UNIT}.conf`];
        for (const file of files) host.write(join(UPLOAD, file), readFileSync(join(checkout, file), "utf8"));
      } finally {
        rmSync(checkout, { recursive: true, force: true });
      }
    });

    it("finds what the page says to look at before", async () => {
      const [group, others] = codeBlocks(install, "Before");
      expect(await follow(group!)).toBe("root:docker 660");
      expect(await follow(others!)).toBe("no other timer\nno other job");
    });

    it("installs without a complaint of systemd-analyze verify", async () => {
      cpSync(join(REPOSITORY, "dist"), host.path(join(UPLOAD, "dist")), { recursive: true });
      host.write(join(UPLOAD, "settings.json"), codeBlocks(install, "Settings", "json")[0]!);
      const [put] = codeBlocks(install, "Install");
      host.write("/root/block.sh", put!);
      const done = await host.exec("sh -eu /root/block.sh", UPLOAD);
      expect(done).toMatchObject({ code: 0, stderr: "" });
      expect(done.stdout.trim().split("\n")).toEqual([expect.stringContaining("valid")]);
      expect(await host.sh(`stat -c '%U:%G %a' ${LOCK}`)).toBe("root:docker 660");
    });

    it("shows a plan that removes nothing, then lists the timer and starts no pass", async () => {
      const before = await imageList();
      const [, plan, enable] = codeBlocks(install, "Install");
      expect(await follow(plan!)).toContain(images.old.slice(7, 19));
      await follow(enable!);
      expect(await imageList()).toBe(before);
      expect(await show(`${UNIT}.timer`, "ActiveState", "UnitFileState", "Unit")).toEqual({
        ActiveState: "active",
        UnitFileState: "enabled",
        Unit: `${UNIT}.service`,
      });
      const list = JSON.parse(await host.sh("systemctl list-timers --output=json")) as Record<
        string,
        unknown
      >[];
      expect(list.map(({ unit }) => unit)).toContain(`${UNIT}.timer`);
      expect(list.map(({ unit }) => unit)).not.toContain("docker-prune.timer");
      expect(await host.journal(`-t ${UNIT}`)).toEqual([]);
    });

    it("fires at midnight, and is exposed by 0.5 at most", async () => {
      const { TimersCalendar } = await show(`${UNIT}.timer`, "TimersCalendar");
      const calendar = /OnCalendar=(.*?) ;/.exec(TimersCalendar ?? "")?.[1];
      expect(await host.sh(`systemd-analyze calendar '${calendar}'`)).toContain(
        "Normalized form: *-*-* 00:00:00",
      );
      const score = await host.sh(
        `systemd-analyze security --no-pager --offline=true /etc/systemd/system/${UNIT}.service | tail -n 1`,
      );
      expect(Number(/: ([\d.]+) /.exec(score)?.[1])).toBeLessThanOrEqual(0.5);
    });
  });

  describe("a pass", () => {
    it("below the watermark says one line and removes nothing", async () => {
      const before = await imageList();
      const { code, said, entries, finished } = await pass();
      expect({ code, said }).toEqual({ code: 0, said: "" });
      expect(entries).toHaveLength(1);
      // The first pass learns where the engine keeps its data, and looks at its networks.
      expect(finished).toMatchObject({ outcome: "below-watermark", exitCode: 0, engineRequests: 3 });
      expect((await pass()).finished).toMatchObject({ outcome: "below-watermark", engineRequests: 0 });
      expect(await imageList()).toBe(before);
      expect(await show(UNIT, "Result", "ExecMainStatus", "ActiveState")).toEqual({
        Result: "success",
        ExecMainStatus: "0",
        ActiveState: "inactive",
      });
    });

    it("runs as nobody with no capability, under its own identifier and invocation", async () => {
      const [entry] = (await host.journal(`-t ${UNIT} -n 1`)) as [JournalEntry];
      expect(entry).toMatchObject({
        SYSLOG_IDENTIFIER: UNIT,
        _SYSTEMD_UNIT: `${UNIT}.service`,
        _CAP_EFFECTIVE: "0",
        PRIORITY: "6",
        _SYSTEMD_INVOCATION_ID: eventOf(entry).pass,
      });
      expect(Number(entry._UID)).toBeGreaterThanOrEqual(61184); // a dynamic user
    });

    it("keeps its history in the StateDirectory, which root's own pass does not spoil", async () => {
      const passes = () => recordedPasses(host.path(`/var/lib/private/${UNIT}`));
      const before = passes().length;
      expect(before).toBeGreaterThan(0);
      expect(await host.sh(`readlink /var/lib/${UNIT}`)).toBe(`private/${UNIT}`);
      await host.sh(`ci-docker-prune run --settings ${SETTINGS}`);
      expect(passes()).toHaveLength(before + 1);
      await pass();
      expect(passes()).toHaveLength(before + 2);
    });

    it("does what the page says to look at after", async () => {
      await mark();
      const said = await follow(codeBlocks(install, "After")[0]!);
      expect(said).toContain(`${UNIT}.timer`);
      expect(said).toMatch(/^Result=success$/m);
      expect(said).toMatch(/^ExecMainStatus=0$/m);
      expect(said).toMatch(/^below-watermark: below the high watermark of 80%/m);
      expect(said).toMatch(/exposure level for ci-docker-prune\.service: 0\.\d/);
      expect((await lastPass()).entries).toHaveLength(1);
    });

    it("waits for a live run, and succeeds", async () => {
      host.fillDisk(88);
      const run = "ab-0a1b2c_ci_commoninternet_net_app";
      await host.sh(
        `docker service create --detach --quiet --network host --stop-grace-period 1s --name ${run} ci.local/app:1 busybox sleep 999`,
      );
      await until("the run is up", async () =>
        (await host.sh(`docker service ps ${run}`)).includes("Running"),
      );
      const before = await imageList();
      const { code, events, finished } = await pass();
      expect({ code, outcome: finished.outcome }).toEqual({ code: 0, outcome: "deferred" });
      expect(gate(events, "live-run")).toMatchObject({ verdict: "closed", live: [{ name: run }, {}] });
      expect(await imageList()).toBe(before);
      expect(await show(UNIT, "Result")).toEqual({ Result: "success" });
      await host.sh(`docker service rm ${run}`);
      await until(
        "the run is gone",
        async () => (await host.sh("docker ps --all --quiet")).split("\n").length === 1,
      );
    });

    it("waits for a service that converges", async () => {
      await host.sh(
        "docker service create --detach --quiet --network host --constraint node.labels.gone==1 --name web ci.local/app:1",
      );
      const { code, events, finished } = await pass();
      expect({ code, outcome: finished.outcome }).toEqual({ code: 0, outcome: "deferred" });
      expect(gate(events, "converging")).toMatchObject({
        verdict: "closed",
        reason: expect.stringContaining("web"),
      });
      await host.sh("docker service rm web");
    });

    it("waits for a launcher of the socket's group that shares the lock", async () => {
      const [launcher] = codeBlocks(install, "Launchers hold the lock");
      host.write("/root/launcher.sh", launcher!.replace("sleep 2", "sleep 60"));
      await host.sh(
        `systemd-run --quiet --unit=launcher -p User=nobody -p SupplementaryGroups=docker sh -c "$(cat /root/launcher.sh)"`,
      );
      await until("the lock is held", async () => (await host.sh("cat /proc/locks")).includes("FLOCK"));
      const { code, finished } = await pass();
      expect(finished).toMatchObject({ outcome: "deferred", gate: "lock", engineRequests: 0 });
      expect(code).toBe(0);
      await host.sh("systemctl stop launcher");
    });

    it("above the watermark removes what is old and dangling, and nothing else", async () => {
      const before = (await imageList()).split("\n");
      const { code, events, finished } = await pass();
      expect({ code, outcome: finished.outcome }).toEqual({ code: 0, outcome: "pruned" });
      expect(ofEvent(events, "object.removed").map(({ id }) => id)).toEqual([images.old]);
      expect(finished.freedBytes).toBeGreaterThan(90 * 1024 * 1024);
      expect((await imageList()).split("\n")).toEqual(before.filter((id) => id !== images.old));
      for (const role of ["app", "inUse", "young"] as const)
        expect(await hasImage(images[role]), role).toBe(true);
      expect(host.diskPercent()).toBeLessThan(80);
    });

    it("that does not help fails the unit, and OnFailure fires", async () => {
      await follow(codeBlocks(install, "Be told")[0]!);
      host.fillDisk(88);
      const { code, events, finished } = await pass();
      expect(code).toBe(1);
      expect(finished).toMatchObject({ outcome: "nothing-eligible", exitCode: 10 });
      expect(ofEvent(events, "pass.ineffective")[0]!.holders.length).toBeGreaterThan(0);
      expect(await show(UNIT, "Result", "ExecMainStatus", "ActiveState")).toEqual({
        Result: "exit-code",
        ExecMainStatus: "10",
        ActiveState: "failed",
      });
      await until("the alarm", async () => (await loggedBy("ci-alarm")).length === 1, 10);
    });
  });

  describe("with the engine stopped", () => {
    const active = async () =>
      (await host.exec("systemctl is-active docker.service docker.socket")).stdout.trim();

    it.each([
      ["its socket too", "docker.socket docker.service", "inactive\ninactive"],
      ["its socket listening, which any request would make start it", "docker.service", "inactive\nactive"],
    ])("fails and leaves it stopped: %s", async (_, units, expected) => {
      await host.sh("systemctl start docker.socket");
      await host.sh(`systemctl stop ${units}`);
      host.fillDisk(82); // a swarm that ends frees its log
      await host.exec(`systemctl reset-failed ${UNIT}`);
      await mark();
      const { code, stderr } = await host.exec(`systemctl start ${UNIT}`);
      expect(code).toBe(1);
      expect(stderr).toContain(`A dependency job for ${UNIT}.service failed`);
      expect(await lines()).toEqual([]);
      expect(await active()).toBe(expected);
      await until("the alarm", async () => (await loggedBy("ci-alarm")).length === 1, 10);
      await startEngine();
    });

    it("or at another socket than the settings say, fails with 69 and names it", async () => {
      settings({ engine: { socketPath: "/run/another.sock" } });
      const { code, events, finished } = await pass();
      settings({});
      expect(code).toBe(1);
      expect(finished).toMatchObject({ outcome: "failed", exitCode: 69 });
      expect(ofEvent(events, "fact.unknown")[0]).toMatchObject({
        what: "the engine",
        reason: expect.stringContaining("connect ENOENT /run/another.sock"),
      });
      expect(await show(UNIT, "Result", "ExecMainStatus")).toEqual({
        Result: "exit-code",
        ExecMainStatus: "69",
      });
    });
  });

  describe("stopped in mid-pass", () => {
    /** Starts a pass and waits until it has said this much. */
    async function midPass(said: (events: readonly AgentEvent[]) => boolean): Promise<void> {
      await host.exec(`systemctl reset-failed ${UNIT}`);
      await mark();
      await host.sh(`systemctl start --no-block ${UNIT}`);
      await until("the pass is under way", async () => said((await lines()).map(({ event }) => event)));
    }
    const timed = async (command: string): Promise<Captured & { seconds: number }> => {
      const begin = Date.now();
      return { ...(await host.exec(command)), seconds: (Date.now() - begin) / 1000 };
    };

    it("ends within 3 s, with its report, even when the engine hangs", async () => {
      host.unfill(); // loading an image needs room
      const old: string[] = [];
      while (old.length < 80) {
        const batch = Array.from({ length: 8 }, () =>
          host.loadImage({ created: LONG_AGO, sizeMiB: 0.01, busybox: false }),
        );
        old.push(...(await Promise.all(batch)));
      }
      host.fillDisk(88);
      await midPass((events) => ofEvent(events, "object.removed").length > 0);
      await host.sh("systemctl kill --signal=STOP docker.service");
      const stopped = await timed(`systemctl stop ${UNIT}`);
      await host.sh("systemctl kill --signal=CONT docker.service");
      const { events, finished } = await lastPass();
      expect(stopped.seconds).toBeLessThan(3);
      expect(finished).toMatchObject({ outcome: "incomplete", exitCode: 75 });
      const removed = ofEvent(events, "object.removed").length;
      expect(finished.removed).toMatchObject({ image: removed });
      expect(removed).toBeGreaterThan(0);
      expect(removed).toBeLessThan(old.length);
      expect(ofEvent(events, "pass.ended-early")).toHaveLength(1);
      // Removed is what the log says, but for those under way, of which the log says that it does not know.
      const left = (await imageList()).split("\n").filter((id) => old.includes(id)).length;
      expect(old.length - left - removed).toBeGreaterThanOrEqual(0);
      const unknown = ofEvent(events, "object.failed").filter((line) => line.removed === "unknown").length;
      expect(old.length - left - removed).toBeLessThanOrEqual(unknown);
      expect(unknown).toBeLessThanOrEqual(4);
      expect(await show(UNIT, "Result", "ExecMainStatus")).toEqual({
        Result: "exit-code",
        ExecMainStatus: "75",
      });
    });

    it("by a stop of the engine it is tied to, ends before the engine does", async () => {
      settings({ convergence: { settle: "30s" } });
      host.fillDisk(85);
      await midPass((events) => gate(events, "lock") !== undefined);
      const { code, seconds } = await timed("systemctl stop docker.service");
      expect(code).toBe(0);
      expect(seconds).toBeLessThan(10);
      const { finished } = await lastPass();
      expect(finished).toMatchObject({ outcome: "incomplete", reason: "told to stop" });
      const { stdout } = await host.exec("systemctl is-active docker.service");
      expect(stdout.trim()).toBe("inactive");
      await startEngine();
    });
  });

  describe("the timer", () => {
    it("starts a pass", async () => {
      const dropIn = `/etc/systemd/system/${UNIT}.timer.d/soon.conf`;
      host.write(dropIn, "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/1\nAccuracySec=10ms\n");
      settings({ disk: { highWatermark: "99%" } });
      await host.exec(`systemctl reset-failed ${UNIT}`);
      await mark();
      await host.sh(`systemctl daemon-reload && systemctl restart ${UNIT}.timer`);
      await until("a pass by the timer", async () => (await lines()).length > 0, 10);
      await host.sh(
        `rm -r $(dirname ${dropIn}) && systemctl daemon-reload && systemctl restart ${UNIT}.timer`,
      );
      expect((await lines())[0]!.event).toMatchObject({ event: "pass.finished", outcome: "below-watermark" });
    });
  });

  describe("the journal", () => {
    it("names a lock file that cannot be had: unknown, not open", async () => {
      const nowhere = "/etc/ci-docker-prune/none.lock";
      settings({ lockFile: nowhere });
      host.fillDisk(85);
      const { events, finished } = await pass();
      expect(finished).toMatchObject({ outcome: "deferred", exitCode: 69, gate: "lock" });
      expect(gate(events, "lock")).toMatchObject({
        verdict: "unknown",
        reason: expect.stringContaining(nowhere),
      });
      settings({});
    });

    it("has each line at the priority of its level, so that -p warning is refusals and failures only", async () => {
      const priorities: Record<string, string[]> = { info: ["6", "5"], warn: ["4"], error: ["3"] };
      for (const entry of await host.journal(`-t ${UNIT}`)) {
        expect(priorities[eventOf(entry).level], entry.MESSAGE).toContain(entry.PRIORITY);
      }
      const warnings = await host.journal(`-t ${UNIT} -p warning`);
      const names = warnings.map((entry) => {
        const { event, ...fields } = eventOf(entry);
        const { MESSAGE } = entry;
        if (event === "pass.finished") expect(fields.exitCode, MESSAGE).toBeGreaterThan(0);
        if (event === "gate.verdict") expect(fields.verdict, MESSAGE).toBe("unknown");
        return event;
      });
      const refusalsAndFailures = [
        "fact.unknown",
        "gate.verdict",
        "object.failed",
        "pass.ended-early",
        "pass.finished",
        "pass.ineffective",
        "step.finished",
      ];
      expect(refusalsAndFailures).toEqual(expect.arrayContaining([...new Set(names)]));
      // Whether a deletion was in flight when the engine was stopped, and failed, is a matter of milliseconds.
      const certain = ["fact.unknown", "pass.ended-early", "pass.finished", "pass.ineffective"];
      expect(names).toEqual(expect.arrayContaining(certain));
    });

    it("shows settings that are not valid as the failure that they are", async () => {
      settings({ disk: { pahts: [] } });
      await mark();
      expect((await host.exec(`systemctl start ${UNIT}`)).code).toBe(1);
      expect(await show(UNIT, "ExecMainStatus")).toEqual({ ExecMainStatus: "78" });
      const logged = await loggedBy(UNIT);
      expect(logged.slice(0, 2).map(({ PRIORITY }) => PRIORITY)).toEqual(["3", "3"]);
      const said = logged.map(({ MESSAGE }) => MESSAGE);
      expect(said[0]).toBe(`${SETTINGS}: 1 problem`);
      expect(said[1]).toContain("disk.pahts: found [], expected no such key");
      settings({});
    });
  });

  describe("looking back", () => {
    const AGENT = `ci-docker-prune`;
    const read = async (command: string) => JSON.parse(await host.sh(command));

    it("history has every pass of the unit as the journal has it, and those that root ran by hand", async () => {
      await pass();
      await host.sh("journalctl --sync");
      const entries = (await host.journal(`-t ${UNIT} --all`)).filter(({ MESSAGE }) =>
        MESSAGE.includes("\t{"),
      );
      const logged = entries.map(eventOf).filter(({ event }) => event === "pass.finished");
      expect(logged.length).toBeGreaterThan(5);
      const { passes } = await read(`${AGENT} history --json --settings ${SETTINGS}`);
      const recorded = new Map<string, AgentEvent>(passes.map((one: AgentEvent) => [one.pass, one]));
      const missing = logged.filter(({ pass: id }) => !recorded.has(id));
      expect(missing).toEqual([]);
      expect(recorded.size).toBeGreaterThan(logged.length);
      for (const { pass: id, outcome, exitCode, reason, removed, freedBytes } of logged)
        expect(recorded.get(id)).toMatchObject({ outcome, exitCode, reason, removed, freedBytes });
    });

    it("status says when the next pass starts, and that none will", async () => {
      await host.sh(`systemctl start ${UNIT}.timer`);
      const { code, stdout } = await host.exec(`${AGENT} status --settings ${SETTINGS}`);
      expect(code).toBe(0);
      const { timer } = await read(`${AGENT} status --quick --json --settings ${SETTINGS}`);
      expect(timer).toMatchObject({ installed: true, active: true });
      expect(new Date(timer.next).toISOString()).toMatch(/T00:00:00\.000Z$/);
      expect(timer.next - Date.now()).toBeGreaterThan(0);
      expect(timer.next - Date.now()).toBeLessThanOrEqual(86_400_000);
      expect(stdout).toMatch(/^Schedule\n {2}next pass \d{4}-\d\d-\d\d 00:00 \(in /m);
      await host.sh(`systemctl stop ${UNIT}.timer`);
      expect(await host.sh(`${AGENT} status --quick --settings ${SETTINGS}`)).toMatch(
        /! ci-docker-prune\.timer is not active, so no pass will start/,
      );
      await host.sh(`systemctl start ${UNIT}.timer`);
    });
  });

  it("is removed by the page without a trace", async () => {
    await follow(codeBlocks(install, "Remove")[0]!);
    expect((await host.exec(`systemctl cat ${UNIT}.service`)).code).not.toBe(0);
    expect((await host.exec(`systemctl is-active ${UNIT}.timer`)).stdout.trim()).toBe("inactive");
    const left = await host.sh(
      `find /etc /usr/local /var/lib/private /var/lib/systemd /run -xdev -name '*${UNIT}*'`,
    );
    expect(left).toBe("");
  });
});
