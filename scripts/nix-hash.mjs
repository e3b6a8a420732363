// Writes the hash of the production dependencies into nix/node-modules.json, as nix/package.nix will fetch them.
// With --check it writes nothing and fails when the hash there is another one. Any npm gives the same tree.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const file = join(root, "nix/node-modules.json");
const text = readFileSync(file, "utf8");
const { npmFlags, hash } = JSON.parse(text);

const dir = mkdtempSync(join(tmpdir(), "cdp-nix-hash-"));
let computed;
try {
  for (const name of ["package.json", "package-lock.json"]) copyFileSync(join(root, name), join(dir, name));
  execFileSync("npm", ["ci", ...npmFlags], { cwd: dir, stdio: ["ignore", "ignore", "inherit"] });
  rmSync(join(dir, "node_modules/.package-lock.json"));
  // npm before 11.6 leaves empty folders.
  execFileSync("find", [join(dir, "node_modules"), "-type", "d", "-empty", "-delete"]);
  computed = execFileSync(
    "nix",
    ["--extra-experimental-features", "nix-command", "hash", "path", join(dir, "node_modules")],
    { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  ).trim();
} finally {
  rmSync(dir, { recursive: true, force: true });
}

if (computed === hash) console.log(`fresh: ${computed}`);
else if (process.argv.includes("--check")) {
  console.log(
    `stale: nix/node-modules.json has ${hash}, the dependencies have ${computed}; npm run nix:hash`,
  );
  process.exitCode = 1;
} else {
  writeFileSync(file, text.replace(hash, computed));
  console.log(`written: ${computed}`);
}
