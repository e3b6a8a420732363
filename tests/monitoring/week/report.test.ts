/**
 * The page of `report --html` in a real browser, made from a week of real passes on a real Debian host, and pictures of
 * it for docs/monitoring. The agent's clock (libfaketime) begins a week ago and goes half a day further with each pass;
 * the engine's does not, so what is some seconds old plays the part of what is a day old.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import axe, { type AxeResults } from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scratchDir } from "../../support/agent.ts";
import { findTool } from "../../support/engines.ts";
import { codeBlocks, type ExecResult, SystemdHost } from "../../support/systemd-host.ts";

const REPOSITORY = fileURLToPath(new URL("../../..", import.meta.url));
const CHROMIUM = "/usr/bin/chromium";
const FLAGS = [
  ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
  ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
];
const LIBRARY = spawnSync("sh", ["-c", "ls /usr/lib/*/faketime/libfaketime.so.1"], {
  encoding: "utf8",
}).stdout.trim();
const HALF_DAY = 43_200;
/** Half days that the week has. */
const WEEK = 14;
const RUN = "ab12-1f2e3d_ci_commoninternet_net";
const EVIL = `"><script>alert(1)</script>\u202egpj`;
/** Narrower than any telephone that is sold. */
const PHONE = 360;
const STATE = "/var/lib/ci-docker-prune/state.json";

function whyNot(): string | null {
  const available = SystemdHost.available();
  if (!available.ok) return available.reason;
  const missing = ["nix-instantiate", "jq"].filter((tool) => !findTool(tool));
  if (!existsSync(CHROMIUM)) missing.push(CHROMIUM);
  if (LIBRARY === "") missing.push("libfaketime");
  return missing.length === 0
    ? null
    : `missing: ${missing.join(", ")} (node scripts/setup.mjs --monitoring installs them)`;
}

const reason = whyNot();

