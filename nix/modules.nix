# The modules by name, as the flake and default.nix hand them out: attribute sets, which every Nix takes for modules.
let
  named = file: {
    _file = file;
    imports = [ file ];
  };
in
{
  ci-docker-prune = named ./module.nix;
  ci-docker-auth = named ./auth.nix;
  default.imports = [
    ./module.nix
    ./auth.nix
  ];
}
