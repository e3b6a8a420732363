# services.ci-docker-prune.buildCacheLimits: BuildKit's own garbage collection. Sizes are written as the engine reads
# them (go-units), which is seen on real engines by tests/nix/build-cache.test.ts.
{
  config,
  lib,
  options,
  pkgs,
  ...
}:
let
  inherit (lib) types;

  name = "services.ci-docker-prune.buildCacheLimits";
  cfg = config.services.ci-docker-prune.buildCacheLimits;
  docker = config.virtualisation.docker;
  gc = docker.daemon.settings.builder.gc or { };

  # A wrapper may have no version, or a name without one.
  version = lib.getVersion docker.package;
  isVersioned = builtins.match "[0-9]+[.].*" version != null;
  knowsThree = !isVersioned || lib.versionAtLeast version "28";

  sizePattern = "0*([0-9]+([.][0-9]+)?) ?(([kKmMgGtTpP])([iI]?[bB])?|[bB])?";
  size = types.strMatching sizePattern // {
    description = ''size such as "20GB" (of 2^30 bytes) or "500MiB"'';
  };
  bytesOf =
    text:
    let
      found = builtins.match sizePattern text;
      unit = lib.toLower (toString (builtins.elemAt found 3));
      power = lib.lists.findFirstIndex (one: one == unit) 0 (lib.stringToCharacters "bkmgtp");
    in
    lib.foldl' (bytes: _: bytes * 1024) (builtins.fromJSON "${lib.head found}") (lib.range 1 power);

  inherit (import ./option-parts.nix { inherit lib pkgs; }) option;
  optional = option (types.nullOr size) null;
  maxIsSaid =
    options.services.ci-docker-prune.buildCacheLimits.maxUsedSpace.highestPrio
    < (lib.mkOptionDefault null).priority;
  set = builtins.filter (key: cfg.${key} != null) [
    "reservedSpace"
    "minFreeSpace"
  ];
in
{
  key = "ci-docker-prune#nix/build-cache.nix";

  options.services.ci-docker-prune.buildCacheLimits = {
    enable = lib.mkEnableOption ''
      BuildKit's own garbage collection with the limits below. Build cache grows between passes, without a pull or a run
      that anyone would notice (119 GB were seen on one host). This bounds its *size*, at any time and during runs too,
      least recently used first; `settings.prune.buildCache` bounds its *age*, under disk pressure. A change of the
      limits restarts the engine, as any change of its daemon.json does'';

    maxUsedSpace = option size "20GB" "100GB" "BuildKit removes cache until no more than this is left.";

    reservedSpace = optional "5GB" ''
      This much cache always stays, whatever the other limits say (engines from 28 on). `null`: none, for the engine
      has defaults of its own only where no limit is set.
    '';

    minFreeSpace = optional "50GB" ''
      BuildKit removes cache until this much of the disk is free (engines from 28 on). `null`: no such limit.
    '';
  };

  config = lib.mkIf config.services.ci-docker-prune.enable {
    assertions = lib.optionals cfg.enable [
      {
        assertion = !(gc ? policy);
        message = ''
          virtualisation.docker.daemon.settings.builder.gc.policy is set, and the engine reads nothing else then:
          ${name} would do nothing. Delete the policy, or `${name}.enable`.
        '';
      }
      {
        assertion = !(knowsThree && gc ? defaultKeepStorage);
        message = ''
          virtualisation.docker.daemon.settings.builder.gc.defaultKeepStorage is set. Engines from 28 on read it as an
          amount that always stays, not as a limit. Delete it: ${name}.maxUsedSpace takes its place.
        '';
      }
      {
        assertion = cfg.reservedSpace == null || bytesOf cfg.reservedSpace <= bytesOf cfg.maxUsedSpace;
        message = ''
          ${name}.reservedSpace is ${toString cfg.reservedSpace}, above maxUsedSpace, so that limit would never be met.
          Lower the one, or raise the other.
        '';
      }
    ];

    warnings =
      lib.optional (!cfg.enable && (set != [ ] || maxIsSaid)) ''
        ${name} is not enabled, so what it says is no limit. Write `${name}.enable = true;`.
      ''
      ++ lib.optional (cfg.enable && !knowsThree && set != [ ]) ''
        ${name} has ${toString set}, which Docker ${version} does not know; it takes maxUsedSpace alone.
      ''
      ++ lib.optional (cfg.enable && !isVersioned) ''
        ${name} is written for engines from 28 on: virtualisation.docker.package does not tell its version. An older one
        would have no limit at all. Give the package an attribute `version`.
      '';

    # What older engines take for the limit is an amount that always stays to newer ones.
    virtualisation.docker.daemon.settings = lib.mkIf cfg.enable {
      builder.gc =
        if knowsThree then
          lib.filterAttrs (_: value: value != null) {
            enabled = true;
            defaultMaxUsedSpace = cfg.maxUsedSpace;
            defaultReservedSpace = cfg.reservedSpace;
            defaultMinFreeSpace = cfg.minFreeSpace;
          }
        else
          {
            enabled = true;
            defaultKeepStorage = cfg.maxUsedSpace;
          };
    };
  };
}
