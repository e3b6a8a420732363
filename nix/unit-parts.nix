# What the unit of a pass (units.nix) and the unit for credentials (auth-units.nix) have in common, as plain data: how
# text is written so that systemd reads it back, and the sandbox as far as it is the same. No lib, no pkgs.
let
  isPlain = text: builtins.match "[A-Za-z0-9_@:,./=+-]+" text != null;
  # One word of a command line, quoted and escaped, so that systemd reads back exactly this text.
  word =
    text:
    if isPlain text then
      text
    else
      builtins.replaceStrings [ "%" "$" ] [ "%%" "$$" ] (builtins.toJSON text);
in
{
  commandLine = command: builtins.concatStringsSep " " (map word command);

  # A path where systemd takes a list of paths; it expands no dollar there.
  pathWord =
    text:
    if isPlain text then text else builtins.replaceStrings [ "%" ] [ "%%" ] (builtins.toJSON text);

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
