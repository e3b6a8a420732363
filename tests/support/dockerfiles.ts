// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
/**
 * Dockerfiles and the labels of the image that each makes. Every one begins with `FROM scratch`, so that an engine can
 * build it without a registry: tests/engine/dockerfiles.test.ts does, tests/unit/dockerfiles/ holds our reading against
 * the same rows.
 */
export interface DockerfileCase {
  readonly name: string;
  readonly text: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  readonly target?: string;
  /** Of the image; null: the builder refuses the file. */
  readonly labels: Readonly<Record<string, string>> | null;
  /** Labels whose value the builder knows and the file does not tell. */
  readonly untold?: readonly string[];
  /**
   * Who agrees; default: both builders of every engine. "buildkit": the classic builder does it otherwise.
   * "recent": BuildKit as of Docker 28; older ones refuse the file or take it otherwise.
   */
  readonly by?: "buildkit" | "recent";
}

/** Lines with a line end each. */
const file = (...lines: string[]): string => lines.map((line) => `${line}\n`).join("");

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

  // Variables
  {
    name: "ARG and ENV",
    text: file("FROM scratch", "ARG A=a", 'ENV E="e $A"', "LABEL a=$A e=$E both=${A}${E}x none=$A_"),
    labels: { a: "a", e: "e a", both: "ae ax", none: "" },
  },
  {
    name: "an ARG before FROM counts where it is repeated",
    text: file("ARG A=a", "ARG B=$A-b", "FROM scratch", "LABEL early=$B", "ARG B", "LABEL late=$B"),
    labels: { early: "", late: "a-b" },
  },
  {
    name: "an ARG of the stage with a default of its own",
    text: file("ARG A=outer", "FROM scratch", "ARG A=inner", "LABEL a=$A"),
    labels: { a: "inner" },
  },
  {
    name: "--build-arg",
    text: file("ARG A", "FROM scratch", "ARG A", "ARG B=b", "LABEL a=$A b=$B c=$C"),
    buildArgs: { A: "given", B: "given too", C: "not declared" },
    labels: { a: "given", b: "given too", c: "" },
  },
  {
    name: "an empty --build-arg",
    text: file("FROM scratch", "ARG A=a", "LABEL a=$A d=${A:-default}"),
    buildArgs: { A: "" },
    labels: { a: "", d: "default" },
  },
  {
    name: "an ARG without a value is empty at build time, which is not for the file to tell",
    text: file("FROM scratch", "ARG A", "LABEL a=$A b=x"),
    labels: { a: "", b: "x" },
    untold: ["a"],
  },
  {
    name: "ENV after ARG wins",
    text: file("FROM scratch", "ARG A=arg", "ENV A=env", "LABEL a=$A"),
    labels: { a: "env" },
  },
  {
    name: "an ARG that nobody gives a value leaves the ENV as it is",
    text: file("ARG A", "FROM scratch", "ENV A=env", "ARG A", "LABEL a=$A"),
    labels: { a: "env" },
  },
  {
    name: "ARG after ENV wins, until the next stage",
    text: file("FROM scratch AS s", "ENV A=env", "ARG A=arg", "LABEL a=$A", "FROM s", "LABEL b=$A"),
    labels: { a: "arg", b: "env" },
    by: "buildkit",
  },
  {
    name: "a stage inherits ENV",
    text: file("FROM scratch AS s", "ENV A=1", "FROM s", "LABEL a=$A"),
    labels: { a: "1" },
  },
  {
    name: "a stage inherits ARG",
    text: file("FROM scratch AS s", "ARG A=1", "FROM s", "LABEL a=$A"),
    labels: { a: "1" },
    by: "buildkit",
  },
  {
    name: "one ENV does not see its own words",
    text: file("FROM scratch", "ENV A=1", "ENV A=2 B=$A", "LABEL b=$B"),
    labels: { b: "1" },
  },
  {
    name: "one ARG does",
    text: file("FROM scratch", "ARG A=1 B=$A", "LABEL b=$B"),
    labels: { b: "1" },
    by: "recent",
  },
  {
    name: "the old form of ENV",
    text: file("FROM scratch", "ENV A some  text", "LABEL a=$A"),
    labels: { a: "some  text" },
  },
  {
    name: "defaults and alternatives",
    text: file(
      ...["FROM scratch", "ARG S=set", "ARG E=", "ARG N"],
      "LABEL a=${S:-d} b=${E:-d} c=${N:-d} f=${S:+y} g=${E:+y} h=${N:+y} i=${S:?no}",
    ),
    labels: { a: "set", b: "d", c: "d", f: "y", g: "", h: "", i: "set" },
  },
  {
    name: "defaults and alternatives without a colon",
    text: file(
      ...["FROM scratch", "ARG S=set", "ARG E=", "ARG N"],
      "LABEL a=${S-d} d=${E-d} e=${N-d} f=${S+y} i=${E+y} j=${N+y} k=${S?no}",
    ),
    labels: { a: "set", d: "", e: "d", f: "y", i: "y", j: "", k: "set" },
    by: "recent",
  },
  {
    name: "nested ones",
    text: file("FROM scratch", "ARG A=a", 'LABEL x=${B:-${A}} y=${B:-"q $A"} z=${B:-${C:-deep}}'),
    labels: { x: "a", y: "q a", z: "deep" },
  },
  {
    name: "cut and replaced ones are not worked out",
    text: file("FROM scratch", "ARG S=foobar", "LABEL a=${S#foo} b=${S%bar} c=${S/o/0} d=x"),
    labels: { a: "bar", b: "foo", c: "f0obar", d: "x" },
    untold: ["a", "b", "c"],
    by: "recent",
  },
  {
    name: "dollars that are no variables, and names that end",
    text: file("FROM scratch", "ARG x=1", "LABEL a=$ b=a$ c=$1z d=$x-y e=$@"),
    labels: { a: "$", b: "a$", c: "z", d: "1-y", e: "" },
  },
  {
    name: "what the builder sets is not for the file to tell, unless --build-arg does",
    text: file(
      "FROM scratch",
      "ARG TARGETARCH",
      "ARG TARGETOS=mine",
      "ARG BUILDARCH",
      "LABEL a=$TARGETARCH o=$TARGETOS b=$BUILDARCH",
    ),
    buildArgs: { BUILDARCH: "given" },
    labels: { a: "amd64", o: "mine", b: "given" },
    untold: ["a"],
    by: "buildkit",
  },
  {
    name: "nor is the PATH that every image gets",
    text: file("FROM scratch", "LABEL a=$PATH", "LABEL b=c"),
    labels: { a: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", b: "c" },
    untold: ["a"],
  },
  {
    name: "a variable that must be set",
    text: file("FROM scratch", "ARG N", 'LABEL a="${N:?is not set}"'),
    labels: null,
  },

  // Heredocs
  {
    name: "a LABEL in the heredoc of a COPY is none",
    text: file("FROM scratch", "COPY <<EOF /f", "LABEL a=b", "EOF", "LABEL c=d"),
    labels: { c: "d" },
    by: "recent",
  },
  {
    name: "nor in that of a RUN, quoted, with tabs, with blanks, by its number",
    text: file(
      ...["FROM scratch AS other", "RUN <<EOF", "LABEL a=b", "EOF", 'RUN cat <<"E" > /f', "LABEL a=b", "E"],
      ...[
        "RUN <<-'EOF' sh",
        "\tLABEL a=b",
        "\t\tEOF",
        "RUN cat << EOF > /f \\",
        " && true",
        "LABEL a=b",
        "EOF",
      ],
      ...["FROM scratch", "LABEL c=d"],
    ),
    labels: { c: "d" },
    by: "recent",
  },
  {
    name: "two heredocs, the end of one within the other",
    text: file(
      ...[
        "FROM scratch",
        "COPY --chmod=644 <<A <<B /d/",
        "B",
        "LABEL a=b",
        "A",
        "A",
        "LABEL a=b",
        "B",
        "LABEL c=d",
      ],
    ),
    labels: { c: "d" },
    by: "recent",
  },
  {
    name: "a heredoc for images built from this one",
    text: file("FROM scratch", "ONBUILD COPY <<EOF /f", "LABEL a=b", "EOF", "LABEL c=d"),
    labels: { c: "d" },
    by: "recent",
  },
  {
    name: "the end of a heredoc must stand alone, and a backslash does not continue its lines",
    text: file("FROM scratch", "COPY <<EOF /f", " EOF", "\tEOF", "EOF ", "LABEL a=b \\", "EOF", "LABEL c=d"),
    labels: { c: "d" },
    by: "recent",
  },
  {
    name: "no heredoc in CMD, in a list, in a here-string",
    text: file(
      ...["FROM scratch AS other", "RUN cat <<<EOF", 'RUN ["cat", "<<EOF"]', "FROM scratch"],
      ...["CMD cat <<EOF", "LABEL c=d"],
    ),
    labels: { c: "d" },
    by: "recent",
  },
  {
    name: "a heredoc that does not end",
    text: file("FROM scratch", "COPY <<EOF /f", "LABEL a=b"),
    labels: null,
    by: "recent",
  },

  // What no builder takes
  { name: "an empty file", text: "", labels: null },
  { name: "comments only", text: file("# FROM scratch"), labels: null },
  { name: "no FROM", text: file("LABEL a=b"), labels: null },
  { name: "a LABEL before FROM", text: file("LABEL a=b", "FROM scratch"), labels: null },
  { name: "an unknown instruction", text: file("FROM scratch", "LABLE a=b"), labels: null },
  { name: "a LABEL without arguments", text: file("FROM scratch", "LABEL"), labels: null },
  { name: "a LABEL without a value", text: file("FROM scratch", "LABEL a"), labels: null },
  { name: "a word without =", text: file("FROM scratch", "LABEL a=b c"), labels: null },
  { name: "a label without a name", text: file("FROM scratch", "LABEL =b"), labels: null },
  { name: "a flag", text: file("FROM scratch", "LABEL --a=b c=d"), labels: null },
  { name: "an open quote", text: file("FROM scratch", 'LABEL a="b'), labels: null },
  { name: "an open brace", text: file("FROM scratch", "LABEL a=${b"), labels: null },
  { name: "an open brace after a default", text: file("FROM scratch", "LABEL a=${b:-c"), labels: null },
  { name: "braces around nothing", text: file("FROM scratch", "LABEL a=${}"), labels: null },
  { name: "FROM with too many words", text: file("FROM scratch AS a b", "LABEL a=b"), labels: null },
  { name: "FROM nothing", text: file("ARG B=", "FROM $B", "LABEL a=b"), labels: null },
  { name: "a stage with a name that is none", text: file("FROM scratch AS 1st", "LABEL a=b"), labels: null },
  { name: "an empty ENV", text: file("FROM scratch", "ENV", "LABEL a=b"), labels: null },
  { name: "an empty ARG", text: file("FROM scratch", "ARG", "LABEL a=b"), labels: null },
  {
    name: "a line of more than 64 KiB",
    text: file("FROM scratch", `LABEL a=${"b".repeat(65_536)}`),
    labels: null,
  },
];
