import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type JournalSource, journalLines } from "../../../agent/host/journalctl.ts";

let dir: string;
const path = process.env.PATH;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "journalctl-"));
});

afterEach(() => {
  process.env.PATH = path;
  rmSync(dir, { recursive: true });
});

async function all(source: JournalSource, longest?: number): Promise<(string | null)[]> {
  const lines: (string | null)[] = [];
  for await (const line of journalLines(source, longest)) lines.push(line);
  return lines;
}

const file = (text: string | Buffer): JournalSource => {
  const at = join(dir, "saved");
  writeFileSync(at, text);
  return { kind: "file", path: at };
};

describe("a saved journal", () => {
  it("is read line by line, the last one also without its end", async () => {
    expect(await all(file("a\n\nbé\nc"))).toEqual(["a", "", "bé", "c"]);
    expect(await all(file("a\n"))).toEqual(["a"]);
    expect(await all(file(""))).toEqual([]);
  });

  it("has lines that are too long, which are passed over and not kept", async () => {
    expect(await all(file(`a\n${"x".repeat(11)}\nb\n${"y".repeat(10)}\n${"z".repeat(300_000)}`), 10)).toEqual(
      [...["a", null, "b", "y".repeat(10), null]],
    );
  });

  it("whose lines are cut by the chunks they are read in stays whole", async () => {
    const lines = Array.from({ length: 5000 }, (_, at) => `${at} ${"é".repeat(at % 50)}`);
    expect(await all(file(lines.join("\n")))).toEqual(lines);
  });

  it("may hold what is not UTF-8", async () => {
    expect(await all(file(Buffer.from([0xff, 0x0a, 0x61])))).toEqual(["\ufffd", "a"]);
  });

  it("that is not there says so", async () => {
    await expect(all({ kind: "file", path: join(dir, "absent") })).rejects.toThrow(/ENOENT/);
    await expect(all({ kind: "file", path: dir })).rejects.toThrow(/EISDIR/);
  });
});

describe("journalctl", () => {
  /** What is called here is written by the test; the systemd tests call the real one. */
  const journalctl = (script: string) => {
    writeFileSync(join(dir, "journalctl"), `#!/bin/sh\necho "$@" >"${dir}/args"\n${script}\n`);
    chmodSync(join(dir, "journalctl"), 0o755);
    process.env.PATH = `${dir}:${path}`;
  };

  it("is asked for the whole messages of the unit, since the second in question", async () => {
    journalctl("echo one; echo two");
    expect(await all({ kind: "journald", since: 1_785_585_600_999 })).toEqual(["one", "two"]);
    expect(readFileSync(join(dir, "args"), "utf8").trim()).toBe(
      "--unit=ci-docker-prune.service --output=json --all --no-pager --quiet --since=@1785585600",
    );
  });

  it("that fails is told in its own words, after what it gave", async () => {
    journalctl("echo one; echo no journal here >&2; exit 3");
    await expect(all({ kind: "journald", since: null })).rejects.toThrow(
      "journalctl ended with 3: no journal here",
    );
  });

  it("that is not there is told as well", async () => {
    process.env.PATH = dir;
    await expect(all({ kind: "journald", since: null })).rejects.toThrow(/could not be run: .*ENOENT/);
  });

  it("is ended when nobody reads on", async () => {
    journalctl(`echo $$ >"${dir}/pid"; trap "" PIPE; while :; do echo line 2>/dev/null; done`);
    for await (const line of journalLines({ kind: "journald", since: null })) {
      expect(line).toBe("line");
      break;
    }
    const pid = Number(readFileSync(join(dir, "pid"), "utf8"));
    await expect.poll(() => alive(pid), { timeout: 5000 }).toBe(false);
  });
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
