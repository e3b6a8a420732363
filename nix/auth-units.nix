# The service that puts registry credentials in place, and what watches their files, as plain data from plain
# arguments. No lib, no pkgs, as in units.nix.
#
# Gives { registries; service; path; }:
#   registries  the document for `auth apply --registries`, to be written as JSON: no secret, only their names
#   service     { Unit; Service; Install; }  sections of systemd.unit(5); a list is a key that is written several times
#   path        { Unit; Path; Install; }, or null where there is nothing to watch
{
  # The agent, as words: [ "/usr/bin/node" "/usr/lib/ci-docker-prune/ci-docker-prune.cjs" ].
  command,
  # `registries` below as a file: an absolute path.
  registriesFile,
  # { <registry> = { username; passwordFile; }; }, where passwordFile is an absolute path.
  wanted,
  # The config file of the Docker client, an absolute path.
  target ? "/root/.docker/config.json",
  # mkdir (coreutils), an absolute path.
  mkdir ? "/bin/mkdir",
  # Units that start after this one and bring it along.
  before ? [ ],
}:
let
  inherit (import ./unit-parts.nix)
    commandLine
    nodeVariables
    pathWord
    sandbox
    word
    ;
  # Where systemd takes one path up to the end of the line, and no quotes.
  rest = builtins.replaceStrings [ "%" ] [ "%%" ];

  names = builtins.attrNames wanted;
  # "registry.example.org:5000" -> "registry.example.org_5000": a colon ends a credential's name.
  credential = builtins.replaceStrings [ ":" ] [ "_" ];
  files = map (name: wanted.${name}.passwordFile) names;

  folder = (import ./paths.nix).folderOf target;
in
{
  registries = {
    inherit target;
    registries = builtins.mapAttrs (name: entry: {
      inherit (entry) username;
      passwordFile = credential name;
    }) wanted;
  };

  service = {
    Unit = {
      Description = "Put registry credentials in place for the Docker client";
      # Both put secret files in place at start; harmless where absent.
      After = [
        "sops-install-secrets.service"
        "agenix-install-secrets.service"
      ];
      Before = before;
    };
    # Not RemainAfterExit: what is active is not started again, neither by the path unit nor by a switch, and a path unit
    # does not see the link that sops-nix and agenix move at a switch (systemd 252, seen).
    Service = sandbox // {
      Type = "oneshot";
      # A folder that is not there could not be made writable below. With "+" this one command may write everywhere; the
      # "-" below is for it, since it gets ReadWritePaths= all the same (systemd 252, seen: 226/NAMESPACE).
      ExecStartPre = "+${mkdir} -p -m 0700 ${word folder}";
      ExecStart = "${commandLine command} auth apply --registries ${word registriesFile}";
      # PID 1 reads the files and hands them over: the process needs no right to them.
      LoadCredential = map (name: "${credential name}:${rest wanted.${name}.passwordFile}") names;
      StateDirectory = "ci-docker-auth";
      StateDirectoryMode = "0700";
      SyslogIdentifier = "ci-docker-auth";
      # Of lines without a priority of their own: what goes to standard error.
      SyslogLevel = "err";
      TimeoutStartSec = "1min";
      UnsetEnvironment = nodeVariables;

      # Root, for the file is root's; of root's rights only those that keep another owner's file his own. Not
      # ProtectHome: the file is in root's home.
      CapabilityBoundingSet = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER";
      ReadWritePaths = [ (pathWord "-${folder}") ];
      RestrictAddressFamilies = "none";
      # @chown is part of @privileged, and needed for a file that is another user's.
      SystemCallFilter = sandbox.SystemCallFilter ++ [ "@chown" ];
    };
    Install.WantedBy = [ "multi-user.target" ] ++ before;
  };

  path =
    if files == [ ] then
      null
    else
      {
        Unit.Description = "Watch the files of registry credentials";
        Path.PathChanged = map rest files;
        Install.WantedBy = [ "paths.target" ];
      };
}
