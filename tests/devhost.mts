import { existsSync, writeFileSync } from "node:fs";
import { CiHost } from "./support/ci-host.ts";

const host = await CiHost.start({ diskMiB: 640, name: "dev" });
const days = (n: number) => new Date(Date.now() - n * 86400e3).toISOString();
await host.loadImage({ ref: "recipes/postgres:16", created: days(40), sizeMiB: 60 });
await host.loadImage({ ref: "recipes/node:22", created: days(41), sizeMiB: 40 });
for (const b of ["a", "b", "c"]) await host.loadImage({ created: days(3), sizeMiB: 30, seed: b });
for (const n of [1, 2, 3, 4])
  await host.loadImage({ ref: `ci/app-snapshot:${n}`, created: days(n), sizeMiB: 8 });
for (const r of ["c3d4-0a1b2c", "e5f6-3d4e5f"])
  await host.runContainer({ image: "recipes/node:22", name: `${r}-tests`, wait: true });
await host.buildCache(24);
await host.createService({
  name: "ab12-1f2e3d_ci_commoninternet_net_app",
  image: "recipes/node:22",
  waitForRunning: true,
});
await host.createService({ name: "web", image: "nothere:1" });
await host.fillDisk(86);
writeFileSync(
  "/tmp/devhost.json",
  JSON.stringify({ socket: host.socketPath, root: host.dataRoot, pid: process.pid }),
);
while (!existsSync("/tmp/devhost.stop")) await new Promise((r) => setTimeout(r, 500));
await host.stop();
