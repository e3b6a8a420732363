import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, it } from "vitest";
import { program } from "../program.ts";

it("a reader that went away shows before anything is written to it: node's pipes are sockets, as the journal's is", async () => {
  const child = spawn(process.execPath, [
    program(`
      import { outputTaken } from "./agent/host/output.ts";
      process.stdout.on("error", ({ code }) => process.stderr.write(code));
      process.stdout.write("first");
      process.stdin.once("data", async () => {
        await outputTaken();
        setImmediate(() => process.exit());
      });
    `),
  ]);
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  await once(child.stdout, "data");
  child.stdout.destroy();
  child.stdin.write("go");
  await once(child, "close");
  expect(said).toBe("EPIPE");
});
