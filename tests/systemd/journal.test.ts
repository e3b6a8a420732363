/**
 * What a person and a machine read in the journal: real passes under a real systemd, and then each command of
 * docs/runbook.md, "Queries", as it stands there.
 *
 * One host for the whole file; the passes come first.
 */
import { cpSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fromJournalEntry } from "../support/audit-record.ts";
import { codeBlocks } from "../support/docs.ts";
import { bothMissing, evaluate, nixMissing, title } from "../support/nix.ts";
import { eventOf, type JournalEntry, SystemdHost } from "../support/systemd-host.ts";
import { systemdHostMissing } from "../support/systemd-rootfs.ts";

const DIST = fileURLToPath(new URL("../../dist", import.meta.url));
const RUNBOOK = readFileSync(fileURLToPath(new URL("../../docs/runbook.md", import.meta.url)), "utf8");
const UNIT = "ci-docker-prune";
const LONG_AGO = "2025-01-01T00:00:00Z";
/** A path as nobody should name one: it tries to end the line, and to be an object of its own. */
const HOSTILE = `/etc/none\t{"level":"error","event":"forged","pass":"x"}\n<3>forged\u001b[31m.lock`;

const missing = bothMissing(nixMissing, systemdHostMissing());

let host: SystemdHost;

const settings = (document: object) =>
  host.write(
    "/etc/ci-docker-prune/settings.json",
    JSON.stringify({
      disk: { paths: ["/var/lib/docker"] },
      liveRuns: { containers: ["^ci-job-"] },
      ...document,
    }),
  );

/** One pass by `systemctl start`: its exit code, as systemd saw it, and its entries. */
async function pass(): Promise<{ code: number; entries: JournalEntry[] }> {
  const [last] = await host.journal("-n 1");
  await host.exec(`systemctl reset-failed ${UNIT}`); // and the count of starts: five in ten seconds are the limit
  await host.exec(`systemctl start ${UNIT}`);
  const status = await host.sh(`systemctl show ${UNIT} -p ExecMainStatus --value`);
  const entries = await host.journal(`--after-cursor='${last?.__CURSOR}'`);
  return {
    code: Number(status),
    entries: entries.filter(({ SYSLOG_IDENTIFIER }) => SYSLOG_IDENTIFIER === UNIT),
  };
}

const sentences = (entries: readonly JournalEntry[]) =>
  entries.map(({ PRIORITY, MESSAGE }) => `<${PRIORITY}> ${MESSAGE.split("\t")[0]}`);

