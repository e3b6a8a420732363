# The agent, bundled as `npm run build` bundles it. package-lock.json holds no addresses, which nixpkgs' fetchers for npm
# need, so npm itself fetches, in a fixed-output derivation: production dependencies, none of them optional (those differ
# between platforms), no scripts. That tree is the same everywhere; `npm run nix:hash` writes its hash anew.
{
  lib,
  stdenvNoCC,
  cacert,
  coreutils,
  esbuild,
  installShellFiles,
  makeBinaryWrapper,
  nodejs,
  nodejs-slim,
  testers,
  util-linux,
}:
let
  root = ../.;
  inherit (lib.importJSON ../package.json) version;
  inherit (lib.importJSON ./node-modules.json) npmFlags hash;
  esbuildFlags = lib.importJSON ../scripts/esbuild-flags.json;
  sources =
    files:
    lib.fileset.toSource {
      inherit root;
      fileset = lib.fileset.unions files;
    };

  nodeModules = stdenvNoCC.mkDerivation {
    pname = "ci-docker-prune-node-modules";
    inherit version;
    src = sources [
      ../package.json
      ../package-lock.json
    ];
    nativeBuildInputs = [
      cacert
      nodejs
    ];
    dontConfigure = true;
    # A fixed output may name nothing of the store, which patched shebangs would.
    dontFixup = true;
    buildPhase = ''
      runHook preBuild
      HOME=$TMPDIR npm ci ${lib.escapeShellArgs npmFlags}
      # npm's note of what it did, and what npm before 11.6 leaves of packages that are not wanted.
      rm node_modules/.package-lock.json
      find node_modules -type d -empty -delete
      runHook postBuild
    '';
    installPhase = ''
      runHook preInstall
      mv node_modules $out
      runHook postInstall
    '';
    outputHashMode = "recursive";
    outputHash = hash;
    impureEnvVars = lib.fetchers.proxyImpureEnvVars;
  };
in
stdenvNoCC.mkDerivation (finalAttrs: {
  pname = "ci-docker-prune";
  inherit version;
  src = sources [
    ../agent
    ../package.json
    ../scripts/compile.mjs
    ../scripts/stubs
    ../tsconfig.json
  ];
  strictDeps = true;
  nativeBuildInputs = [
    esbuild
    installShellFiles
    makeBinaryWrapper
    nodejs-slim
  ];

  buildPhase = ''
    runHook preBuild
    # A copy: a link would resolve to a folder that is not called node_modules, where packages do not find each other.
    cp -r ${nodeModules} node_modules
    esbuild ${lib.escapeShellArgs esbuildFlags} \
      ${lib.escapeShellArg "--define:__VERSION__=${builtins.toJSON version}"} --outdir=dist
    ${lib.optionalString finalAttrs.doInstallCheck "node --random-seed=1 scripts/compile.mjs dist"}
    runHook postBuild
  '';

  installPhase = ''
    runHook preInstall
    install -D -m 0644 -t $out/lib/ci-docker-prune dist/*
    makeWrapper ${lib.getExe nodejs-slim} $out/bin/ci-docker-prune \
      --add-flags $out/lib/ci-docker-prune/ci-docker-prune.cjs \
      --prefix PATH : ${util-linux}/bin:${coreutils}/bin
    # By the node that builds: the wrapper's own may be another platform's.
    for shell in bash zsh; do
      SHELL=$shell node dist/ci-docker-prune.cjs completion > ci-docker-prune.$shell
      installShellCompletion ci-docker-prune.$shell
    done
    runHook postInstall
  '';

  # Also whether bytecode is made. The front, the metrics and the rest of the program each have a line in the check.
  doInstallCheck = stdenvNoCC.buildPlatform.canExecute stdenvNoCC.hostPlatform;
  installCheckPhase = ''
    runHook preInstallCheck
    cat > below.json <<END
    { "disk": { "paths": ["/"], "highWatermark": "1B free", "inodes": false },
      "metrics": { "textfile": "$PWD/pass.prom" } }
    END
    $out/bin/ci-docker-prune run --json --settings below.json --state-dir "$PWD/state" | grep -q '"below-watermark"'
    grep -q '^ci_docker_prune_last_pass_exit_code 0' pass.prom
    [ "$($out/bin/ci-docker-prune --version)" = ${version} ]
    runHook postInstallCheck
  '';

  passthru = {
    inherit nodeModules;
    tests.version = testers.testVersion { package = finalAttrs.finalPackage; };
  };

  meta = {
    description = "Prunes a Docker CI host under disk pressure, never during a run, and keeps its image cache warm";
    license = lib.licenses.mit;
    homepage = "https://git.example.org/ci/ci-docker-prune";
    changelog = "${finalAttrs.meta.homepage}/src/tag/v${version}/CHANGELOG.md";
    mainProgram = "ci-docker-prune";
    platforms = lib.platforms.linux;
  };
})
