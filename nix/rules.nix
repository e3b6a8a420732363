# The agent's rules as options: `retention` for families of images, `orphans` for containers. They are lists, not sets
# by name: a name belongs to the first rule that names it. `assertions` tells what no single option shows, at evaluation;
# the agent says the same, and more, while the system is built.
{ lib, settingTypes }:
let
  inherit (lib) mkOption types;
  inherit (settingTypes)
    duration
    imageGlob
    label
    labelKey
    ruleName
    size
    ;

  # `null`: no such limit.
  limit =
    type: example: description:
    mkOption {
      type = types.nullOr type;
      default = null;
      inherit example description;
    };

  listOf =
    type: example: description:
    mkOption {
      type = types.listOf type;
      default = [ ];
      inherit example description;
    };

  name =
    example:
    mkOption {
      type = ruleName;
      inherit example;
      description = ''
        What the log calls the rule. No two rules of the list share one, and `snapshots` is taken.
      '';
    };

  when = mkOption {
    type = settingTypes.when;
    default = "always";
    example = "pressure";
    description = ''
      `"always"`: on every pass, with or without disk pressure, as soon as no run is live. The rule can be no more
      punctual than {option}`services.ci-docker-prune.dates`: a limit of 24 h wants `"hourly"`. `"pressure"`: only when
      the disk is under pressure as well.
    '';
  };

  retentionRule = types.submodule {
    options = {
      name = name "worker-tags";
      match = {
        repositories = listOf imageGlob [ "ghcr.io/acme/worker:sha-*" "localhost:5000/ci/*" ] ''
          Names of images as `docker image ls` shows them: `*` is anything but a slash, `**` anything, `?` one character
          but a slash. Without a tag every tag is meant. Docker Hub's names are shown without `docker.io/` and
          `library/`, so write them without.
        '';
        labels = listOf label [ "ci.managed=true" ] ''
          Labels on the image; one is enough. Where both lists are set, an image must fit each. A family of wildcards
          alone is refused, unless a label narrows it.
        '';
      };
      olderThan = limit duration "24h" ''
        From 1 s. The time to live, from when the image was created or last tagged, whichever is younger: what is older
        goes. `null`: no such limit.
      '';
      keepNewest = mkOption {
        type = types.ints.unsigned;
        default = 0;
        example = 2;
        description = ''
          So many of each group, the most recently used, never go. Not above `keepCount`.
        '';
      };
      keepCount = limit types.ints.positive 5 ''
        At most so many in each group; beyond it those go that were not used for longest. `null`: any number.
      '';
      maxTotalSize = limit size "10GB" ''
        At most so much in each group, of the bytes that no image outside it holds; a layer that several share counts
        once. Beyond it those go that were not used for longest. `null`: any size.
      '';
      perGroup = limit labelKey "ci.project" ''
        The key of a label: the limits hold for the images of each of its values by themselves, and for those without
        it. `null`: the whole family is one group.
      '';
      ttlLabel = limit labelKey "ci.ttl" ''
        The key of a label whose value is a duration: the time to live of the image that carries it, in place of
        `olderThan`. A value that is no duration keeps the image.
      '';
      grace = mkOption {
        type = duration;
        default = "1h";
        example = "2h";
        description = "From 1 s. Nothing younger goes, whatever the limits say.";
      };
      inherit when;
    };
  };

  orphanRule = types.submodule {
    options = {
      name = name "workers";
      label = mkOption {
        type = label;
        example = "cascade.managed=true";
        description = "A label on the container. What does not carry it is never touched, nor is a task of a service.";
      };
      runningLongerThan = limit duration "6h" ''
        From 1 s. A container that was started longer ago is stopped and removed, and no longer counts as a live run:
        set it longer than any job may take. `null`: what runs is left alone.
      '';
      stoppedLongerThan = limit duration "1h" ''
        From 1 s. A container that stopped longer ago, or was created longer ago and never started, is removed. `null`:
        these are left to
        {option}`services.ci-docker-prune.settings.prune.containers`.
      '';
      stopTimeout = mkOption {
        type = duration;
        default = "10s";
        example = "1m";
        description = "From 0 s to 1 h. How long a container may take to end after SIGTERM, before SIGKILL.";
      };
      inherit when;
    };
  };

  # Without a letter or digit in its repository; a tag names no family.
  isWildcards = glob: builtins.match "[^A-Za-z0-9:]*(:[^/]*)?" glob != null;

  # What may be wrong with rules: which are, and what is said of them by name.
  wrongNames = rules: [
    {
      wrong = rule: lib.count (other: other.name == rule.name) rules > 1;
      message = names: ''
        more than one rule of the name ${names}.
        The log tells rules apart by their names: give each its own.
      '';
    }
    {
      wrong = rule: rule.name == "snapshots";
      message = names: ''
        a rule of the name ${names}, which is that of the rule for what `snapshots commit` makes.
        Give yours another; the limits of that one are in services.ci-docker-prune.settings.snapshots.
      '';
    }
  ];

  wrongRetention = [
    {
      wrong =
        {
          olderThan,
          keepCount,
          maxTotalSize,
          ttlLabel,
          ...
        }:
        olderThan == null && keepCount == null && maxTotalSize == null && ttlLabel == null;
      message = names: ''
        no limit in: ${names}.
        Nothing of such a family would ever go: set olderThan, keepCount, maxTotalSize or ttlLabel.
      '';
    }
    {
      wrong =
        { match, ... }:
        match.labels == [ ] && (match.repositories == [ ] || builtins.any isWildcards match.repositories);
      message = names: ''
        no family in: ${names}.
        Such a rule would hold every image: name repositories, as in `match.repositories = [ "ci/app" ];`, with a letter
        or digit in each, or write a label in match.labels.
      '';
    }
    {
      wrong = { keepCount, keepNewest, ... }: keepCount != null && keepNewest > keepCount;
      message = names: ''
        a keepNewest above keepCount in: ${names}.
        What is beyond keepCount could not go: lower keepNewest, or raise keepCount.
      '';
    }
  ];

  wrongOrphans = [
    {
      wrong = rule: rule.runningLongerThan == null && rule.stoppedLongerThan == null;
      message = names: ''
        no limit in: ${names}.
        No container would ever go: set runningLongerThan or stoppedLongerThan.
      '';
    }
  ];

  assertionsOf =
    list: rules:
    map (
      { wrong, message }:
      let
        found = builtins.filter wrong rules;
        names = lib.concatStringsSep ", " (lib.unique (map ({ name, ... }: name) found));
      in
      {
        assertion = found == [ ];
        message = "services.ci-docker-prune.settings.${list} has ${message names}";
      }
    );
