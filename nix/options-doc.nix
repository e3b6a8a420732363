# docs/options.md as text, from the module itself. An option without a description fails.
{ lib }:
let
  inherit
    (lib.evalModules {
      class = "nixos";
      modules = [
        ./module.nix
        ./auth.nix
        {
          # Only what the module declares: the rest of NixOS is not here.
          _module.check = false;
          _module.args.pkgs = import ./tests/no-packages.nix { inherit lib; };
        }
      ];
    })
    options
    ;

  prefixes = [
    "services.ci-docker-prune."
    "services.ci-docker-auth."
  ];
  shown = builtins.filter (
    option:
    lib.any (prefix: lib.hasPrefix prefix option.name) prefixes && option.visible && !option.internal
  ) (lib.optionAttrSetToDocList options);

  # The markup of NixOS' manual -> plain Markdown.
  plain =
    text:
    let
      roles = [
        "option"
        "manpage"
        "file"
        "command"
        "env"
      ];
    in
    builtins.replaceStrings (map (role: "{${role}}`") roles) (map (_: "`") roles) (lib.trim text);

  description =
    option:
    if (option.description or null) == null || lib.trim option.description == "" then
      throw "${option.name} has no description"
    else
      plain option.description;

  value =
    title: rendered:
    if lib.hasInfix "\n" (lib.trim rendered.text) then
      "${title}:\n\n```nix\n${lib.trim rendered.text}\n```\n\n"
    else
      "${title}: `${lib.trim rendered.text}`\n\n";

  entry =
    option:
    "## ${option.name}\n\n${description option}\n\nType: ${option.type}\n\n"
    + lib.optionalString (option ? default) (value "Default" option.default)
    + lib.optionalString (option ? example) (value "Example" option.example);
in
''
  # NixOS options

  Made from nix/module.nix and nix/auth.nix by `npm run docs:options`; a test fails when it is stale. How to begin: docs/nixos.md. What
  the agent does with its settings: docs/configuration.md.

''
+ lib.removeSuffix "\n" (lib.concatMapStrings entry shown)
