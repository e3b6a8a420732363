/**
 * The page of `report --html` in a real browser, made from a week of real passes on a real engine, and pictures of it
 * for docs/monitoring. The clock of the agent (libfaketime) goes half a day further with each pass; the engine's does
 * not, so what is some seconds old plays the part of what is a day old.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import axe, { type AxeResults } from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { type AgentResult, runAgent, scratchDir } from "../../support/agent.ts";
import { CiHost } from "../../support/ci-host.ts";
import { engineAvailable } from "../../support/engines.ts";

const CHROMIUM = "/usr/bin/chromium";
const FLAGS = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];
const LIBRARY = spawnSync("sh", ["-c", "ls /usr/lib/*/faketime/libfaketime.so.1"], {
  encoding: "utf8",
}).stdout.trim();
const RUN = "ab12-1f2e3d_ci_commoninternet_net";
const HALF_DAY = 43_200;
const EVIL = `"><script>alert(1)</script>\u202egpj`;
/** Narrower than any telephone that is sold. */
const PHONE = 360;

function whyNot(): string | null {
  const available = engineAvailable("20.10");
  if (!available.ok) return available.reason;
  if (!existsSync(CHROMIUM))
    return `${CHROMIUM} is missing (node scripts/setup.mjs --monitoring installs it)`;
  return LIBRARY === "" ? "libfaketime is missing (node scripts/setup.mjs --monitoring installs it)" : null;
}

const reason = whyNot();