describe.skipIf(reason !== null)(
  `a week's report in Chromium${reason === null ? "" : ` (${reason})`}`,
  () => {
    let host: SystemdHost;
    let browser: Browser;
    let log = "";
    /** The page of the week, of an engine that is gone, of hostile names, and of no pass at all. */
    const files: Record<string, string> = {};
    /** Half days into the week. */
    let clock = 0;

    const settings = (until: string, rest: object = {}) => ({
      disk: { paths: ["/var/lib/docker"], highWatermark: "80%", lowWatermark: "45%" },
      prune: { until },
      lockFile: "/run/lock/ci-docker-prune.lock",
      retention: [
        { name: "ci-apps", match: { repositories: ["ci/app"] }, keepCount: 2, grace: "1s", when: "pressure" },
        { name: "nightly", match: { labels: ["ci.nightly=true"] }, olderThan: "7d", when: "pressure" },
      ],
      ...rest,
    });
    async function agent(args: string, raw: object): Promise<ExecResult> {
      host.write("/etc/ci-docker-prune/settings.json", JSON.stringify(raw));
      const back = (WEEK - clock) * HALF_DAY;
      const faked = `LD_PRELOAD=/root/libfaketime.so.1 FAKETIME=-${back}s FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1`;
      const env = `PATH=/usr/local/bin:/usr/bin:/bin TZ=UTC LANG=C.UTF-8 COLUMNS=80 ${back === 0 ? "" : faked}`;
      const [command, ...rest] = args.split(" ");
      return host.exec(
        `env -i ${env} ci-docker-prune ${command} --settings /etc/ci-docker-prune/settings.json ${rest.join(" ")}`,
      );
    }
    async function pass(rest: object = {}): Promise<void> {
      log += (await agent("run", settings("1s", rest))).stdout;
      clock++;
    }
    const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();

    /** What half a day of CI leaves behind. */
    async function work(builds: number, cacheMiB: number): Promise<void> {
      for (let count = 0; count < builds; count++) {
        await host.loadImage({ created: daysAgo(30), sizeMiB: 14 });
      }
      await host.sh(
        "docker run --network none recipes/node:22 /bin/busybox dd if=/dev/zero of=/left bs=1M count=3",
      );
      if (cacheMiB === 0) return;
      host.write("/root/build/Dockerfile", "FROM scratch\nCOPY blob /blob\n");
      await host.sh(
        `head -c ${cacheMiB}M /dev/urandom >blob && DOCKER_BUILDKIT=1 docker build --quiet --network none --tag gone . &&
        docker image rm gone`,
        "/root/build",
      );
    }
    /** They outlive their service by some seconds, and count as live as long as they do. */
    async function tasksGone(): Promise<void> {
      const running = "docker ps --quiet --filter label=com.docker.swarm.service.name";
      for (let tries = 0; (await host.sh(running)) !== ""; tries++) {
        if (tries > 300) throw new Error("task containers do not go");
        await sleep(100);
      }
    }

    /** As docs/install-without-nixos.md says. */
    async function install(): Promise<void> {
      const page = readFileSync(join(REPOSITORY, "docs/install-without-nixos.md"), "utf8");
      const dir = scratchDir();
      cpSync(join(REPOSITORY, "nix"), join(dir, "nix"), { recursive: true });
      const rendered = spawnSync("sh", ["-euc", codeBlocks(page, "Build")[1]!], {
        cwd: dir,
        encoding: "utf8",
      });
      expect(rendered.status, rendered.stderr).toBe(0);
      for (const name of ["ci-docker-prune.service", "ci-docker-prune.timer", "ci-docker-prune.conf"]) {
        host.write(`/root/upload/${name}`, readFileSync(join(dir, name), "utf8"));
      }
      cpSync(join(REPOSITORY, "dist"), host.path("/root/upload/dist"), { recursive: true });
      host.write("/root/upload/settings.json", "{}");
      const [put, , enable] = codeBlocks(page, "Install");
      host.write("/root/block.sh", `${put}\n${enable}`);
      await host.sh("sh -eu /root/block.sh", "/root/upload");
      copyFileSync(LIBRARY, host.path("/root/libfaketime.so.1"));
    }

    beforeAll(async () => {
      host = await SystemdHost.start({ diskMiB: 900 });
      await install();
      await host.sh("docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377");
      await host.loadImage({ ref: "recipes/postgres:16", created: daysAgo(40), sizeMiB: 110 });
      await host.loadImage({ ref: "recipes/node:22", created: daysAgo(41), sizeMiB: 60 });
      await host.loadImage({ ref: "recipes/redis:7-alpine", created: daysAgo(42), sizeMiB: 16 });
      for (const build of [1, 2, 3, 4, 5]) {
        await host.loadImage({ ref: `ci/app:${build}`, created: daysAgo(40 - build), sizeMiB: 9 });
      }
      await pass();
      await work(3, 12);
      await pass();
      await work(5, 12);
      await pass();
      await work(6, 24);
      await pass();
      host.fillDisk(82);
      const service = "docker service create --quiet --network host --stop-grace-period 1s";
      await host.sh(`${service} --name ${RUN}_app recipes/node:22 /bin/busybox sleep 999`);
      await pass();
      await host.sh(`docker service rm ${RUN}_app`);
      await tasksGone();
      host.fillDisk(85);
      await host.sh(`${service} --detach --constraint node.labels.gone==1 --name web recipes/node:22`);
      await pass();
      host.fillDisk(88);
      await pass();
      await host.sh("docker service rm web");
      host.unfill();
      host.fillDisk(90);
      await sleep(1500);
      await pass();
      host.unfill();
      await work(3, 12);
      await pass();
      // A day and a half without a pass: the machine was off.
      clock = 11;
      host.fillDisk(84);
      await pass({ engine: { socketPath: "/run/absent.sock" } });
      await work(2, 24);
      host.fillDisk(86);
      await sleep(1500);
      await pass();
      host.unfill();
      await host.loadImage({ sizeMiB: 6 });
      await work(2, 0);
      await pass();
      clock = WEEK;
      host.fillDisk(83);
      await host.sh(`${service} --name ${RUN}_app recipes/node:22 /bin/busybox sleep 999`);

      const dir = scratchDir();
      const make = async (name: string, raw: object, args = "") => {
        const { code, stdout, stderr } = await agent(`report --html /root/report.html ${args}`, raw);
        expect(stderr).toBe("");
        expect(stdout).toMatch(/written/);
        files[name] = join(dir, `${name}.html`);
        copyFileSync(host.path("/root/report.html"), files[name]);
        return code;
      };
      expect(await make("week", settings("24h"))).toBe(0);
      expect(await make("blind", settings("24h", { engine: { socketPath: "/run/absent.sock" } }))).toBe(69);
      const name = JSON.stringify(EVIL).slice(1, -1);
      host.write(
        "/root/saved",
        log.replaceAll(RUN, name).replaceAll("/var/lib/docker", `/${"x".repeat(300)}`),
      );
      expect(await make("hostile", settings("24h"), "--journal /root/saved")).toBe(0);
      expect(await make("empty", settings("24h"), "--since 0s")).toBe(0);
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
      const { passes } = JSON.parse(readFileSync(host.path(STATE), "utf8"));
      const outcomes = passes.map(({ outcome }: { outcome: string }) => outcome);
      expect(outcomes.filter((outcome: string) => outcome === "below-watermark").length).toBeGreaterThan(5);
      expect(outcomes.filter((outcome: string) => outcome === "deferred").length).toBe(3);
      expect(outcomes.filter((outcome: string) => outcome === "pruned").length).toBe(2);
      expect(outcomes).toContain("failed");
      const bytes = passes.map(({ removedBytes }: { removedBytes: Record<string, number> }) => removedBytes);
      const pruned = bytes.filter((kinds: Record<string, number>) => (kinds.image ?? 0) > 0);
      for (const kinds of pruned) expect(kinds["build-cache"]).toBeGreaterThan(0);
      expect((passes.at(-1).startedAt - passes[0].startedAt) / 86_400_000).toBeGreaterThan(6.4);
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
      const { passes } = JSON.parse(readFileSync(host.path(STATE), "utf8"));
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
        ["status", "status"],
        ["history", "history -n 8"],
      ] as const) {
        writeFileSync(join(texts, `${name}.txt`), (await agent(args, settings("24h"))).stdout);
      }
      console.log(`what status and history say of this week: ${texts}`);
    });
  },
);
