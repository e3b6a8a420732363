# docs/options.md as text, from the modules themselves. An option without a description fails.
{ lib }:
let
  inherit
    (lib.evalModules {
      class = "nixos";
      modules = [
        ./module.nix
        ./auth.nix
        {
          # Only what the modules declare: the rest of NixOS is not here.
          _module.check = false;
          _module.args.pkgs = import ./tests/no-packages.nix { inherit lib; };
        }
      ];
    })
    options
    ;
  shown = builtins.filter (
    option: lib.hasPrefix "services.ci-docker-" option.name && option.visible && !option.internal
  ) (lib.optionAttrSetToDocList options);

  # One line of plain Markdown, from text with the markup of NixOS' manual.
  oneLine =
    text:
    lib.replaceStrings
      [ "{option}`" "{manpage}`" "|" ]
      [ "`" "`" "\\|" ]
      (lib.concatStringsSep " " (builtins.filter builtins.isString (builtins.split "[[:space:]]+" (lib.trim text))));
  value =
    rendered: if rendered._type or "" == "literalMD" then oneLine rendered.text else "`${oneLine rendered.text}`";
  row =
    option:
    lib.concatMapStrings (cell: "| ${cell} ") [
      "`${option.name}`"
      (oneLine option.type)
      (if option ? default then value option.default else "none")
      (oneLine option.description + lib.optionalString (option ? example) " Example: ${value option.example}")
    ]
    + "|\n";
in
''
  # NixOS options

  Made from nix/module.nix, nix/build-cache.nix and nix/auth.nix by `npm run docs:options`. How to begin: [nixos.md](nixos.md). All
  keys of `settings`: [configuration.md](configuration.md).

  | option | type | default | what it does |
  |---|---|---|---|
''
+ lib.concatMapStrings row shown
