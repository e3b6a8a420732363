# services.ci-docker-prune.buildCacheLimits: BuildKit's own garbage collection. Sizes are written as the engine reads
# them (go-units), which is seen on real engines by tests/nix/build-cache.test.ts.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkOption types;

  cfg = config.services.ci-docker-prune.buildCacheLimits;
  name = "services.ci-docker-prune.buildCacheLimits";
  docker = config.virtualisation.docker;
  gc = docker.daemon.settings.builder.gc or { };

  # A wrapper may have no version, or a name without one.
  version = docker.package.version or (lib.getVersion (docker.package.name or ""));
  isVersioned = builtins.match "[0-9]+[.].*" version != null;
  knowsThree = !isVersioned || lib.versionAtLeast version "28";

  sizePattern = "([0-9]+)([.][0-9]+)? ?(([kKmMgGtTpP])([iI]?[bB])?|[bB])?";
  engineSize = types.strMatching sizePattern // {
    description = ''size such as "20GB" (2^30 bytes each) or "500MiB"'';
  };
  # Enough to compare two; of the fraction nothing is lost that matters.
  bytesOf =
    size:
    let
      found = builtins.match sizePattern size;
      unit = builtins.elemAt found 3;
      power = lib.lists.findFirstIndex (one: unit != null && lib.toLower unit == one) 0 [
        ""
        "k"
        "m"
        "g"
        "t"
        "p"
      ];
      fraction = builtins.elemAt found 1;
      number = builtins.fromJSON (
        toString (lib.toIntBase10 (builtins.head found)) + (if fraction == null then "" else fraction)
      );
    in
    builtins.foldl' (bytes: _: bytes * 1024) number (lib.range 1 power);

  limit =
    default: example: description:
    mkOption {
      type = if default == null then types.nullOr engineSize else engineSize;
      inherit default example description;
    };
  isSaid =
    key:
    options.services.ci-docker-prune.buildCacheLimits.${key}.highestPrio
    < (lib.mkOptionDefault null).priority;
  limits = [
    "maxUsedSpace"
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

    maxUsedSpace = limit "20GB" "100GB" ''
      BuildKit removes cache until no more than this is left. Engines from 28 on know it as `defaultMaxUsedSpace`, older
      ones as `defaultKeepStorage`.
    '';

    reservedSpace = limit null "5GB" ''
      This much cache always stays, whatever the other limits say (engines from 28 on). `null`: none, for the engine
      has defaults of its own only where no limit is set.
    '';

    minFreeSpace = limit null "50GB" ''
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
        assertion =
          !knowsThree || cfg.reservedSpace == null || bytesOf cfg.reservedSpace <= bytesOf cfg.maxUsedSpace;
        message = ''
          ${name}.reservedSpace (${toString cfg.reservedSpace}) is above maxUsedSpace (${cfg.maxUsedSpace}), so the limit
          would never be met. Lower the one, or raise the other.
        '';
      }
    ];

    warnings =
      let
        said = builtins.filter isSaid limits;
        without = builtins.filter (key: cfg.${key} != null) [
          "reservedSpace"
          "minFreeSpace"
        ];
      in
      lib.optional (!cfg.enable && said != [ ]) ''
        ${name} has ${toString said}, but is not enabled, so there is no limit.
        Write `${name}.enable = true;`.
      ''
      ++ lib.optional (cfg.enable && !knowsThree && without != [ ]) ''
        ${name} has ${toString without}, which Docker ${version} does not know; it takes maxUsedSpace alone.
      ''
      ++ lib.optional (cfg.enable && !isVersioned) ''
        ${name} cannot tell the version of virtualisation.docker.package, and writes what engines from 28 on read.
        An older one would have no limit at all. Give the package an attribute `version`.
      '';

    virtualisation.docker.daemon.settings = lib.mkIf cfg.enable {
      builder.gc = {
        enabled = true;
      }
      // (
        if knowsThree then
          lib.filterAttrs (_: size: size != null) {
            defaultMaxUsedSpace = cfg.maxUsedSpace;
            defaultReservedSpace = cfg.reservedSpace;
            defaultMinFreeSpace = cfg.minFreeSpace;
          }
        else
          { defaultKeepStorage = cfg.maxUsedSpace; }
      );
    };
  };
}
