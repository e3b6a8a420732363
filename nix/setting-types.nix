# How the agent's settings are written (agent/units.ts): a type for each form, whose description is what a wrong value
# is answered with. The agent remains the judge; these are for a message at the option, and for the options page.
{ lib }:
let
  inherit (lib) types;

  # A string of this form; the description completes "… is not of type".
  form =
    description: pattern:
    types.strMatching pattern
    // {
      inherit description;
    };

  number = "[0-9]+([.][0-9]+)?";
  spaces = "[[:space:]]*";
  durationPattern = "([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?(([0-9]+([.][0-9]+)?)s)?([0-9]+ms)?";
  percentPattern = "(${number})${spaces}%";
  sizePattern = "${number}${spaces}([kKMGT]i?B|B)";
  labelKeyPattern = "[^=[:space:]]([^=]*[^=[:space:]])?";
in
{
  absolutePath = form ''absolute path such as "/var/lib/docker", written as a string'' "/.*";

  promFile = form ''absolute path that ends in ".prom" such as "/var/lib/node-exporter/ci-docker-prune.prom", written as a string'' "/.+/[^/]*[.]prom";

  watermark = form ''used space such as "80%", or available space such as "20GiB free"'' "${percentPattern}|${sizePattern}[[:space:]]+free";

  size = form ''size such as "10GB" or "20GiB"'' sizePattern;

  duration = types.addCheck (form ''time such as "90s", "24h", "1h30m" or "7d"'' durationPattern) (
    text: text != ""
  );

  pattern = form ''regular expression such as "^ci-[0-9]+_"'' ".+";

  label = form ''label "key" or "key=value"'' "${labelKeyPattern}(=.*)?";

  labelKey = form ''key of a label such as "ci.project"'' labelKeyPattern;

  ruleName = form ''name such as "ci-snapshots" (small letters, digits and inner hyphens, up to 63)'' "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";

  # As in agent/settings/globs.ts: a first component that may be a host with its port, the rest, a tag.
  imageGlob =
    form
      ''image name such as "ci/app", "snapshot-*" or "ghcr.io/acme/worker:sha-*" (small letters, ** across slashes, no digest)''
      (
        "([A-Za-z0-9*?][A-Za-z0-9._*?-]*(:[0-9]+)?/)?"
        + "[a-z0-9*?][a-z0-9._*?-]*(/[a-z0-9*?][a-z0-9._*?-]*)*"
        + "(:[A-Za-z0-9_*?][A-Za-z0-9._*?-]*)?"
      );

  when = types.enum [
    "always"
    "pressure"
  ];

  # What is not the agent's but systemd's, which reads it strictly enough; here only the shape.
  calendarEvents =
    let
      event = form ''calendar event such as "daily" or "Mon 06:00"'' "[^\n]+";
    in
    types.coercedTo event lib.singleton (types.listOf event)
    // {
      description = ''calendar event such as "daily" or "Mon 06:00", or a list of them'';
    };
  timeSpan = form ''time span such as "0", "45min" or "2h"'' "[0-9][0-9a-z. ]*";
  unitName = form ''unit such as "notify-operator@%n.service"'' "[^[:space:]]+[.][a-z]+";

  # The lock is made and written at run time. A path literal would name a copy of the file in the store.
  runtimePath = types.externalPath // {
    description = ''absolute path outside the Nix store such as "/run/lock/ci-docker-prune.lock", written as a string'';
  };

  # What daemon.json takes: bytes, or a share of the disk.
  engineSize = form ''size such as "20GB", or share of the disk such as "10%"'' "${number}([kKMGT]i?)?[bB]?|${number}%";

  # "82.5%" -> 82.5; null for a watermark in bytes.
  percentOf =
    text:
    let
      found = builtins.match percentPattern text;
    in
    if found == null then null else builtins.fromJSON (builtins.head found);

  # "1h30m" -> 5400, whole seconds; null for what is no duration.
  secondsOf =
    text:
    let
      found = builtins.match durationPattern text;
      # "30m" -> 30
      count =
        index:
        let
          part = builtins.elemAt found index;
        in
        if part == null then 0 else lib.toIntBase10 (builtins.head (builtins.match "([0-9]+).*" part));
    in
    if text == null || found == null || text == "" then
      null
    else
      count 0 * 604800 + count 1 * 86400 + count 2 * 3600 + count 3 * 60 + count 4;
}
