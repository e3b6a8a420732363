import type { Argv } from "yargs";
import { applyRegistries, DEFAULT_TARGET } from "../auth/apply.ts";
import { type Checked, checkRegistry, exitCodeOf, readStored, toCheck } from "../auth/check.ts";
import { type Stored, Unusable } from "../auth/config.ts";
import { saveLastCheck } from "../auth/memory.ts";
import { HUB_ENDPOINTS, mayCarrySecrets } from "../auth/rate-limit.ts";
import { loadRegistries } from "../auth/registries.ts";
import { HUB, registryName, serverKey } from "../auth/servers.ts";
import { Exit } from "../exit.ts";
import { systemClock } from "../host/clock.ts";
import { passId, stateDirectory } from "../host/places.ts";
import { event } from "../log/events.ts";
import { type Journal, jsonJournal, plainJournal } from "../log/journal.ts";
import { openContext } from "./context.ts";
import { type Done, maybeFlag, text, UsageError, withCommonOptions } from "./options.ts";

/** Seconds for both requests of the look at the pull allowance. */
const ALLOWANCE_DEADLINE = 15;

export function authCommand(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "auth",
    "Registry credentials of the Docker client: put them in place, check them",
    (y) => addCheck(addApply(y, done), done).demandCommand(1, "name a command: apply or check"),
    () => {},
  );
}

function addApply(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "apply",
    "Write the credentials that a file asks for into the Docker client's config.json",
    (y) =>
      withOutput(y)
        .options({
          registries: {
            ...text("Which registries, JSON: registry -> username and passwordFile"),
            demandOption: true,
          },
          "state-dir": text("Folder that remembers which entries are ours (default as for run)"),
        })
        .example("$0 auth apply --registries FILE", "what ci-docker-auth.service does"),
    (argv) => {
      const journal = openJournal(argv);
      const loaded = loadRegistries(argv.registries);
      if (!loaded.ok) {
        const target = argv.target ?? DEFAULT_TARGET;
        for (const { path, expected } of loaded.problems) {
          const where = path === "" ? argv.registries : `${argv.registries}: ${path}`;
          journal.emit(event("auth.failed", { target, reason: `${where}: expected ${expected}` }));
        }
        return done(Exit.settings);
      }
      const ports = {
        journal,
        stateDir: stateDirectory(argv.stateDir, null),
        credentialsDirectory: process.env.CREDENTIALS_DIRECTORY,
      };
      done(applyRegistries(ports, loaded.value, argv.target ?? loaded.value.target ?? DEFAULT_TARGET));
    },
  );
}

function addCheck(yargs: Argv, done: Done): Argv {
  return yargs.command(
    "check",
    "Ask each registry, through the engine, whether it takes the stored credentials",
    (y) =>
      withOutput(withCommonOptions(y))
        .options({
          registry: text("Only this one, such as docker.io (default: all that are stored)"),
          "token-endpoint": {
            ...text("Where Docker Hub gives tokens, for the look at the pull allowance"),
            default: HUB_ENDPOINTS.token,
          },
          "registry-endpoint": {
            ...text("Docker Hub's registry, for the look at the pull allowance"),
            default: HUB_ENDPOINTS.registry,
          },
        })
        .example("$0 auth check", "user, registry, result; for Docker Hub the pulls left"),
    async (argv) => {
      for (const endpoint of [argv.tokenEndpoint, argv.registryEndpoint]) {
        if (!mayCarrySecrets(endpoint)) throw new UsageError("an endpoint must be https, or on this machine");
      }
      if (argv.registry !== undefined && serverKey(argv.registry) === undefined) {
        throw new UsageError('--registry takes a registry such as "docker.io", without scheme and path');
      }
      const journal = openJournal(argv);
      const context = openContext(argv, { writes: true });
      const target = argv.target ?? DEFAULT_TARGET;
      let stored: Stored;
      try {
        stored = readStored(target);
      } catch (error) {
        if (!(error instanceof Unusable)) throw error;
        journal.emit(event("auth.failed", { target, reason: `${target}: ${error.message}` }));
        return done(Exit.settings);
      }
      const only = argv.registry === undefined ? undefined : serverKey(argv.registry);
      const keys = toCheck(stored, only);
      const ports = {
        client: context.client,
        endpoints: { token: argv.tokenEndpoint, registry: argv.registryEndpoint },
        deadline: ALLOWANCE_DEADLINE,
      };
      const checks: Checked[] = [];
      // Nothing stored at all: said of the one registry that everybody pulls from.
      for (const key of keys.length === 0 ? [HUB] : keys) {
        for (const shadow of stored.shadows.filter(({ registry }) => registry === registryName(key))) {
          journal.emit(event("auth.shadowed", { target, ...shadow }));
        }
        const checked = await checkRegistry(ports, stored, key);
        journal.emit(event("auth.checked", checked));
        checks.push(checked);
      }
      try {
        saveLastCheck(context.stateDir, { at: systemClock.now(), checks });
      } catch (error) {
        journal.emit(event("state.unwritable", { reason: (error as Error).message }));
      }
      done(exitCodeOf(checks));
    },
  );
}

function withOutput<T>(yargs: Argv<T>) {
  return yargs
    .options({
      target: text(`The client's config file (default: ${DEFAULT_TARGET})`),
      json: maybeFlag("JSON lines also on a terminal"),
      plain: maybeFlag("Sentences also when not on a terminal"),
    })
    .conflicts("json", "plain");
}

function openJournal({ json, plain }: { json?: boolean | undefined; plain?: boolean | undefined }): Journal {
  // An outcome that nobody can read is no reason to leave a file half done.
  const ignore = () => {};
  const sentences = plain === true || (process.stdout.isTTY === true && json !== true);
  return sentences ? plainJournal(process.stdout, ignore) : jsonJournal(passId(process.env), ignore);
}