describe.skipIf(reason !== null)(
  `a week's report in Chromium${reason === null ? "" : ` (${reason})`}`,
  () => {
    let host: CiHost;
    let stateDir: string;
    let browser: Browser;
    let log = "";
    /** The page of the week, of an engine that is gone, of hostile names, and of no pass at all. */
    const files: Record<string, string> = {};
    let clock = 0;

    const settings = (until: string, rest: object = {}) => ({
      engine: { socketPath: host.socketPath },
      disk: { paths: [host.dataRoot], highWatermark: "80%", lowWatermark: "45%" },
      prune: { until },
      retention: [
        { name: "ci-apps", match: { repositories: ["ci/app"] }, keepCount: 2, grace: "1s", when: "pressure" },
        { name: "nightly", match: { labels: ["ci.nightly=true"] }, olderThan: "7d", when: "pressure" },
      ],
      ...rest,
    });
    function agent(
      args: readonly string[],
      raw: object,
      env: Record<string, string> = {},
    ): Promise<AgentResult> {
      const faked = {
        LD_PRELOAD: LIBRARY,
        FAKETIME: `+${clock}s`,
        FAKETIME_DONT_FAKE_MONOTONIC: "1",
        NO_FAKE_STAT: "1",
      };
      return runAgent({
        args,
        settings: raw,
        stateDir,
        env: { TZ: "UTC", LANG: "C.UTF-8", ...faked, ...env },
      });
    }
    async function pass(rest: object = {}): Promise<AgentResult> {
      const result = await agent(["run"], settings("1s", rest));
      log += result.stdout;
      clock += HALF_DAY;
      return result;
    }
    const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();

    /** What a day of CI leaves behind. */
    async function work(builds: number, cacheMiB: number): Promise<void> {
      for (let count = 0; count < builds; count++) await host.loadImage({ created: daysAgo(3), sizeMiB: 14 });
      await host.runContainer({ image: "recipes/node:22", wait: true });
      if (cacheMiB > 0) await host.buildCache(cacheMiB);
    }
    async function tasksGone(): Promise<void> {
      const filters = { label: ["com.docker.swarm.service.name"] };
      await vi.waitUntil(async () => (await host.docker.listContainers({ filters })).length === 0, {
        timeout: 30_000,
        interval: 100,
      });
    }

    beforeAll(async () => {
      host = await CiHost.start({ name: "week", diskMiB: 900, engine: "20.10" });
      stateDir = join(scratchDir(), "state");
      await host.loadImage({ ref: "recipes/postgres:16", created: daysAgo(40), sizeMiB: 110 });
      await host.loadImage({ ref: "recipes/node:22", created: daysAgo(41), sizeMiB: 60 });
      await host.loadImage({ ref: "recipes/redis:7-alpine", created: daysAgo(42), sizeMiB: 16 });
      for (const build of [1, 2, 3, 4, 5]) {
        await host.loadImage({ ref: `ci/app:${build}`, created: daysAgo(9 - build), sizeMiB: 9 });
      }
      await pass();
      await work(3, 12);
      await pass();
      await work(5, 12);
      await pass();
      await work(6, 24);
      await pass();
      await host.fillDisk(82);
      await host.createService({ name: `${RUN}_app`, image: "recipes/node:22", waitForRunning: true });
      await pass();
      await host.removeService(`${RUN}_app`);
      await tasksGone();
      await host.fillDisk(85);
      await host.createService({ name: "web", image: "recipes/absent:1" });
      await pass();
      await host.fillDisk(88);
      await pass();
      await host.removeService("web");
      await sleep(1500);
      await host.unfill();
      await host.fillDisk(90);
      await pass();
      await host.unfill();
      await work(4, 12);
      await pass();
      await work(5, 24);
      await pass();
      // A day and a half without a pass: the machine was off.
      clock += 3 * HALF_DAY;
      await host.fillDisk(84);
      await pass({ engine: { socketPath: join(host.dir, "absent.sock") } });
      await sleep(1500);
      await pass();
      await host.unfill();
      await work(3, 0);
      await pass();
      await host.loadImage({ created: daysAgo(0), sizeMiB: 6 });

      const dir = scratchDir();
      const make = async (name: string, raw: object, args: readonly string[] = []) => {
        files[name] = join(dir, `${name}.html`);
        return agent(["report", "--html", files[name], ...args], raw);
      };
      expect((await make("week", settings("24h"))).code).toBe(0);
      const gone = { engine: { socketPath: join(host.dir, "absent.sock") } };
      expect((await make("blind", settings("24h", gone))).code).toBe(69);
      const saved = join(dir, "saved.json");
      const evil = log
        .replaceAll(RUN, JSON.stringify(EVIL).slice(1, -1))
        .replaceAll(host.dataRoot, `/${"x".repeat(300)}`);
      writeFileSync(saved, evil);
      expect((await make("hostile", settings("24h"), ["--journal", saved])).code).toBe(0);
      expect((await make("empty", settings("24h"), ["--since", "0s"])).code).toBe(0);
      browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
    });
    afterAll(async () => {
      await browser?.close();
      await host?.stop();
    });

    interface Seen {
      readonly page: Page;
      /** Whatever the page asked for, itself left out, and what the console said. */
      readonly asked: string[];
      readonly said: string[];
    }

    async function open(file: string, width: number, scheme: "light" | "dark"): Promise<Seen> {
      const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme: scheme });
      const asked: string[] = [];
      const said: string[] = [];
      page.on("request", (request) => {
        if (request.url() !== `file://${file}`) asked.push(request.url().slice(0, 100));
      });
      page.on("console", (message) => said.push(message.text()));
      page.on("pageerror", (error) => said.push(String(error)));
      page.on("dialog", (dialog) => {
        said.push(`dialog ${dialog.message()}`);
        void dialog.dismiss();
      });
      await page.goto(`file://${file}`);
      return { page, asked, said };
    }

    it("the week is on record: quiet passes, deferrals, failures, and passes that removed things", () => {
      const { passes } = JSON.parse(readFileSync(join(stateDir, "state.json"), "utf8"));
      const outcomes = passes.map(({ outcome }: { outcome: string }) => outcome);
      expect(outcomes.filter((outcome: string) => outcome === "below-watermark").length).toBeGreaterThan(5);
      expect(outcomes.filter((outcome: string) => outcome === "deferred").length).toBe(3);
      expect(outcomes.filter((outcome: string) => outcome === "pruned").length).toBe(2);
      expect(outcomes).toContain("failed");
      const bytes = passes.map(({ removedBytes }: { removedBytes: Record<string, number> }) => removedBytes);
      const pruned = bytes.filter((kinds: Record<string, number>) => (kinds.image ?? 0) > 0);
      for (const kinds of pruned) expect(kinds["build-cache"]).toBeGreaterThan(0);
      expect((passes.at(-1).startedAt - passes[0].startedAt) / 86_400_000).toBeGreaterThan(6.9);
    });

    describe.each(["week", "blind", "hostile", "empty"])("the page of: %s", (name) => {
      it.each([
        [1000, "light"],
        [1000, "dark"],
        [PHONE, "light"],
        [PHONE, "dark"],
      ] as const)("at %i px, %s: asks for nothing, complains of nothing, and fits", async (width, scheme) => {
        const { page, asked, said } = await open(files[name]!, width, scheme);
        try {
          const wide = await page.evaluate<{ page: number; over: string[] }>(`({
            page: document.documentElement.scrollWidth,
            // The heads of tables are clipped on a telephone, where each cell says its own.
            over: [...document.querySelectorAll("body *:not(thead *)")]
              .filter((element) => !element.closest("svg") && element.getBoundingClientRect().right > innerWidth + 0.5)
              .map((element) => element.outerHTML.slice(0, 80)),
          })`);
          expect({ asked, said, ...wide }).toEqual({ asked: [], said: [], page: width, over: [] });
          // The tool's own script comes by the debugger, past the page's policy.
          await page.evaluate(axe.source);
          const { violations } = await page.evaluate<AxeResults>(
            `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })`,
          );
          expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`)).toEqual([]);
        } finally {
          await page.close();
        }
      });
    });

    it("what a page of hostile names would do, its policy forbids as well", async () => {
      const { page, said } = await open(files.week!, 1000, "light");
      await page.evaluate(`{
        const script = document.createElement("script");
        script.textContent = "document.title = 'taken'";
        document.body.append(script);
        const image = document.createElement("img");
        image.src = "https://example.invalid/x.png";
        document.body.append(image);
        document.body.setAttribute("style", "color: red");
      }`);
      await expect.poll(() => said.length).toBeGreaterThan(2);
      expect(await page.title()).not.toBe("taken");
      expect(said.join("\n")).toMatch(/script/);
      expect(said.join("\n")).toMatch(/img-src|image/);
      await page.close();
    });

    it("curve, watermark and marks are where their figures say", async () => {
      const { page } = await open(files.week!, 1000, "light");
      const { passes } = JSON.parse(readFileSync(join(stateDir, "state.json"), "utf8"));
      const seen = await page.evaluate<{ high: number; top: number; low: number; marks: number[] }>(`(() => {
        const plot = document.querySelector(".plot svg[role=img]");
        const box = plot.getBoundingClientRect();
        const lines = [...plot.querySelectorAll(":scope > line")].map((line) => line.getBoundingClientRect().top);
        const [top, bottom] = [Math.min(...lines), Math.max(...lines)];
        const part = (y) => (bottom - y) / (bottom - top);
        const curve = plot.querySelector(".curve").getBoundingClientRect();
        const marks = [...plot.querySelectorAll(":scope > svg > [class^=m-]")].map((mark) => {
          const { left, width } = mark.getBoundingClientRect();
          return (left + width / 2 - box.left) / box.width;
        });
        return {
          high: part(plot.querySelector(".high").getBoundingClientRect().top),
          top: part(curve.top),
          low: part(curve.bottom),
          marks: marks.sort((a, b) => a - b),
        };
      })()`);
      const percents = passes.flatMap(
        ({
          filesystems: [disk],
        }: {
          filesystems: { usedPercent: number; before?: { usedPercent: number } }[];
        }) => [disk!.usedPercent, disk!.before?.usedPercent ?? disk!.usedPercent],
      );
      expect(seen.high).toBeCloseTo(0.8, 2);
      expect(Math.abs(seen.top - Math.max(...percents) / 100)).toBeLessThan(0.02);
      expect(Math.abs(seen.low - Math.min(...percents) / 100)).toBeLessThan(0.02);
      const [first, last] = [passes[0].startedAt, passes.at(-1).startedAt];
      expect(seen.marks).toHaveLength(passes.length);
      // The axis ends when the page was made: half a day after the last pass, by the agent's clock.
      const span = last + HALF_DAY * 1000 - first;
      for (const [at, { startedAt }] of passes.entries()) {
        expect(Math.abs(seen.marks[at]! - (startedAt - first) / span)).toBeLessThan(0.01);
      }
      await page.close();
    });

    it("pictures of it, for docs/monitoring", async () => {
      const picture = (name: string) =>
        fileURLToPath(new URL(`../../../docs/monitoring/${name}.png`, import.meta.url));
      mkdirSync(fileURLToPath(new URL("../../../docs/monitoring", import.meta.url)), { recursive: true });
      for (const [name, width, scheme, height] of [
        ["report-light", 1000, "light", 1250],
        ["report-dark", 1000, "dark", 800],
        ["report-phone", PHONE, "light", 1500],
      ] as const) {
        const { page } = await open(files.week!, width, scheme);
        await page.screenshot({ path: picture(name), fullPage: true, clip: { x: 0, y: 0, width, height } });
        await page.close();
        expect(statSync(picture(name)).size).toBeGreaterThan(20_000);
        expect(statSync(picture(name)).size).toBeLessThan(150_000);
      }
      const texts = scratchDir();
      for (const [name, args] of [
        ["status", ["status"]],
        ["history", ["history", "-n", "8"]],
      ] as const) {
        const { stdout } = await agent(args, settings("24h"), { COLUMNS: "80" });
        writeFileSync(join(texts, `${name}.txt`), stdout);
      }
      console.log(`what status and history say of this week: ${texts}`);
    });
  },
);
