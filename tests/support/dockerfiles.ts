// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
/**
 * Dockerfiles and the labels of the image that each makes. Every one begins with `FROM scratch`, so that an engine can
 * build it without a registry: tests/engine/dockerfiles.test.ts does, tests/unit/dockerfiles/ holds our reading against
 * the same rows.
 */
import { type DockerfileCase, file } from "./dockerfile-case.ts";
import { VARIABLES_AND_HEREDOCS } from "./dockerfiles-variables.ts";

export type { DockerfileCase };

export const DOCKERFILES: readonly DockerfileCase[] = [
  {
    name: "one LABEL",
    text: file("FROM scratch", "LABEL cascade.managed=true"),
    labels: { "cascade.managed": "true" },
  },
  {
    name: "several on a line, and a later one that overrides",
    text: file("FROM scratch", 'LABEL a=1 b="2 3" c=4', "LABEL a=5"),
    labels: { a: "5", b: "2 3", c: "4" },
  },
  { name: "twice in one LABEL", text: file("FROM scratch", "LABEL a=1 a=2"), labels: { a: "2" } },
  {
    name: "any case of the instructions, indented, after tabs",
    text: file("  from scratch as One", "\tlabel\ta=b", "LaBeL c=d"),
    labels: { a: "b", c: "d" },
  },
  {
    name: "quotes and escapes",
    text: file(
      "FROM scratch",
      "ENV V=v",
      `LABEL "q k"="x y" b='single $V' c="double $V" d=un\\ escaped e=a"b"c f="a\\"b" g='a\\nb' h="a\\nb"`,
      'LABEL i=\\$V j="\\$V" k="a\'b" l=\'a"b\' m=a\\\\b n="" o=',
    ),
    labels: {
      ...{ "q k": "x y", b: "single $V", c: "double v", d: "un escaped", e: "abc", f: 'a"b', g: "a\\nb" },
      ...{ h: "a\\nb", i: "$V", j: "$V", k: "a'b", l: 'a"b', m: "a\\b", n: "", o: "" },
    },
  },
  {
    name: "a backslash in single quotes escapes nothing",
    text: file("FROM scratch", "LABEL a='\\' b=c"),
    labels: { a: "\\", b: "c" },
  },
  {
    name: "a value with = and <<",
    text: file("FROM scratch", "LABEL a=b=c d=<<EOF", "LABEL e=f"),
    labels: { a: "b=c", d: "<<EOF", e: "f" },
  },
  {
    name: "the old form, one label without =",
    text: file("FROM scratch", "LABEL key some  value here ", 'LABEL two "some  value" a=b'),
    labels: { key: "some  value here", two: "some  value a=b" },
  },
  {
    name: "other blanks that the builder knows",
    text: file("FROM scratch", "LABEL a=b\u00a0c=d\u000be=f"),
    labels: { a: "b", c: "d", e: "f" },
  },
  {
    name: "variables in the name of a label",
    text: file("FROM scratch", "ARG K=key", 'LABEL $K=v "$K-2"=w'),
    labels: { key: "v", "key-2": "w" },
  },

  // Lines
  {
    name: "continued lines, with comments and empty lines between",
    text: file("FROM scratch", "LABEL a=b \\", "  # c=comment", "", "  d=e \\  ", "# f=g \\", " h=i"),
    labels: { a: "b", d: "e", h: "i" },
  },
  {
    name: "a word over two lines, and a quoted one",
    text: file("FROM scratch", "LABEL a=b\\", "c", 'LABEL d="e \\', '   f"'),
    labels: { a: "bc", d: "e    f" },
  },
  {
    name: "an instruction over two lines",
    text: file("FROM scratch", "LAB\\", "EL a=b"),
    labels: { a: "b" },
  },
  {
    name: "an escaped backslash at the end of a line does not continue it",
    text: file("FROM scratch", "LABEL a=b\\\\", "LABEL c=d"),
    labels: { a: "b\\", c: "d" },
  },
  {
    name: "an escaped space before the end of a continued line",
    text: file("FROM scratch", "LABEL a=b\\ \\", " c=d"),
    labels: { a: "b ", c: "d" },
  },
  { name: "continued into the end of the file", text: "FROM scratch\nLABEL a=b \\", labels: { a: "b" } },
  { name: "no end of the last line", text: "FROM scratch\nLABEL a=b", labels: { a: "b" } },
  {
    name: "a LABEL in a continued instruction is none",
    text: file("FROM scratch", 'ENV A="x \\', 'LABEL a=b"', "LABEL c=d"),
    labels: { c: "d" },
  },
  {
    name: "a LABEL after an escaped space in a continued RUN is none",
    text: file("FROM scratch AS other", "RUN a\\ \\", " LABEL a=b", "FROM scratch", "LABEL c=d"),
    labels: { c: "d" },
    by: "buildkit",
  },
  {
    name: "a commented LABEL is none",
    text: file("FROM scratch", "# LABEL a=b", "  #LABEL c=d", "LABEL e=f"),
    labels: { e: "f" },
  },
  {
    name: "Windows line ends",
    text: "FROM scratch\r\nLABEL a=b \\\r\n  c=d\r\n",
    labels: { a: "b", c: "d" },
  },
  { name: "a byte order mark", text: "\ufeffFROM scratch\nLABEL a=b\n", labels: { a: "b" } },

  // Directives
  {
    name: "another escape",
    text: file("# escape=`", "FROM scratch", "LABEL a=b `", " c=d e=x\\y f=a` b"),
    labels: { a: "b", c: "d", e: "x\\y", f: "a b" },
  },
  {
    name: "another escape, after a byte order mark, in capitals and with blanks",
    text: "\ufeff#  ESCAPE = ` \nFROM scratch\nLABEL a=b `\n c=d\n",
    labels: { a: "b", c: "d" },
  },
  {
    name: "another escape after a directive that checks",
    text: file("# check=skip=all", "# escape=`", "FROM scratch", "LABEL a=b `", " c=d"),
    labels: { a: "b", c: "d" },
    by: "recent",
  },
  {
    name: "a comment that looks like a directive ends the directives",
    text: file("# see=this", "# escape=`", "FROM scratch", "LABEL a=b \\", " c=d"),
    labels: { a: "b", c: "d" },
  },
  {
    name: "an empty line ends the directives",
    text: file("", "# escape=`", "FROM scratch", "LABEL a=b \\", " c=d"),
    labels: { a: "b", c: "d" },
  },
  { name: "two escapes", text: file("# escape=`", "# escape=\\", "FROM scratch", "LABEL a=b"), labels: null },
  { name: "an escape that is none", text: file("# escape=x", "FROM scratch", "LABEL a=b"), labels: null },

  // Stages
  {
    name: "an earlier stage does not count",
    text: file("FROM scratch AS build", "LABEL a=b", "FROM scratch", "LABEL c=d"),
    labels: { c: "d" },
  },
  {
    name: "FROM an earlier stage inherits",
    text: file("FROM scratch AS Base", "LABEL a=b c=d", "FROM base", "LABEL c=e"),
    labels: { a: "b", c: "e" },
  },
  {
    name: "FROM a stage whose name is in quotes, with a platform",
    text: file("FROM --platform=linux/amd64 scratch AS base", "LABEL a=b", 'FROM "base"', "LABEL c=d"),
    labels: { a: "b", c: "d" },
  },
  {
    name: "over three stages",
    text: file("FROM scratch AS a", "LABEL a=1", "FROM a AS b", "LABEL b=2", "FROM b", "LABEL c=3"),
    labels: { a: "1", b: "2", c: "3" },
  },
  {
    name: "two stages of one name: the later",
    text: file("FROM scratch AS a", "LABEL x=1", "FROM scratch AS a", "LABEL x=2", "FROM a", "LABEL y=3"),
    labels: { x: "2", y: "3" },
    by: "buildkit",
  },
  {
    name: "FROM a variable that names a stage",
    text: file("ARG B=base", "FROM scratch AS base", "LABEL a=b", "FROM ${B}", "LABEL c=d"),
    labels: { a: "b", c: "d" },
  },
  {
    name: "FROM a variable that only --build-arg sets",
    text: file("ARG B", "FROM scratch AS base", "LABEL a=b", "FROM $B", "LABEL c=d"),
    buildArgs: { B: "base" },
    labels: { a: "b", c: "d" },
  },
  {
    name: "the target, in another case",
    text: file("FROM scratch AS One", "LABEL a=1", "FROM scratch AS two", "LABEL a=2"),
    target: "ONE",
    labels: { a: "1" },
  },
  {
    name: "a target that is not there",
    text: file("FROM scratch AS one", "LABEL a=1"),
    target: "1",
    labels: null,
  },
  {
    name: "a target is no number",
    text: file("FROM scratch", "LABEL a=1", "FROM scratch", "LABEL a=2"),
    target: "0",
    labels: null,
  },
  {
    name: "ONBUILD does not count",
    text: file("FROM scratch", "ONBUILD LABEL a=b", "LABEL c=d"),
    labels: { c: "d" },
  },
  {
    name: "ONBUILD of the stage that the last one begins with does, before its own, and not twice",
    text: file(
      ...["FROM scratch AS a", "ONBUILD LABEL x=1 y=1", "FROM a AS b", "LABEL y=2", "ENV E=e"],
      ...["ONBUILD label z=$E", "FROM b", "LABEL last=1"],
    ),
    labels: { x: "1", y: "2", z: "e", last: "1" },
  },
  ...VARIABLES_AND_HEREDOCS,
];