in
{
  retention = listOf retentionRule [
    {
      name = "worker-tags";
      match.repositories = [ "ghcr.io/acme/worker:sha-*" ];
      keepCount = 5;
    }
  ] ''
    Rules that keep families of named images in bounds, in order: each name of an image belongs to the first rule that
    names it, and that rule takes this name only. A rule has a name, a family and at least one limit: `olderThan`,
    `keepCount`, `maxTotalSize` or `ttlLabel`. Whatever the limits say, an image stays that a container or a service
    uses, that carries one of {option}`services.ci-docker-prune.settings.prune.keepLabels`, that is younger than
    `grace`, or that is among `keepNewest`.

    By default rules hold on every pass, not only under disk pressure. A time to live of a day needs a pass more often
    than once a day: write `services.ci-docker-prune.dates = "hourly";`. Lists of several modules are joined;
    `lib.mkBefore` puts one in front.
  '';

  orphans = listOf orphanRule [
    {
      name = "workers";
      label = "cascade.managed=true";
      runningLongerThan = "6h";
    }
  ] ''
    Rules for containers that a launcher left behind, in order: a container belongs to the first that names it and has a
    limit for its state. It is stopped, then removed. A rule has a name, a label, and at least one limit:
    `runningLongerThan` or `stoppedLongerThan`. They hold on every pass, so a limit of hours wants
    `services.ci-docker-prune.dates = "hourly";`.
  '';

  assertions =
    { retention, orphans, ... }:
    assertionsOf "retention" retention (wrongRetention ++ wrongNames retention)
    ++ assertionsOf "orphans" orphans (wrongOrphans ++ wrongNames orphans);
}
