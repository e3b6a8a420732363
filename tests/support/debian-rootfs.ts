/** Debian root file systems, built once and kept outside the checkout. Node's own modules only: see engines.ts. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * The Debian archive this machine's apt uses.
 * @throws Error when apt knows no Debian archive
 */
function debianMirror(): string {
  const format = "$(REPO_URI)|$(ORIGIN)|$(LABEL)|$(COMPONENT)";
  const args = ["indextargets", "--format", format, "Created-By: Packages"];
  const out = spawnSync("apt-get", args, { encoding: "utf8" });
  const rows = (out.stdout ?? "").split("\n").map((line) => line.split("|"));
  const main = rows.filter((r) => r[0] !== undefined && /^https?:/.test(r[0]) && r[3] === "main");
  const hit =
    main.find((r) => r[1] === "Debian" && r[2] === "Debian") ?? main.find((r) => /\/debian\/?$/.test(r[0]!));
  if (hit?.[0] === undefined) throw new Error("apt is configured with no Debian archive");
  return hit[0];
}

/**
 * Builds `<home>/rootfs`: a minimal Debian of this suite with these packages. Takes 15 to 30 s and some 400 MB. What
 * was in `home` goes; `note` may leave files beside the new `rootfs`.
 * @throws Error with the tail of mmdebstrap's log
 */
export function buildRootfs(
  home: string,
  suite: string,
  packages: readonly string[],
  note: (home: string) => void,
): void {
  mkdirSync(dirname(home), { recursive: true });
  const work = join(dirname(home), `.${basename(home)}-${process.pid}`);
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work);
  try {
    const args = ["--variant=minbase", `--include=${packages.join(",")}`];
    for (const what of ["man", "locale", "doc"]) args.push(`--dpkgopt=path-exclude=/usr/share/${what}/*`);
    if (suite === "sid") args.push('--aptopt=Acquire::Check-Valid-Until "false"');
    args.push(suite, join(work, "rootfs"), debianMirror());
    const built = spawnSync("mmdebstrap", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    if (built.status !== 0) {
      const log = `${built.stdout ?? ""}${built.stderr ?? ""}${built.error?.message ?? ""}`;
      throw new Error(`mmdebstrap could not build Debian ${suite}: ${log.trim().slice(-800)}`);
    }
    note(work);
    rmSync(home, { recursive: true, force: true });
    try {
      renameSync(work, home);
    } catch (error) {
      if (!existsSync(join(home, "rootfs"))) throw error; // else: another process was faster
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