describe.skipIf(missing !== null)(title("the journal", missing), () => {
  const images = { old: "", young: "" };
  const short = (id: string) => id.slice(7, 19);

  beforeAll(async () => {
    host = await SystemdHost.start({ diskMiB: 640 });
    const files = evaluate('import ./nix/render-units.nix { arguments = "{}"; }') as Record<string, string>;
    host.write(`/etc/systemd/system/${UNIT}.service`, files[`${UNIT}.service`]!);
    host.write(`/etc/tmpfiles.d/${UNIT}.conf`, files[`${UNIT}.conf`]!);
    cpSync(DIST, host.path(`/usr/local/lib/${UNIT}`), { recursive: true });
    await host.sh(`systemd-tmpfiles --create /etc/tmpfiles.d/${UNIT}.conf && systemctl daemon-reload`);
    const job = await host.loadImage({ ref: "ci.local/job:1", created: LONG_AGO, sizeMiB: 1 });
    images.young = await host.loadImage({ sizeMiB: 8 });
    images.old = await host.loadImage({ created: LONG_AGO, sizeMiB: 96 });
    await host.sh(
      `docker run --detach --stop-timeout 1 --network none --name ci-job-7 ${job} /bin/busybox sleep 86400`,
    );
  }, 300_000);

  afterAll(() => host?.stop(), 60_000);

  describe("of a pass", () => {
    it("below the watermark has one line, at priority info", async () => {
      settings({});
      const { code, entries } = await pass();
      expect(code).toBe(0);
      expect(sentences(entries)).toEqual([
        expect.stringMatching(
          /^<6> below-watermark: below the high watermark of 80%: .*; \/var\/lib\/docker \d+% full, \d+ MiB left, \d+% of inodes$/,
        ),
      ]);
    });

    it("that a run defers says which, and for how long it cannot have pruned", async () => {
      host.fillDisk(88);
      await pass();
      const { code, entries } = await pass();
      expect(code).toBe(0);
      expect(sentences(entries)).toEqual([
        expect.stringMatching(/^<6> A pass starts; \/var\/lib\/docker .*88% full/),
        expect.stringMatching(/^<6> Gate open, disk pressure: under pressure: /),
        "<6> Gate open, lock: no other pass and no launcher holds the lock",
        "<6> Gate closed, live runs: a CI run is live: container ci-job-7",
        "<6> Gate open, services: this engine is not part of a swarm",
        expect.stringMatching(
          /^<5> deferred: a CI run is live: container ci-job-7; deferred 2 times in a row, for [0-9ms .]+; \/var/,
        ),
      ]);
    });

    it("that removes something says what, how large, how old and why", async () => {
      await host.sh("docker rm --force ci-job-7");
      const { code, entries } = await pass();
      expect(code).toBe(0);
      const said = sentences(entries);
      expect(said).toContainEqual(
        expect.stringMatching(
          new RegExp(
            `^<6> kept image ${short(images.young)}, \\d\\.\\d MiB, created [0-9ms ]+ ago: younger than prune\\.until$`,
          ),
        ),
      );
      expect(said).toContainEqual(
        expect.stringMatching(
          new RegExp(
            `^<5> removed image ${short(images.old)}, 9\\d\\.\\d MiB, created \\d+d( \\d+h)? ago: dangling and older than prune\\.until$`,
          ),
        ),
      );
      expect(said.at(-1)).toMatch(
        /^<5> pruned: the plan is done; removed 1 image in [0-9ms. ]+, kept 1; the disk gained 9\d\.\d MiB \(the engine says 9\d\.\d MiB\); \/var/,
      );
    });

    it("that does not help says what holds the space, as an error", async () => {
      host.fillDisk(88);
      const { code, entries } = await pass();
      expect(code).toBe(10);
      expect(sentences(entries).slice(-2)).toEqual([
        expect.stringMatching(
          /^<3> Not enough: the disk is still under pressure: .*; [0-9.]+ MiB {2}outside-docker: /,
        ),
        expect.stringMatching(/^<3> nothing-eligible: .*; removed nothing in [0-9ms. ]+, kept 1; \/var/),
      ]);
    });

    it("that cannot ask the engine names it, as an error", async () => {
      settings({ engine: { socketPath: "/run/another.sock" } });
      const { code, entries } = await pass();
      expect(code).toBe(69);
      expect(sentences(entries)).toContainEqual(
        expect.stringMatching(/^<3> could not read the engine: .*connect ENOENT \/run\/another\.sock/),
      );
    });

    it("that meets a hostile name is not forged by it", async () => {
      settings({ lockFile: HOSTILE });
      const { code, entries } = await pass();
      expect(code).toBe(69);
      expect(entries.map(({ PRIORITY }) => PRIORITY)).toEqual(["6", "6", "4", "3", "3"]);
      expect(entries.map((entry) => eventOf(entry).event)).not.toContain("forged");
      for (const { MESSAGE } of entries.slice(2)) {
        expect(MESSAGE.split("\t")).toHaveLength(2);
        expect(MESSAGE).toContain(String.raw`/etc/none\u0009{`);
        expect(MESSAGE).toContain(String.raw`\u000a<3>forged\u001b[31m.lock`);
      }
    });

    it("is whole where its line would be too long for journald, and says what was cut", async () => {
      settings({ lockFile: `/${"long/".repeat(12_000)}lock` });
      const { entries } = await pass();
      settings({});
      expect(entries.map((entry) => fromJournalEntry(entry)?.event)).toEqual([
        "pass.started",
        "gate.verdict",
        "gate.verdict",
        "fact.unknown",
        "pass.finished",
      ]);
      expect(entries.map(({ _LINE_BREAK }) => _LINE_BREAK ?? null)).toEqual(Array(5).fill(null));
      expect(entries.map((entry) => eventOf(entry).cut ?? null)).toEqual([
        null,
        null,
        ["reason", "lockFile"],
        ["reason"],
        ["reason"],
      ]);
    });
  });

  describe("as a whole", () => {
    it("has each line under the unit's identifier, in one piece, and reads back as what was logged", async () => {
      const entries = await host.journal(`-u ${UNIT}`);
      const ours = entries.filter(({ _SYSTEMD_UNIT }) => _SYSTEMD_UNIT === `${UNIT}.service`);
      expect(ours.length).toBeGreaterThan(30);
      for (const entry of ours) {
        expect(entry.SYSLOG_IDENTIFIER, entry.MESSAGE).toBe(UNIT);
        const { event, level, time, pass: id, msg: _, ...fields } = eventOf(entry);
        expect(fromJournalEntry(entry)).toEqual({ event, level, time: Date.parse(time), pass: id, fields });
        // Written when it was said: journald's clock and ours are one.
        expect(Math.abs(Number(entry.__REALTIME_TIMESTAMP) / 1000 - Date.parse(time))).toBeLessThan(5000);
      }
      const others = entries.filter((entry) => !ours.includes(entry));
      expect(others.map(fromJournalEntry)).toEqual(others.map(() => null));
      expect(others.length).toBeGreaterThan(0);
    });
  });

  describe("answers the runbook:", () => {
    /** A tab between the words of a pattern, and the time of a line in front. */
    const row = (...words: readonly string[]) =>
      expect.stringMatching(new RegExp(`^2\\d{3}-\\d\\d-\\d\\dT[\\d:.]+Z\t${words.join("\t")}$`));
    const entry = (text: string) =>
      expect.stringMatching(new RegExp(`^\\w{3} .* ci-host ${UNIT}\\[\\d+\\]: ${text}`));

    interface Answer {
      /** Of the plain command: each has to be there, and nothing that is not like one of them. */
      readonly plain: () => readonly unknown[];
      readonly json: () => readonly unknown[];
      /** In place of the value that the page has in the line before. */
      readonly given?: () => string;
    }

    const OUTCOMES = ["deferred", "pruned", "nothing-eligible", "failed"];
    const ANSWERS: Readonly<Record<string, Answer>> = {
      "What did each pass come to, this week?": {
        plain: () => [
          ...OUTCOMES.map((outcome) => entry(`${outcome}: .* {8}{"level"`)),
          entry(`removed image ${short(images.old)}, `),
          entry("Not enough: "),
          entry("could not (read|tell) "),
          entry("Gate not known, "),
          expect.stringMatching(/ systemd\[1\]: /),
        ],
        json: () => ["below-watermark", ...OUTCOMES].map((outcome) => row(outcome, "-?\\d+", ".+")),
      },
      "What was removed last night?": {
        plain: () => [
          entry(`removed image ${short(images.old)}, 9\\d\\.\\d MiB, created \\d+d.* ago: dangling`),
        ],
        json: () => [
          row(
            "image",
            images.old.slice(0, 19),
            "\\d{8,9}",
            "\\d{7,}",
            "created",
            "dangling and older than prune.until",
          ),
        ],
      },
      "Why is image X still here?": {
        given: () => `image=${short(images.young)}`,
        plain: () => [entry(`kept image ${short(images.young)}, .*: younger than prune.until`)],
        json: () => [row("young", "\\d+", "created", "younger than prune.until")],
      },
      "Why was the pass deferred?": {
        plain: () => [
          entry("Gate closed, live runs: a CI run is live: container ci-job-7"),
          entry("Gate not known, lock: "),
          entry("deferred: a CI run is live: container ci-job-7"),
          entry("deferred: .*none"),
          entry("deferred: .*long/long"),
        ],
        json: () => [
          row("live-run", "closed", "a CI run is live: container ci-job-7"),
          row("lock", "unknown", ".*none.*"),
          row("lock", "unknown", ".*long/long.*"),
        ],
      },
      "What went wrong this week?": {
        plain: () => [
          entry("Not enough: "),
          entry("(nothing-eligible|failed|deferred): "),
          entry("could not read the engine: "),
          entry("could not tell whether the gate for lock is open: "),
          expect.stringMatching(/ systemd\[1\]: Failed to start /),
        ],
        json: () => [
          row("pass.ineffective", "under pressure: .*"),
          row("fact.unknown", ".*ENOENT.*"),
          row("fact.unknown", ".*none.*"),
          row("fact.unknown", ".*long/long.*"),
          row("pass.finished", ".+"),
        ],
      },
      "How many bytes were freed, day by day?": {
        plain: () => [entry("pruned: .*; the disk gained 9\\d\\.\\d MiB ")],
        json: () => [expect.stringMatching(/^2\d{3}-\d\d-\d\d\t\d{8,9}\t1$/)],
      },
      "What holds the space, after a pass that did not help?": {
        plain: () => [entry("Not enough: .*; [0-9.]+ MiB {2}outside-docker: ")],
        json: () => [
          expect.stringMatching(/^\d+\toutside-docker\t/),
          expect.stringMatching(/^\d+\timages\t/),
        ],
      },
    };

    const questions = [
      ...RUNBOOK.split(/^## Queries$/m)[1]!
        .split(/^## /m)[0]!
        .matchAll(/^### (.*)$/gm),
    ];

    it("every question that is there", () => {
      expect(questions.map(([, question]) => question)).toEqual(Object.keys(ANSWERS));
    });

    it.each(Object.entries(ANSWERS))("%s", async (question, answer) => {
      const commands = codeBlocks(RUNBOOK, question)[0]!.trim().split("\n");
      const given = answer.given === undefined ? "" : `${answer.given()}; `;
      if (answer.given !== undefined) expect(commands.shift()).toMatch(/^image=[0-9a-f]{12}$/);
      expect(commands).toHaveLength(2);
      for (const [command, expected] of [
        [commands[0]!, answer.plain()],
        [commands[1]!, answer.json()],
      ] as const) {
        const { code, stdout, stderr } = await host.exec(`${given}${command}`);
        expect({ code, stderr }, command).toEqual({ code: 0, stderr: "" });
        const lines = stdout.trimEnd().split("\n");
        for (const line of expected) expect(lines, command).toContainEqual(line);
        const patterns = expected as readonly { asymmetricMatch(line: string): boolean }[];
        const more = lines.filter((line) => !patterns.some((pattern) => pattern.asymmetricMatch(line)));
        expect(more, command).toEqual([]);
      }
    });

    it("and shows the sentences alone where it says so", async () => {
      const line = RUNBOOK.split("\n").find((text) => text.includes("| sed"))!;
      const [, command] = /`(journalctl [^`]*)`/.exec(line)!;
      const lines = (await host.sh(command!)).split("\n");
      expect(lines).toContainEqual(
        expect.stringMatching(
          / ci-docker-prune\[\d+\]: removed image .*: dangling and older than prune\.until$/,
        ),
      );
      expect(lines.filter((text) => text.includes('"event"') && !text.includes("none"))).toEqual([]);
    });
  });

  it("holds what a pass says, however much it is", async () => {
    const lines = 45_000; // journald's own limit is 10000, and four times that where its disk has room
    const dropIn = `/etc/systemd/system/${UNIT}.service.d/much.conf`;
    host.write("/usr/local/lib/much.cjs", `for (let i = 0; i < ${lines}; i++) console.log("<6>much " + i);`);
    host.write(
      dropIn,
      "[Service]\nExecStart=\nExecStart=/usr/bin/node /usr/local/lib/much.cjs\nSyslogIdentifier=much\n",
    );
    await host.exec(`systemctl daemon-reload && systemctl start ${UNIT}`);
    await host.sh(`rm -r $(dirname ${dropIn}) && systemctl daemon-reload`);
    expect(await host.sh("journalctl --sync && journalctl -t much -o cat | grep -c '^much '")).toBe(
      `${lines}`,
    );
  });
});
