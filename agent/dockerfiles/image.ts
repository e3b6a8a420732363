import type { Dockerfile, Instruction } from "./parse.ts";
import { onLine, Refusal } from "./refusal.ts";
import type { Budget, Escape, Value, Variable } from "./words.ts";
import {
  expand,
  known,
  newBudget,
  nobodySets,
  splitAssignment,
  splitPairs,
  splitWords,
  unknownText,
} from "./words.ts";

/** What `docker build` is told beside the file. */
export interface BuildOptions {
  readonly buildArgs: ReadonlyMap<string, string>;
  /** The stage that is built; null: the last one. */
  readonly target: string | null;
}

interface Label {
  readonly value: Value;
  /** Of its LABEL, from 1. */
  readonly line: number;
  /** Labels are numbered as they are set: a higher one overrides. */
  readonly order: number;
}

/** What is known of the image that a Dockerfile makes. */
export interface Image {
  /** Name of the stage that is built; null: it has none. */
  readonly stage: string | null;
  /** Of that stage's FROM, from 1. */
  readonly line: number;
  readonly labels: ReadonlyMap<string, Label>;
  /** The last label whose name cannot be told; its value says why. */
  readonly unnamed: Label | null;
  /** What the stages begin with, unless that is scratch: its labels are not known. */
  readonly base: Base | null;
  /** Names of labels that are set only in images built from this one. */
  readonly onBuild: ReadonlySet<string>;
}

export interface Base {
  /** As the file writes it. */
  readonly name: string;
  /** Why it cannot even be told which image that is; null: it can. */
  readonly unknown: string | null;
}

interface Stage {
  readonly name: string | null;
  readonly base: string;
  readonly line: number;
  readonly instructions: readonly Instruction[];
}

interface Rules {
  readonly escapeToken: Escape;
  readonly buildArgs: ReadonlyMap<string, string>;
  /** What was declared before the first FROM, and what the builder brings. */
  readonly globals: ReadonlyMap<string, Variable>;
  readonly budget: Budget;
}

const INSTRUCTIONS = new Set([
  ..."ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK".split(" "),
  ..."LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME WORKDIR".split(" "),
]);

/** What BuildKit sets by itself (dockerfile2llb/platform.go); the newest of them since 2026, some may be empty. */
const SET_BY_BUILDER = [
  ...["PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT"].flatMap((what) => [`BUILD${what}`, `TARGET${what}`]),
  "TARGETSTAGE",
];

/**
 * The image that a build of this file makes, as far as its labels go, by BuildKit's rules
 * (frontend/dockerfile/dockerfile2llb/convert.go). Where the classic builder differs, it is said below.
 * @throws Refusal
 */
export function imageOf({ instructions, escapeToken }: Dockerfile, options: BuildOptions): Image {
  const { buildArgs } = options;
  const { head, stages } = splitStages(instructions);
  const globals = new Map<string, Variable>(
    SET_BY_BUILDER.map((name) => [name, given(name, buildArgs) ?? setByBuilder(name)]),
  );
  const rules: Rules = { escapeToken, buildArgs, globals, budget: newBudget() };
  for (const { rest, line } of head) onLine(line, () => declare(rest, globals, rules, nobodySets));
  const target = findTarget(stages, options.target);
  const { chain, base } = chainOf(stages, target, rules);
  const build = new Build(base, rules);
  for (const stage of chain) build.runStage(stage);
  const { name, line } = stages[target]!;
  return { stage: name, line, base, labels: build.labels, unnamed: build.unnamed, onBuild: build.onBuild() };
}

function splitStages(instructions: readonly Instruction[]): { head: Instruction[]; stages: Stage[] } {
  const head: Instruction[] = [];
  const stages: (Stage & { instructions: Instruction[] })[] = [];
  for (const instruction of instructions) {
    const { keyword, rest, line } = instruction;
    if (!INSTRUCTIONS.has(keyword)) throw new Refusal(`unknown instruction ${keyword}`, line);
    if (keyword === "FROM") stages.push({ ...onLine(line, () => parseFrom(rest)), line, instructions: [] });
    else if (stages.length > 0) stages.at(-1)!.instructions.push(instruction);
    else if (keyword === "ARG") head.push(instruction);
    else throw new Refusal(`${keyword} before the first FROM`, line);
  }
  if (stages.length === 0) throw new Refusal("it has no FROM", instructions.at(-1)?.line ?? 1);
  return { head, stages };
}

