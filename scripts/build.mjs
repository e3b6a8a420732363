// Bundles agent/ into dist/: a small front (run, below the watermark) and the rest, which it loads when needed.
// docs/decisions/0003-two-files.md says why. Flags live in esbuild-options.json.
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const { version } = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
const options = JSON.parse(readFileSync(`${root}scripts/esbuild-options.json`, "utf8"));
const stub = (name) => `${root}scripts/stubs/${name}`;

const { outputFiles } = await build({
  ...options,
  absWorkingDir: root,
  entryPoints: { "ci-docker-prune": "agent/main.ts", "ci-docker-prune.full": "agent/cli/index.ts" },
  outdir: "dist",
  outExtension: { ".js": ".cjs" },
  external: ["./ci-docker-prune.full.cjs"],
  define: { __VERSION__: JSON.stringify(version), "import.meta.url": "__importMetaUrl" },
  banner: { js: 'var __importMetaUrl="file://"+__filename;' },
  alias: {
    ssh2: stub("absent.cjs"),
    "@grpc/grpc-js": stub("absent.cjs"),
    "@grpc/proto-loader": stub("absent.cjs"),
    protobufjs: stub("absent.cjs"),
    "tar-fs": stub("absent.cjs"),
    "string-width": stub("string-width.cjs"),
  },
  plugins: [
    {
      // pino loads its transport by a relative path, which an alias does not reach.
      name: "pino-without-transport",
      setup: ({ onResolve }) =>
        onResolve({ filter: /^\.\/(lib\/)?transport$/ }, ({ importer }) =>
          importer.includes("/pino/") ? { path: stub("no-transport.cjs") } : undefined,
        ),
    },
  ],
  write: false,
  logLevel: "warning",
});
// Renamed into place, so that a bundle that runs at this moment never reads half a file.
mkdirSync(`${root}dist`, { recursive: true });
for (const { path, contents } of outputFiles) {
  const target = `${root}dist/${basename(path)}`;
  writeFileSync(`${target}.new`, contents);
  chmodSync(`${target}.new`, 0o755);
  renameSync(`${target}.new`, target);
}
