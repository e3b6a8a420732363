// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of Dockerfiles
import { type DockerfileCase, file } from "./dockerfile-case.ts";

/** Variables, heredocs, and what no builder takes. */
export const VARIABLES_AND_HEREDOCS: readonly DockerfileCase[] = [
  // Variables
  {
    name: "a heredoc by its number, one with a name of two words, and none in quotes",
    text: file(
      ...["FROM scratch AS other", "RUN cat 3<<EOF", "LABEL a=b", "EOF", "RUN <<'E F'", "LABEL a=b", "E F"],
      ...['RUN echo "a <<EOF b"', "FROM scratch", 'CMD echo "a <<EOF b"', "LABEL c=d"],
    ),
    by: "recent",
    labels: { c: "d" },
  },
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
        ...["RUN <<-'EOF' sh", "\tLABEL a=b", "\t\tEOF", "RUN cat << EOF > /f \\", " && true", "LABEL a=b"],
        ...["EOF"],
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
        ...["FROM scratch", "COPY --chmod=644 <<A <<B /d/", "B", "LABEL a=b", "A", "A", "LABEL a=b", "B"],
        ...["LABEL c=d"],
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