function parseFrom(rest: string): Pick<Stage, "name" | "base"> {
  const words = rest.split(/[\t\v\f\r ]+/);
  while (words[0]?.startsWith("--")) words.shift();
  const [base = "", as = "AS", name = null] = words;
  if (base === "" || words.length === 2 || words.length > 3 || as.toUpperCase() !== "AS")
    throw new Refusal("FROM takes an image, or an image AS a name");
  if (name !== null && !/^[a-z][a-z0-9-_.]*$/i.test(name))
    throw new Refusal(`${name} cannot be the name of a stage`);
  return { base, name };
}

/** By name only: `--target 0` and `FROM 0` mean names too (measured on 20.10 and 28.5, with both builders). */
function findTarget(stages: readonly Stage[], target: string | null): number {
  if (target === null) return stages.length - 1;
  const index = findStage(stages, target, stages.length);
  if (index < 0) throw new Refusal(`it has no stage named ${target}`, stages.at(-1)!.line);
  return index;
}

/** The last of that name among the first `end`, in any case. BuildKit wants a FROM in lower case, and fails else. */
function findStage(stages: readonly Stage[], name: string, end: number): number {
  const wanted = name.toLowerCase();
  for (let at = end - 1; at >= 0; at--) if (stages[at]!.name?.toLowerCase() === wanted) return at;
  return -1;
}

/** The stages that this one begins with, lowest first, itself included; and what the lowest begins with. */
function chainOf(stages: readonly Stage[], target: number, { escapeToken, globals, budget }: Rules) {
  const chain: Stage[] = [];
  const lookup = (name: string) => globals.get(name) ?? nobodySets(name);
  for (let at = target; ; ) {
    const stage = stages[at]!;
    chain.push(stage);
    const from = onLine(stage.line, () => expand(stage.base, escapeToken, lookup, budget));
    if (from.unknown === null && from.text === "")
      throw new Refusal(`FROM ${stage.base} names nothing`, stage.line);
    at = from.unknown === null ? findStage(stages, from.text, at) : -1;
    if (at >= 0) continue;
    const scratch = from.unknown === null && from.text === "scratch";
    const base: Base | null = scratch ? null : { name: stage.base, unknown: from.unknown };
    return { chain: chain.reverse(), base };
  }
}

class Build {
  readonly labels = new Map<string, Label>();
  unnamed: Label | null = null;
  /** ENVs, which are part of the image, and ARGs, which are not. */
  readonly #envs = new Map<string, Variable>();
  readonly #args = new Map<string, Variable>();
  /** Names of ARGs that override an ENV; only for the rest of their stage. */
  #overriding: string[] = [];
  readonly #base: Base | null;
  readonly #rules: Rules;
  /** ONBUILD instructions of the last stage, without that word. */
  #triggers: Instruction[] = [];
  #order = 0;

  constructor(base: Base | null, rules: Rules) {
    this.#base = base;
    this.#rules = rules;
  }

