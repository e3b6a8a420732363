// node --random-seed=1 scripts/compile.mjs FOLDER: compiles each bundled file there but the one that is started
// (agent/start.ts), and writes V8's bytecode beside it, as ci-docker-prune.run.code. It serves the version of node that
// runs this; any other compiles the source. By the seed the same source gives the same bytes each time.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { Script } from "node:vm";

const [, , folder = "dist"] = process.argv;
for (const name of readdirSync(folder)) {
  if (!/^ci-docker-prune\.\w+\.cjs$/.test(name)) continue;
  const path = join(folder, name);
  const text = readFileSync(path, "utf8");
  // By this line start.ts knows bytecode of this very source.
  const digest = createHash("sha256").update(text).digest("hex").slice(0, 32);
  const source = `${text}// ${digest}`;
  // All functions, not only those that run when the file is loaded. Without the flag again before it is written: V8
  // refuses bytecode that was written under others than it runs with.
  setFlagsFromString("--no-lazy");
  // V8 keeps the name that it is compiled by: stack traces show it.
  const script = new Script(`(function(exports,require,module,__filename,__dirname){${source}\n})`, {
    filename: name,
  });
  setFlagsFromString("--lazy");
  const code = script.createCachedData();
  // To the letter what start.ts expects.
  let sum = 0;
  for (let at = 0; at + 4 <= code.length; at += 512) sum = (Math.imul(sum, 31) + code.readUInt32LE(at)) | 0;
  const head = `${digest} ${process.version} ${process.arch} ${sum}`.padEnd(128);
  writeFileSync(path, source);
  writeFileSync(path.replace(/cjs$/, "code"), Buffer.concat([Buffer.from(head), code]));
}
