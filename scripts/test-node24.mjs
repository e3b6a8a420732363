// The unit tests and those of the bundle and its bytecode on Node 24, which NixOS 26.05 runs. The npm package `node`
// holds its binary; it is kept in the cache beside the engines, outside the checkout.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Sum } from "./vitest-sum.mjs";

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "ci-docker-prune", "node24");
const bin = join(cache, "node_modules/node/bin");
const sum = new Sum();
if (!existsSync(join(bin, "node"))) {
  mkdirSync(cache, { recursive: true });
  spawnSync("npm", ["install", "--no-audit", "--no-fund", "--prefix", cache, "node@24"], {
    stdio: "inherit",
  });
}
const { stdout } = spawnSync(join(bin, "node"), ["--version"], { encoding: "utf8" });
if (stdout?.startsWith("v24.")) {
  console.log(`Node ${stdout.trim()}`);
  // Some tests run as another user, who cannot look into this one's home.
  const open = mkdtempSync(join(tmpdir(), "cdp-node24-"));
  chmodSync(open, 0o755);
  copyFileSync(join(bin, "node"), join(open, "node"));
  const env = { ...process.env, PATH: `${open}${delimiter}${process.env.PATH}` };
  const tests = [
    "tests/unit",
    "tests/golden",
    "tests/engine/bundle.test.ts",
    "tests/engine/bytecode.test.ts",
  ];
  sum.vitest("Node 24", ["--project=unit", "--project=engine", ...tests], env);
  rmSync(open, { recursive: true });
} else sum.fail(`no Node 24 in ${cache}`);
sum.finish();