  /** A stage inherits labels, ENVs and (not with the classic builder) ARGs, and runs what ONBUILD left to it. */
  runStage({ instructions }: Stage): void {
    for (const name of this.#overriding) this.#args.delete(name);
    this.#overriding = [];
    const inherited = this.#triggers;
    this.#triggers = [];
    for (const instruction of [...inherited, ...instructions]) {
      onLine(instruction.line, () => this.#run(instruction));
    }
  }

  onBuild(): Set<string> {
    const labels = this.#triggers.filter(({ keyword }) => keyword === "LABEL");
    return new Set(
      labels
        .flatMap(({ rest, line }) => onLine(line, () => this.#pairs("LABEL", rest)))
        .map(([{ text }]) => text),
    );
  }

  get(name: string): Variable | undefined {
    return this.#args.get(name) ?? this.#envs.get(name);
  }

  /** An ARG overrides an ENV that stands before it; with the classic builder the ENV wins. */
  set(name: string, arg: Variable): void {
    this.#args.set(name, arg);
    if (this.#envs.has(name)) this.#overriding.push(name);
  }

  #run({ keyword, rest, line }: Instruction): void {
    if (keyword === "ARG") declare(rest, this, this.#rules, this.#undeclared);
    if (keyword === "ENV") {
      // None of them sees another of the same ENV.
      for (const [name, value] of this.#pairs(keyword, rest)) {
        if (name.unknown !== null) throw new Refusal(`the name of an ENV cannot be told: ${name.unknown}`);
        this.#envs.set(name.text, { kind: "set", value });
        this.#args.delete(name.text);
      }
    }
    if (keyword === "LABEL") {
      for (const [name, value] of this.#pairs(keyword, rest)) {
        const order = this.#order++;
        if (name.unknown === null) this.labels.set(name.text, { value, line, order });
        else this.unnamed = { value: name, line, order };
      }
    }
    if (keyword === "ONBUILD") {
      const [, word = "", inner = ""] = /^(\S*)\s*(.*)$/s.exec(rest) ?? [];
      this.#triggers.push({ keyword: word.toUpperCase(), rest: inner, line });
    }
  }

  #pairs(keyword: string, rest: string): [name: Value, value: Value][] {
    const { escapeToken, budget } = this.#rules;
    const lookup = (name: string) => this.get(name) ?? this.#undeclared(name);
    return splitPairs(keyword, unflagged(keyword, rest), escapeToken).map(([name, value]) => [
      expand(name, escapeToken, lookup, budget),
      expand(value, escapeToken, lookup, budget),
    ]);
  }

  /** Empty, unless the base image brings it. */
  readonly #undeclared = (name: string): Variable => {
    const { globals } = this.#rules;
    const repeat = globals.get(name) === undefined ? "" : " (it needs an ARG in this stage)";
    // BuildKit gives every image a PATH. The shell's own, $1 or $@, are always empty.
    if ((this.#base === null && name !== "PATH") || !/^[\p{L}_]/u.test(name))
      return nobodySets(name + repeat);
    const from = this.#base === null ? "the builder" : `the base image ${this.#base.name}, which is not read`;
    return unknownVariable(`${name} is not declared in this stage${repeat} and may come from ${from}`);
  };
}

/** The words of an ARG, each seeing those before it. @throws Refusal */
function declare(
  rest: string,
  scope: Pick<Map<string, Variable>, "get"> & { set(name: string, variable: Variable): unknown },
  { escapeToken, buildArgs, globals, budget }: Rules,
  undeclared: (name: string) => Variable,
): void {
  const words = splitWords(unflagged("ARG", rest), escapeToken);
  if (words.length === 0) throw new Refusal("ARG needs at least one argument");
  for (const word of words) {
    const [name, text] = splitAssignment(word);
    if (name === "") throw new Refusal("ARG names can not be blank");
    const written = (): Variable | undefined => {
      if (text === undefined) return undefined;
      const value = expand(text, escapeToken, (of) => scope.get(of) ?? undeclared(of), budget);
      return { kind: "set", value };
    };
    const inherited = globals.get(name)?.kind === "set" ? globals.get(name) : scope.get(name);
    scope.set(name, given(name, buildArgs) ?? written() ?? inherited ?? notGiven(name));
  }
}

function unflagged(keyword: string, rest: string): string {
  if (rest.startsWith("--")) throw new Refusal(`${keyword} takes no flag`);
  return rest;
}

function given(name: string, buildArgs: ReadonlyMap<string, string>): Variable | undefined {
  const text = buildArgs.get(name);
  return text === undefined ? undefined : { kind: "set", value: known(text) };
}

/** Declared, and without a value as long as no --build-arg brings one. */
const notGiven = (name: string): Variable => ({
  kind: "unset",
  plain: unknownText(`ARG ${name} has no default; give --build-arg ${name}=…`),
});

const setByBuilder = (name: string): Variable =>
  unknownVariable(`the builder sets ${name}; give --build-arg ${name}=…`);

const unknownVariable = (reason: string): Variable => ({ kind: "set", value: unknownText(reason) });
