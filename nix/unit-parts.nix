# What the units of the agent (units.nix, auth-units.nix) have in common, as plain data: how text is written so that
# systemd reads it back, how a unit becomes a file, and the sandbox as far as it is the same. No lib, no pkgs.
let
  isPlain = text: builtins.match "[A-Za-z0-9_@:,./=+-]+" text != null;
  escape = builtins.replaceStrings;
  quoted = text: if isPlain text then text else builtins.toJSON text;

  # One word of a command line, quoted and escaped, so that systemd reads back exactly this text.
  word = text: escape [ "%" "$" ] [ "%%" "$$" ] (quoted text);

  # A path where systemd takes a list of paths, and in tmpfiles.d; it expands no dollar there.
  pathWord = text: escape [ "%" ] [ "%%" ] (quoted text);

  concat = builtins.concatStringsSep "";

  # As NixOS writes it. A line end would begin a line of its own.
  line =
    key: value:
    let
      text = if builtins.isBool value then (if value then "true" else "false") else toString value;
    in
    if builtins.match "[^\n]*" text == null then
      throw "${key}= has a line end in it: ${builtins.toJSON text}"
    else
      "${key}=${text}\n";
  lines = key: value: if builtins.isList value then concat (map (line key) value) else line key value;
in
{
  inherit pathWord word;

  # Its first word is a path: systemd would take a sign in front of it for a grant of rights.
  commandLine =
    command:
    if builtins.substring 0 1 (builtins.head command) != "/" then
      throw "the command is no absolute path: ${builtins.head command}"
    else
      builtins.concatStringsSep " " (map word command);

  # { Unit = { After = [ "a.service" ]; }; } -> "[Unit]\nAfter=a.service\n"
  render =
    unit:
    let
      section = name: "[${name}]\n" + concat (builtins.attrValues (builtins.mapAttrs lines unit.${name}));
    in
    # [Unit] first and [Install] last, which is the alphabet from its end.
    builtins.concatStringsSep "\n" (
      map section (builtins.sort (a: b: b < a) (builtins.attrNames unit))
    );

  # A line of tmpfiles.d(5), and in front of it what it is about.
  tmpfile = entry: with entry; "# ${about}\n${type} ${pathWord path} ${mode} ${user} ${group} -\n";

  # What the service manager may pass on and what would change how node runs.
  nodeVariables = "NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS";

  # Not ProtectHome=, CapabilityBoundingSet=, RestrictAddressFamilies= and what belongs to a user: each unit says its
  # own. Not MemoryDenyWriteExecute=: V8 writes the code that it runs. With --jitless it need not, but then a quiet pass
  # takes 7 % longer (node 20), for a tenth of a point in systemd-analyze security.
  sandbox = {
    AmbientCapabilities = "";
    UMask = "0077";

    # The filesystem.
    ProtectSystem = "strict";
    PrivateMounts = true;
    PrivateTmp = true;
    PrivateDevices = true;
    DevicePolicy = "closed";

    # The network: there is none.
    PrivateNetwork = true;
    IPAddressDeny = "any";

    # The kernel and the other processes.
    PrivateIPC = true;
    ProtectProc = "invisible";
    ProcSubset = "pid";
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    NoNewPrivileges = true;
    KeyringMode = "private";
    LockPersonality = true;
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    # node 20 calls pkey_alloc; node 22 and later io_uring_setup, which may fail. A call that is not allowed gets an
    # error, for a process that the kernel kills says nothing.
    SystemCallFilter = [
      "@system-service @pkey"
      "~@privileged @resources"
    ];
    SystemCallErrorNumber = "EPERM";
  };
}
