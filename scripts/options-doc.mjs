// Writes docs/options.md, a row an option, from the NixOS modules. Needs nixpkgs' lib: NIXPKGS_LIB names a folder with
// `lib/` in it, as in the repository nix-community/nixpkgs.lib. With --check it writes nothing and fails when the page is
// stale.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const HEAD = `# NixOS options

Made from nix/module.nix, nix/build-cache.nix and nix/auth.nix by \`npm run docs:options\`. How to begin: [nixos.md](nixos.md).
All keys of \`settings\`: [configuration.md](configuration.md).

| option | type | default | what it does |
|---|---|---|---|
`;

const root = fileURLToPath(new URL("..", import.meta.url));
const lib = process.env.NIXPKGS_LIB;
if (!lib) throw new Error("set NIXPKGS_LIB to a folder with nixpkgs' lib in it");
const options = JSON.parse(
  execFileSync(
    "nix-instantiate",
    [
      ...["--store", "dummy://", "--eval", "--strict", "--json"],
      ...["-E", `import ./scripts/options-doc.nix { lib = import ${lib}/lib; }`],
    ],
    { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
  ),
);

// One line of plain Markdown, from text with the markup of NixOS' manual.
const oneLine = (text) =>
  text
    .trim()
    .replace(/\s+/g, " ")
    .replace(/\{\w+\}`/g, "`")
    .replaceAll("|", "\\|");
const value = ({ _type, text }) => (_type === "literalMD" ? oneLine(text) : `\`${oneLine(text)}\``);
const row = ({ name, type, default: preset, example, description }) => {
  if (!description?.trim()) throw new Error(`${name} has no description`);
  const shown = example === undefined ? "" : ` Example: ${value(example)}`;
  return `| \`${name}\` | ${oneLine(type)} | ${preset ? value(preset) : "none"} | ${oneLine(description)}${shown} |\n`;
};

const page = HEAD + options.map(row).join("");
const file = `${root}docs/options.md`;
if (!process.argv.includes("--check")) writeFileSync(file, page);
else if (readFileSync(file, "utf8") !== page) {
  console.log("stale: npm run docs:options");
  process.exitCode = 1;
}
